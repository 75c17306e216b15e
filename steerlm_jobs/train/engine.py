"""Engines: who owns weights, gradients and optimizer. Here the plain one, of one process."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from steerlm_jobs.contract.recipes import Training


class Engine(Protocol):
    """What the loop asks of an engine. Losses are already divided by the global weight."""

    device: torch.device

    def precision(self) -> AbstractContextManager[object]:
        """Return the context in which forward passes run."""

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of a micro-batch."""

    def update(self, factor: float) -> float:
        """Clip, make one optimizer update at `factor` times the learning rates, drop the gradients.

        Returns:
            The gradient norm before clipping. If it is not finite, no weight has moved.
        """

    def discard(self) -> None:
        """Drop the gradients of an unfinished step."""

    def set_training(self, is_training: bool) -> None:  # noqa: FBT001  # as nn.Module.train
        """Switch dropout on or off."""

    def weights(self) -> dict[str, Tensor]:
        """Return a copy of all that is trained, in fp32 on the CPU."""

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Set all that is trained."""

    def optimizer_state(self) -> dict[str, Tensor]:
        """Return a copy of the optimizer's state, on the CPU."""

    def load_optimizer_state(self, state: Mapping[str, Tensor]) -> None:
        """Set the optimizer's state."""


@dataclass(frozen=True, slots=True)
class ParameterGroup:
    """Parameters with a learning rate of their own."""

    parameters: Mapping[str, nn.Parameter]
    learning_rate: float


class PlainEngine:
    """One process, plain torch: fp32 masters, fp32 gradients, bf16 by autocast if asked for."""

    def __init__(
        self, module: nn.Module, groups: Sequence[ParameterGroup], training: Training
    ) -> None:
        self._module = module
        self._named = {name: p for group in groups for name, p in group.parameters.items()}
        self._clip_norm = training.gradient_clip_norm
        self._is_bf16 = training.precision == "Bf16"
        self.device = next(iter(self._named.values())).device
        self._optimizer = torch.optim.AdamW(
            _optimizer_groups(groups, training.weight_decay),
            betas=(training.beta1, training.beta2),
            fused=True,
        )
        self._learning_rates = [group["lr"] for group in self._optimizer.param_groups]

    def precision(self) -> AbstractContextManager[object]:
        """Return bf16 autocast, or nothing."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self._is_bf16)

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of a micro-batch, in fp32 as the weights are."""
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no types here

    def update(self, factor: float) -> float:
        """Clip and update; see `Engine.update`."""
        norm = torch.nn.utils.clip_grad_norm_(self._named.values(), self._clip_norm)
        if bool(torch.isfinite(norm)):
            for group, rate in zip(self._optimizer.param_groups, self._learning_rates, strict=True):
                group["lr"] = rate * factor
            self._optimizer.step()
        self.discard()
        return float(norm)

    def discard(self) -> None:
        """Drop the gradients."""
        self._optimizer.zero_grad(set_to_none=True)

    def set_training(self, is_training: bool) -> None:  # noqa: FBT001  # as nn.Module.train
        """Switch dropout on or off."""
        self._module.train(is_training)

    def weights(self) -> dict[str, Tensor]:
        """Return a copy of all that is trained."""
        return {name: p.detach().to("cpu", copy=True) for name, p in self._named.items()}

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Set all that is trained."""
        with torch.no_grad():
            for name, parameter in self._named.items():
                parameter.copy_(weights[name])

    def optimizer_state(self) -> dict[str, Tensor]:
        """Return `<parameter>/<quantity>` for each quantity that AdamW keeps."""
        return {
            f"{name}/{quantity}": value.detach().to("cpu", copy=True)
            for name, parameter in self._named.items()
            for quantity, value in self._optimizer.state.get(parameter, {}).items()
        }

    def load_optimizer_state(self, state: Mapping[str, Tensor]) -> None:
        """Set what `optimizer_state` returned."""
        for key, value in state.items():
            name, _, quantity = key.rpartition("/")
            parameter = self._named[name]
            self._optimizer.state[parameter][quantity] = value.to(self.device, copy=True)


def _optimizer_groups(
    groups: Sequence[ParameterGroup], weight_decay: float
) -> list[dict[str, object]]:
    """Return optimizer groups: weight decay acts on matrices, not on biases and norms."""
    found: list[dict[str, object]] = []
    for group in groups:
        for is_matrix in (True, False):
            chosen = [p for p in group.parameters.values() if (p.ndim >= 2) is is_matrix]
            if chosen:
                decay = weight_decay if is_matrix else 0.0
                found.append({"params": chosen, "lr": group.learning_rate, "weight_decay": decay})
    return found
