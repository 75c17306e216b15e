"""Packed rows against padded ones, real tokens per second of training on the CPU.

    python -m benchmarks.packing

Both see the same examples in the same steps; padding is at its best: sorted by length within a
step, so that rows of a micro-batch are about equally long. Lengths are lognormal, as those of
conversations are.
"""

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.frame import Result
from steerlm_jobs.contract.recipes import Training
from steerlm_jobs.models.target_logits import TargetLogits
from steerlm_jobs.store.clock import monotonic_seconds
from steerlm_jobs.train.batches import Layout, micro_batches
from steerlm_jobs.train.engine import ParameterGroup, PlainEngine
from steerlm_jobs.train.objectives import AcsftExample, AcsftObjective, total_weight

_REPEATS = 5
_STEPS = 6
_BATCH = 32
_MAX_LENGTH = 512
_MICRO_BATCH = 2048
_TARGET_RATIO = 1.0


def main() -> None:
    """Measure in turns, so that a busy machine slows both, and print one line of JSON last."""
    objective, engine = _model()
    steps = _steps()
    packed, padded = (Layout(p, _MAX_LENGTH, _MICRO_BATCH) for p in (True, False))
    for layout in (packed, padded):
        _speed(objective, engine, steps[:2], layout)  # warm-up
    pairs = [
        (
            _speed(objective, engine, steps, packed),
            _speed(objective, engine, steps, padded),
        )
        for _ in range(_REPEATS)
    ]
    result = Result(
        name="packing",
        unit="real tokens/s",
        against="padding, sorted by length within a step",
        target=_TARGET_RATIO,
        values=[one for one, _other in pairs],
        rivals=[other for _one, other in pairs],
    )
    print(result.line())


def _model() -> tuple[AcsftObjective, PlainEngine]:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=4096,
        hidden_size=256,
        intermediate_size=768,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
    )
    objective = AcsftObjective(TargetLogits(LlamaForCausalLM(config)))
    training = Training(learning_rate=1e-4, weight_decay=0.01, epochs=1, precision="Fp32")
    parameters = dict(objective.module.named_parameters())
    engine = PlainEngine(objective.module, [ParameterGroup(parameters, 1e-4)], training)
    return objective, engine


def _steps() -> list[list[AcsftExample]]:
    generator = torch.Generator().manual_seed(0)
    normal = torch.randn(_STEPS * _BATCH, generator=generator)
    lengths = (4.6 + 0.8 * normal).exp().clamp(8, _MAX_LENGTH).int().tolist()
    examples = [
        AcsftExample(
            torch.randint(4096, (n,), generator=generator, dtype=torch.int32),
            torch.arange(n) >= n // 2,
            "lognormal",
        )
        for n in lengths
    ]
    return [examples[i : i + _BATCH] for i in range(0, len(examples), _BATCH)]


def _speed(
    objective: AcsftObjective,
    engine: PlainEngine,
    steps: list[list[AcsftExample]],
    layout: Layout,
) -> float:
    """Return real tokens per second, padding not counted."""
    started, num_tokens = monotonic_seconds(), 0
    for examples in steps:
        weight = total_weight(examples)
        for batch in micro_batches(examples, layout):
            engine.backward(objective.loss_sum(batch, engine.device) / weight, is_last=False)
        engine.update(1.0)
        num_tokens += sum(len(e.ids) for e in examples)
    return num_tokens / (monotonic_seconds() - started)


if __name__ == "__main__":
    main()
