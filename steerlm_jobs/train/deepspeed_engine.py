"""DeepSpeed's ZeRO 1, 2 and 3 behind our `Engine`: the only module that knows deepspeed.

Weights stay fp32, and bf16 is autocast's, as in the plain engine: DeepSpeed's own bf16 mode casts
all parameters, the head's and the adapters' too. So masters, gradients and what is communicated are
fp32, and all engines compute the same.
"""

import json
import logging
import math
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from steerlm_jobs.contract.recipes import Training
from steerlm_jobs.models.lora import borrowed_parameters
from steerlm_jobs.process.ranks import Ranks
from steerlm_jobs.train.engine import ParameterGroup, adamw, named_parameters

_BUCKET_ELEMENTS: Final = 200_000_000
_PERSISTENT_ELEMENTS: Final = 100_000
"""ZeRO 3 leaves smaller parameters whole on each rank: DeepSpeed's default."""
_QUANTITIES: Final = ("exp_avg", "exp_avg_sq")


class DeepSpeedEngine:
    """A module whose optimizer state (1), gradients (2) and weights (3) are spread over ranks."""

    def __init__(
        self,
        module: nn.Module,
        groups: Sequence[ParameterGroup],
        training: Training,
        ranks: Ranks,
        zero_stage: int,
    ) -> None:
        self._module, self._named, self._zero_stage = module, named_parameters(groups), zero_stage
        self._is_bf16 = training.precision == "Bf16"
        self.ranks = ranks
        self.device = next(iter(self._named.values())).device
        self._deepspeed = _deepspeed(self.device)
        self._adamw = adamw(groups, training)
        self._learning_rates = [group["lr"] for group in self._adamw.param_groups]
        num_elements = sum(p.numel() for p in module.parameters())
        self._engine: Any = self._deepspeed.initialize(  # untyped
            model=module,
            optimizer=self._adamw,
            config=_config(training, zero_stage, num_elements),
            dist_init_required=False,
        )[0]
        if zero_stage == 3:
            for reader, parameter in borrowed_parameters(module):
                self._deepspeed.zero.register_external_parameter(reader, parameter)
        self._make_state()

    def precision(self) -> AbstractContextManager[object]:
        """Return bf16 autocast, or nothing."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self._is_bf16)

    def backward(self, loss: Tensor, *, is_last: bool) -> None:
        """Add the gradient of a micro-batch, in fp32.

        DeepSpeed divides by the number of ranks what our losses, shares of one sum, do not want.
        """
        self._engine.set_gradient_accumulation_boundary(is_last)
        # What its own forward would do, which our objectives do not call: else ZeRO 3 forgets the
        # micro-batch before.
        self._engine.optimizer.clear_backward_seen_flag()
        self._engine.backward(loss * self.ranks.size, scale_wrt_gas=False)

    def update(self, factor: float) -> float:
        """Clip and update; infinite where DeepSpeed has skipped the step by itself."""
        for group, rate in zip(self._adamw.param_groups, self._learning_rates, strict=True):
            group["lr"] = rate * factor
        self._engine.step()
        if not self._engine.was_step_applied():
            return math.inf
        return float(self._engine.get_global_grad_norm())

    def discard(self, loss: Tensor) -> None:
        """Drop the gradients: on all ranks a gradient that is none, so that DeepSpeed skips."""
        self.backward(loss * math.nan, is_last=True)
        self._engine.step()

    def set_training(self, is_training: bool) -> None:  # noqa: FBT001  # as nn.Module.train
        """Switch dropout on or off."""
        self._module.train(is_training)

    def weights(self) -> dict[str, Tensor]:
        """Return a copy of all that is trained, gathered from the ranks' masters."""
        get = self._deepspeed.utils.safe_get_full_fp32_param
        return self._gathered((name, get(p)) for name, p in self._named.items())

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Set the masters, and the weights that forward passes use."""
        for name, parameter in self._named.items():
            with self._gathering([parameter], writer=0), torch.no_grad():
                value = weights[name].to(self.device) if name in weights else None
                value = torch.empty_like(parameter) if value is None else value
                self.ranks.send_first(value)
                parameter.copy_(value)
            self._put(parameter, value)

    def optimizer_state(self) -> dict[str, Tensor]:
        """Return a copy of the optimizer's state, gathered."""
        get: Callable[[nn.Parameter, str], Tensor]
        get = self._deepspeed.utils.safe_get_full_optimizer_state
        found = self._gathered(
            (f"{name}/{quantity}", get(parameter, quantity))
            for name, parameter in self._named.items()
            for quantity in _QUANTITIES
        )
        step = next(iter(self._adamw.state.values()))["step"]
        return found | self._gathered((f"{name}/step", step) for name in self._named)

    def load_optimizer_state(self, state: Mapping[str, Tensor]) -> None:
        """Set the optimizer's state, each rank its part."""
        steps = [float(value) for key, value in state.items() if key.endswith("/step")]
        said = json.loads(self.ranks.first_says(json.dumps(steps[:1])))
        for part in self._adamw.state.values():
            part["step"].fill_(said[0] if said else 0.0)
        for name, parameter in self._named.items():
            for quantity in _QUANTITIES:
                given = state.get(f"{name}/{quantity}")
                shape = getattr(parameter, "ds_shape", parameter.shape)
                value = torch.zeros(shape) if given is None else given
                value = value.to(self.device)
                self.ranks.send_first(value)
                self._put(parameter, value, quantity)

    def whole(self) -> AbstractContextManager[object]:
        """Return the context in which weights that are spread come together."""
        return self._gathering(list(self._module.parameters()))

    def _gathering(
        self, parameters: list[nn.Parameter], writer: int | None = None
    ) -> AbstractContextManager[object]:
        if self._zero_stage < 3:
            return nullcontext()
        context: AbstractContextManager[object]
        context = self._deepspeed.zero.GatheredParameters(parameters, modifier_rank=writer)
        return context

    def _put(self, parameter: nn.Parameter, value: Tensor, quantity: str | None = None) -> None:
        """Set a master, or a quantity of its optimizer state, each rank its part.

        At stage 3 we cut it ourselves: DeepSpeed fails on what ranks cannot share equally, as the
        nine biases of a head.
        """
        utils = self._deepspeed.utils
        if self._zero_stage == 3:
            even = functional.pad(value.flatten(), (0, -value.numel() % self.ranks.size))
            value = even.chunk(self.ranks.size)[self.ranks.rank]
            put_master, put_state = (
                utils.safe_set_local_fp32_param,
                utils.safe_set_local_optimizer_state,
            )
        else:
            put_master, put_state = (
                utils.safe_set_full_fp32_param,
                utils.safe_set_full_optimizer_state,
            )
        if quantity is None:
            put_master(parameter, value)
        else:
            put_state(parameter, value, quantity)

    def _gathered(self, tensors: Any) -> dict[str, Tensor]:  # an iterator of (name, tensor)
        """Let all ranks give their part; keep the whole on rank 0."""
        is_first = not self.ranks.rank
        found = {}
        for name, tensor in tensors:
            if is_first:
                found[name] = tensor.detach().to("cpu", copy=True)
        return found

    def _make_state(self) -> None:
        """Give each part of the optimizer the state that AdamW's first step would make.

        DeepSpeed looks for it after the first part's first step, and then finds only that part's.
        """
        zero, of_stage_3 = self._engine.optimizer, self._zero_stage == 3
        parts = (
            zero.fp32_partitioned_groups_flat
            if of_stage_3
            else zero.single_partition_of_fp32_groups
        )
        for part in parts:
            self._adamw.state[part] = {
                "step": torch.zeros((), device=self.device),
                **{quantity: torch.zeros_like(part) for quantity in _QUANTITIES},
            }
        if not of_stage_3:
            zero._lazy_init_hp_params_optimizer_state()  # noqa: SLF001  # there is no public way


def _deepspeed(device: torch.device) -> Any:  # untyped
    """Import DeepSpeed so that it compiles nothing and says little."""
    if device.type == "cpu":
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    os.environ.setdefault("LOCAL_RANK", "0")
    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    import deepspeed

    # On the CPU it would build an operator for shared memory, which wants a compiler and 20 s.
    deepspeed.ops.__compatible_ops__ = {}
    deepspeed.init_distributed(auto_mpi_discovery=False, verbose=False)
    return deepspeed


def _config(training: Training, zero_stage: int, num_elements: int) -> dict[str, object]:
    """Return DeepSpeed's settings; accumulation and learning rates are ours."""
    bucket = min(_BUCKET_ELEMENTS, num_elements + num_elements % 2)  # DeepSpeed wants it even
    persistent = min(_PERSISTENT_ELEMENTS, num_elements // 1000)
    return {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": training.gradient_clip_norm,
        "zero_optimization": {
            "stage": zero_stage,
            "overlap_comm": torch.cuda.is_available(),
            "reduce_bucket_size": bucket,
            "allgather_bucket_size": bucket,
            "stage3_param_persistence_threshold": persistent,
        },
    }
