import json
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest

from steerlm_jobs.contract.fingerprint import recipe_json, stage_fingerprint
from steerlm_jobs.contract.kinds import StageKind
from steerlm_operator.api.leaves import Leaf, spec_leaves
from steerlm_operator.api.run import RunSpec
from steerlm_operator.api.status import ActedRetry
from steerlm_operator.core.configs import stage_salt
from steerlm_operator.core.effects import EFFECTS
from steerlm_operator.core.graph import stage_graph
from steerlm_operator.core.recipes import stage_recipe

GOLDEN = Path(__file__).parents[2] / "golden" / "fingerprints.json"
PLACEMENT = {"tolerations": [{"key": "gpu"}]}
SETTINGS = {
    "placement": PLACEMENT,
    "env": [{"name": "NCCL_DEBUG", "value": "WARN"}],
    "queue": {"localQueue": "a100"},
    "retry": {"limit": 1},
}
LORA = {"method": "Lora"}
SOURCE = {
    "name": "oasst",
    "uri": "file:///oasst.jsonl",
    "labels": [{"from": "quality", "to": "quality"}],
    "filters": {"languages": ["en"]},
}
SPEC: dict[str, Any] = {
    "model": {"baseModelUri": "scratch:tiny"},
    "attributes": [{"name": "toxicity"}],
    "data": {
        "labelled": [SOURCE],
        "unlabelled": [SOURCE | {"name": "hh"}],
        "evaluationPrompts": {"uri": "file:///prompts.jsonl"},
    },
    "defaults": {"gpuPlacement": PLACEMENT, "cpuPlacement": PLACEMENT, "env": SETTINGS["env"]},
    "stages": {
        "prepare": SETTINGS,
        "trainApm": SETTINGS | {"training": LORA},
        "annotate": SETTINGS,
        "trainAcsft": SETTINGS | {"training": LORA},
        "sample": SETTINGS,
        "evaluate": SETTINGS
        | {
            "meters": [{"name": "jokes", "attribute": "humor", "pattern": "Ha"}],
            "baselines": ["PlainSft"],
            "gates": [{"metric": "meter/jokes/spearman", "min": "0.5"}],
            "judge": {"endpointUrl": "http://judge", "model": "j"},
        },
    },
    "bootstrap": {"iterations": 1, "maximise": ["quality"]},
}
"""Every list has an item, every optional object is there: so each leaf can be changed."""
OTHER_STRINGS = {
    "attributes[].name": "humor",
    "operator": "Exists",
    "effect": "NoExecute",
    "cpu": "4",
    "memory": "16Gi",
    "sharedMemory": "8Gi",
    "scratch": "1Gi",
}


def fresh_spec(leaf_path: str = "") -> dict[str, Any]:
    spec: dict[str, Any] = json.loads(json.dumps(SPEC))
    if leaf_path == "attributes[].max":  # of toxicity, the default target is the minimum
        spec["attributes"] = [{"name": "verbosity"}]
    return spec


def recipes_of(spec: RunSpec) -> dict[str, tuple[str, str]]:
    return {
        stage.id: (recipe_json(stage_recipe(spec, stage)), stage_salt(spec, stage, "uid", None))
        for stage in stage_graph(spec)
    }


def other_value(leaf: Leaf, now: Any) -> Any:
    kind = leaf.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        if leaf.path.endswith(".cache"):
            return "Disabled"  # absent means Enabled
        return next(m.value for m in kind if m.value != getattr(now, "value", now))
    if get_origin(kind) is dict:
        return {"toxicity": 1} if get_args(kind)[1] is not str else {"zone": "a"}
    if kind is bool:
        return not now
    if kind is int:
        return 1 if now in (None, 0) else now - 2 if leaf.path == "attributes[].max" else now + 1
    if kind is Decimal:
        return "0.25"
    name = leaf.path.rpartition(".")[2]
    return OTHER_STRINGS.get(leaf.path) or OTHER_STRINGS.get(name) or f"{now or ''}x"


def changed(leaf: Leaf) -> RunSpec:
    """Return the spec with one leaf changed; what it depends on is made to matter."""
    raw = fresh_spec(leaf.path)
    steps = leaf.path.split(".")
    here: Any = raw
    typed: Any = RunSpec.model_validate(raw)
    for step in steps[:-1]:
        name = step.removesuffix("[]")
        field = next(n for n, f in type(typed).model_fields.items() if (f.alias or n) == name)
        typed = getattr(typed, field)
        here = here.setdefault(name, {})
        if step.endswith("[]"):
            here, typed = here[0], typed[0]
    name = steps[-1].removesuffix("[]")
    field = next(n for n, f in type(typed).model_fields.items() if (f.alias or n) == name)
    now = getattr(typed, field)
    if steps[-1].endswith("[]"):
        here[name] = [other_value(leaf, getattr(now[0], "value", now[0]) if now else "")]
    else:
        here[name] = other_value(leaf, now)
    return RunSpec.model_validate(raw)


def test_every_leaf_of_the_spec_is_listed_and_nothing_else():
    assert {leaf.path for leaf in spec_leaves()} == set(EFFECTS)


@pytest.mark.parametrize("leaf", tuple(spec_leaves()), ids=lambda leaf: leaf.path)
def test_a_leaf_changes_the_recipes_that_the_table_says(leaf: Leaf):
    before = recipes_of(RunSpec.model_validate(fresh_spec(leaf.path)))
    after = recipes_of(changed(leaf))
    kinds = {stage.id: stage.kind for stage in stage_graph(RunSpec.model_validate(SPEC))}
    moved = {kinds[name] for name in before if name in after and before[name] != after[name]}
    assert moved == EFFECTS[leaf.path]


def test_a_new_iteration_leaves_earlier_stages_alone():
    one = recipes_of(RunSpec.model_validate(SPEC))
    two = recipes_of(
        RunSpec.model_validate(
            fresh_spec() | {"bootstrap": {"iterations": 2, "maximise": ["quality"]}}
        )
    )
    assert {name: two[name] for name in one} == one


def test_a_retry_that_ignores_the_cache_salts_the_stages_from_its_first_one():
    spec = RunSpec.model_validate(fresh_spec())
    retry = ActedRetry(count=1, from_stage="sample-1", ignore_cache=True)
    salted = [stage.id for stage in stage_graph(spec) if stage_salt(spec, stage, "uid", retry)]
    beside = ["train-judge", "train-plain"]
    assert salted == ["sample-1", "annotate-1", "train-acsft-1", *beside, "evaluate"]


def fingerprints_of(spec: RunSpec, prepare: str = "") -> dict[str, str]:
    prints: dict[str, str] = {}
    for stage in stage_graph(spec):
        inputs = {name: prints[name] for name in stage.inputs}
        salt = stage_salt(spec, stage, "uid", None)
        prints[stage.id] = stage_fingerprint(stage_recipe(spec, stage), inputs, salt)
        if stage.kind is StageKind.PREPARE and prepare:
            prints[stage.id] = prepare
    return prints


@pytest.mark.parametrize("leaf", tuple(spec_leaves()), ids=lambda leaf: leaf.path)
def test_a_changed_leaf_makes_all_stale_that_reads_what_it_changed(leaf: Leaf):
    spec, other = RunSpec.model_validate(fresh_spec(leaf.path)), changed(leaf)
    before, after = recipes_of(spec), recipes_of(other)
    graphs = stage_graph(spec), {stage.id: stage for stage in stage_graph(other)}
    stale: set[str] = set()
    for stage in graphs[0]:
        if stage.id not in graphs[1]:  # second scorer or baseline, asked for no more
            continue
        reads_others = stage.inputs != graphs[1][stage.id].inputs
        if before[stage.id] != after[stage.id] or reads_others or stale & set(stage.inputs):
            stale.add(stage.id)
    old, new = fingerprints_of(spec), fingerprints_of(other)
    assert {name for name in old if name in new and old[name] != new[name]} == stale


def test_fingerprints_are_those_that_are_committed():
    prints = fingerprints_of(RunSpec.model_validate(SPEC), prepare="prepare")
    assert prints == json.loads(GOLDEN.read_text(encoding="utf-8"))
