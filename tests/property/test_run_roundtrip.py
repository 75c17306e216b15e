"""A run that is written and read again is the same run."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from steerlm_operator.api.loading import InvalidRunError, load_run

pytestmark = pytest.mark.slow  # seconds of the minute that make check may take

REALS = st.decimals(min_value="0.001", max_value="0.999", places=6).map(str) | st.floats(
    0.001, 0.999
)
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True)
ATTRIBUTES = st.lists(
    st.builds(
        lambda name, low, size: {"name": name, "min": low, "max": low + size, "target": low + 1},
        NAMES,
        st.integers(-5, 5),
        st.integers(1, 20),
    ),
    min_size=1,
    max_size=20,
    unique_by=lambda a: a["name"],
)
TRAININGS = st.fixed_dictionaries(
    {},
    optional={
        "method": st.sampled_from(["Full", "Lora"]),
        "learningRate": REALS | st.sampled_from(["5e-6", "9E-6", 5e-6]),
        "beta1": REALS,
        "epochs": st.integers(1, 9),
        "deterministic": st.booleans(),
        "maxTokens": st.integers(0, 1 << 40),
    },
)
STAGES = st.fixed_dictionaries({"trainApm": st.fixed_dictionaries({"training": TRAININGS})})
BOOTSTRAP = st.fixed_dictionaries({"temperature": REALS, "iterations": st.integers(0, 16)})
SPECS = st.fixed_dictionaries(
    {
        "model": st.just({"baseModelUri": "scratch:tiny"}),
        "data": st.fixed_dictionaries(
            {"labelled": st.just([{"name": "a", "uri": "a.jsonl"}])},
            optional={"validationFraction": REALS, "systemPrompt": st.text(max_size=40)},
        ),
    },
    optional={
        "attributes": ATTRIBUTES,
        "seed": st.integers(0, 1 << 40),
        "stages": STAGES,
        "bootstrap": BOOTSTRAP,
    },
)


@given(SPECS)
def test_a_run_survives_being_written_and_read(spec: dict[str, Any]):
    head = {"apiVersion": "steerlm.dev/v1alpha1", "kind": "SteerLMRun", "metadata": {"name": "a"}}
    run = load_run(yaml.safe_dump({**head, "spec": spec}), file_name="run.yaml")
    text = yaml.safe_dump(run.model_dump(mode="json", by_alias=True, exclude_none=True))
    assert load_run(text, file_name="run.yaml") == run


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda b: b.decode("latin-1")))
def test_no_text_makes_loading_fail_with_anything_but_problems(text: str):
    with pytest.raises(InvalidRunError):
        load_run(f"spec:\n  {text}", file_name="run.yaml")
