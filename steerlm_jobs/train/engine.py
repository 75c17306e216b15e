"""Engines: who owns weights, gradients and optimizer. Here the plain one: torch alone."""

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from steerlm_jobs.contract.recipes import Training
from steerlm_jobs.process.ranks import Alone, Ranks


class Engine(Protocol):
    """What the loop asks of an engine. Losses are already divided by the global weight.

    All ranks make the same calls in the same order.
    """

    device: torch.device
    ranks: Ranks

    def precision(self) -> AbstractContextManager[object]:
        """Return the context in which forward passes run."""

    def backward(self, loss: Tensor, *, is_last: bool) -> None:
        """Add the gradient of a micro-batch; `is_last`: of the step's last one."""

    def update(self, factor: float) -> float:
        """Clip, make one optimizer update at `factor` times the learning rates, drop the gradients.

        Returns:
            The gradient norm before clipping. If it is not finite, no weight has moved.
        """

    def discard(self, loss: Tensor) -> None:
        """Drop the gradients of an unfinished step, and the loss of its current micro-batch."""

    def set_training(self, is_training: bool) -> None:  # noqa: FBT001  # as nn.Module.train
        """Switch dropout on or off."""

    def weights(self) -> dict[str, Tensor]:
        """Return a copy of all that is trained, in fp32 on the CPU; empty on other ranks than 0."""

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Set all that is trained to rank 0's values."""

    def optimizer_state(self) -> dict[str, Tensor]:
        """Return a copy of the optimizer's state, on the CPU; empty on other ranks than 0.

        Its keys are `<parameter>/<quantity>` for each quantity that AdamW keeps.
        """

    def load_optimizer_state(self, state: Mapping[str, Tensor]) -> None:
        """Set the optimizer's state to rank 0's."""

    def whole(self) -> AbstractContextManager[object]:
        """Return a context in which every rank's module holds all its weights, to be read."""


@dataclass(frozen=True, slots=True)
class ParameterGroup:
    """Parameters with a learning rate of their own."""

    parameters: Mapping[str, nn.Parameter]
    learning_rate: float


class PlainEngine:
    """Plain torch: fp32 masters, fp32 gradients, bf16 by autocast if asked for.

    Several ranks hold the same weights and add up their gradients before an update.
    """

    def __init__(
        self,
        module: nn.Module,
        groups: Sequence[ParameterGroup],
        training: Training,
        ranks: Ranks | None = None,
    ) -> None:
        self._module = module
        self._named = named_parameters(groups)
        self._clip_norm = training.gradient_clip_norm
        self._is_bf16 = training.precision == "Bf16"
        self.ranks = ranks or Alone()
        self.device = next(iter(self._named.values())).device
        self._optimizer = adamw(groups, training)
        self._learning_rates = [group["lr"] for group in self._optimizer.param_groups]

    def precision(self) -> AbstractContextManager[object]:
        """Return bf16 autocast, or nothing."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self._is_bf16)

    def backward(self, loss: Tensor, *, is_last: bool) -> None:
        """Add the gradient of a micro-batch, in fp32 as the weights are."""
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no types here

    def update(self, factor: float) -> float:
        """Clip and update; see `Engine.update`."""
        for parameter in self._named.values():
            if parameter.grad is not None:
                self.ranks.add_up(parameter.grad)
        norm = torch.nn.utils.clip_grad_norm_(self._named.values(), self._clip_norm)
        if bool(torch.isfinite(norm)):
            for group, rate in zip(self._optimizer.param_groups, self._learning_rates, strict=True):
                group["lr"] = rate * factor
            self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return float(norm)

    def discard(self, loss: Tensor) -> None:
        """Drop the gradients."""
        self._optimizer.zero_grad(set_to_none=True)

    def set_training(self, is_training: bool) -> None:  # noqa: FBT001  # as nn.Module.train
        """Switch dropout on or off."""
        self._module.train(is_training)

    def weights(self) -> dict[str, Tensor]:
        """Return a copy of all that is trained."""
        if self.ranks.rank:
            return {}
        return {name: p.detach().to("cpu", copy=True) for name, p in self._named.items()}

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Set all that is trained."""
        with torch.no_grad():
            for name, parameter in self._named.items():
                if not self.ranks.rank:
                    parameter.copy_(weights[name])
                self.ranks.send_first(parameter.data)

    def optimizer_state(self) -> dict[str, Tensor]:
        """Return a copy of the optimizer's state."""
        if self.ranks.rank:
            return {}
        return {
            f"{name}/{quantity}": value.detach().to("cpu", copy=True)
            for name, parameter in self._named.items()
            for quantity, value in self._optimizer.state.get(parameter, {}).items()
        }

    def load_optimizer_state(self, state: Mapping[str, Tensor]) -> None:
        """Set what `optimizer_state` returned."""
        shapes = {key: list(value.shape) for key, value in state.items()}
        for key, shape in json.loads(self.ranks.first_says(json.dumps(shapes))).items():
            name, _, quantity = key.rpartition("/")
            value = state[key] if key in state else torch.empty(shape)
            value = value.to(self.device, copy=True)
            self.ranks.send_first(value)
            self._optimizer.state[self._named[name]][quantity] = value

    def whole(self) -> AbstractContextManager[object]:
        """Return an empty context: every rank has everything."""
        return nullcontext()


def named_parameters(groups: Sequence[ParameterGroup]) -> dict[str, nn.Parameter]:
    """Return all parameters of the groups."""
    return {name: p for group in groups for name, p in group.parameters.items()}


def adamw(groups: Sequence[ParameterGroup], training: Training) -> torch.optim.AdamW:
    """Return the optimizer of all engines: weight decay acts on matrices, not on biases, norms."""
    found: list[dict[str, object]] = []
    for group in groups:
        for is_matrix in (True, False):
            chosen = [p for p in group.parameters.values() if (p.ndim >= 2) is is_matrix]
            if chosen:
                decay = training.weight_decay if is_matrix else 0.0
                found.append({"params": chosen, "lr": group.learning_rate, "weight_decay": decay})
    return torch.optim.AdamW(found, betas=(training.beta1, training.beta2), fused=True)
