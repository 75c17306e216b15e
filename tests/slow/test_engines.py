"""One training, the same numbers: any engine, one rank or two, any accumulation, resumed or not.

Programs train everything once, on one rank and on two; the tests compare what they left.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
ZERO = ("zero1", "zero2", "zero3")
ENGINES = ("plain", *ZERO)
EXACT = (
    *(f"history,plain,{layout}" for layout in ("packed", "padded", "one-by-one")),
    *(f"history,{engine},packed" for engine in ZERO),
    "history,zero1,padded",
    "history,zero2,one-by-one",
    "history,zero3,padded",
)
ROUGH = tuple(f"history,{engine},packed,Bf16" for engine in ENGINES)
JUDGED = (
    *(f"judged,{engine},packed" for engine in ENGINES),
    "judged,plain,one-by-one",
    "judged,zero2,padded",
)
"""The regression head, with labels of which many are unknown."""
LEFT = {"plain": "zero3", "zero2": "plain", "zero3": "zero1"}
"""Who leaves a checkpoint on two ranks, and who takes it on one; and the other way round."""
TAKEN = tuple(f"taken,{taker},packed,{engine}" for engine, taker in LEFT.items())
ON_TWO = (
    *EXACT,
    *JUDGED,
    *ROUGH,
    *(
        f"{kind},{engine}{more}"
        for kind, more in (
            ("resumed", ",packed"),
            ("bad", ",packed,3,4"),
            ("exploded", ",packed"),
            ("dtypes", ""),
        )
        for engine in ENGINES
    ),
    "bad,plain,packed,3,4,5",
    "bad,zero2,packed,3,4,5",
    *(f"left,{engine},packed" for engine in LEFT),
    *(f"whole,{engine}" for engine in ZERO),
)
ON_ONE = (
    *EXACT,
    *JUDGED,
    *ROUGH[:2],
    "history,plain,whole",
    *(f"left,{engine},packed" for engine in LEFT),
    *TAKEN,
)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("engines")
    for num_ranks, names in ((2, ON_TWO), (1, ON_ONE), (2, TAKEN)):
        command = [sys.executable, "-m", "tests.slow.rank_program", str(folder), str(num_ranks)]
        paths = os.pathsep.join((str(ROOT), str(ROOT / "operator")))
        ended = subprocess.run(
            [*command, *names],
            env={**os.environ, "PYTHONPATH": paths},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr[-4000:]
    return folder


@pytest.fixture(scope="module")
def reference(out):
    """Plain torch, one rank, packed, fp32."""
    return found(out, 1, "history,plain,packed")


def found(out, num_ranks, name):
    return json.loads((out / f"{num_ranks},{name}.json").read_text())


def assert_same(one, other, tolerance):
    assert len(one["losses"]) == 20
    assert one["losses"] == pytest.approx(other["losses"], rel=tolerance)
    assert one["gradient_norms"] == pytest.approx(other["gradient_norms"], rel=tolerance)
    steps, losses = zip(*one["validation"], strict=True)
    other_steps, other_losses = zip(*other["validation"], strict=True)
    assert steps == other_steps
    assert losses == pytest.approx(other_losses, rel=tolerance)
    assert one["num_tokens"] == other["num_tokens"]
    assert one["weights"] == pytest.approx(other["weights"], rel=tolerance)


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("num_ranks", [1, 2])
def test_loss_and_gradient_norm_are_the_same_in_fp32(out, reference, num_ranks, name):
    assert_same(found(out, num_ranks, name), reference, 1e-5)


@pytest.mark.parametrize(
    ("num_ranks", "name"), [*((1, name) for name in ROUGH[:2]), *((2, name) for name in ROUGH)]
)
def test_loss_and_gradient_norm_are_near_in_bf16(out, reference, num_ranks, name):
    assert_same(found(out, num_ranks, name), reference, 1e-2)


@pytest.mark.parametrize("engine", ENGINES)
def test_two_ranks_of_which_one_is_asked_to_stop_resume_to_the_same_bits(out, engine):
    undisturbed = found(out, 2, f"history,{engine},packed")
    assert found(out, 2, f"resumed,{engine},packed") == undisturbed


@pytest.mark.parametrize("name", TAKEN)
@pytest.mark.parametrize("num_ranks", [1, 2])
def test_a_checkpoint_of_two_ranks_or_one_goes_on_with_another_engine_on_one_or_two(
    out, reference, num_ranks, name
):
    assert_same(found(out, num_ranks, name), reference, 1e-5)


@pytest.mark.parametrize("name", JUDGED)
@pytest.mark.parametrize("num_ranks", [1, 2])
def test_the_loss_of_labels_is_theirs_over_the_known_ones_of_the_global_batch(out, num_ranks, name):
    """Ranks and micro-batches hold different numbers of known labels; steps do not care."""
    assert_same(found(out, num_ranks, name), found(out, 1, "judged,plain,packed"), 1e-5)


@pytest.mark.parametrize("kind", ["bad,{},packed,3,4", "exploded,{},packed"])
def test_a_step_that_is_not_finite_on_one_rank_is_skipped_by_all(out, kind):
    """A loss that is NaN, and a gradient that is; schedule and data go on alike in all engines."""
    plain = found(out, 2, kind.format("plain"))
    skipped = [step for step, loss in enumerate(plain["losses"]) if loss is None]
    assert skipped == ([1, 2] if kind.startswith("bad") else [1])
    for engine in ZERO:
        other = found(out, 2, kind.format(engine))
        assert [s for s, loss in enumerate(other["losses"]) if loss is None] == skipped
        for which in ("losses", "gradient_norms"):
            finite, others = (
                [v for v in history[which] if v is not None] for history in (plain, other)
            )
            assert finite == pytest.approx(others, rel=1e-5)
        assert other["weights"] == pytest.approx(plain["weights"], rel=1e-5)


@pytest.mark.parametrize("engine", ["plain", "zero2"])
def test_three_bad_steps_on_one_rank_are_divergence_for_all(out, engine):
    assert "not finite in steps 2 to 4" in found(out, 2, f"bad,{engine},packed,3,4,5")


@pytest.mark.parametrize("engine", ENGINES)
def test_head_adapters_masters_and_optimizer_are_fp32_on_a_bf16_backbone(out, engine):
    value, plain = found(out, 2, f"dtypes,{engine}"), found(out, 2, "dtypes,plain")
    for name, dtype in value["dtypes"].items():
        is_trained = any(word in name for word in ("head", "lora_", "trainable_tokens_delta"))
        assert dtype == ("torch.float32" if is_trained else "torch.bfloat16"), name
    assert value["shapes"] == plain["shapes"]
    assert value["masters"] == value["state"] == ["torch.float32"]
    assert all(moved > 0 for moved in value["moved"].values())
    assert value["losses"] == pytest.approx(plain["losses"], rel=1e-2)


@pytest.mark.parametrize("engine", ZERO)
def test_weights_that_come_together_are_the_masters_and_give_the_live_logits(out, engine):
    assert found(out, 2, f"whole,{engine}") == {"distance": 0.0, "masters": True}
