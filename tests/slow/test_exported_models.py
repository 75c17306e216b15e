"""What is exported is what was trained: {tied, untied} x {full, LoRA} x {plain, ZeRO 1, ZeRO 3}."""

import json

import pytest
import torch
from safetensors.torch import load_file

from steerlm_jobs.data.tokens import ChatTokenizer
from steerlm_jobs.models.apm import load_apm
from steerlm_jobs.models.loading import load_causal_lm
from steerlm_jobs.models.lora import trained_parameters
from steerlm_jobs.models.marking import row_parameters
from steerlm_jobs.stages import train_acsft, train_apm
from steerlm_jobs.train.loop import _Run
from tests.slow.train_world import TrainWorld

pytestmark = pytest.mark.slow
LORA = {"method": "Lora", "learning_rate": 2e-2, "head_learning_rate": 1e-2}
METHODS = pytest.mark.parametrize("training", [{}, LORA], ids=["full", "lora"])
TYING = pytest.mark.parametrize("is_tied", [False, True], ids=["untied", "tied"])
ENGINES = pytest.mark.parametrize(
    "engine",
    [{}, {"engine": "DeepSpeed", "zero_stage": 1}, {"engine": "DeepSpeed", "zero_stage": 3}],
    ids=["plain", "zero1", "zero3"],
)
IDS = torch.tensor([[1, 5, 9, 33, 20, 77, 7]])
POSITIONS = torch.arange(IDS.shape[1])[None]
EVERYWHERE = torch.ones_like(IDS, dtype=torch.bool)


def trained(world, stage, recipe, inputs, **execution):
    """Run a stage; return its sealed result and what its live model said at the end."""
    live = {}

    def finish(self, finish=_Run.finish):
        history = finish(self)
        module = self._task.objective.module
        with torch.no_grad():
            live["output"] = module(IDS, POSITIONS, EVERYWHERE)
        live["trained"] = {n: p.detach().clone() for n, p in trained_parameters(module).items()}
        return history

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(_Run, "finish", finish)
        context = world.context(stage, recipe, inputs, **execution)
        report = (train_apm if stage == "train-apm" else train_acsft).run(context)
    return world.sealed_input(context, report.digest), live


def assert_same(one, other):
    torch.testing.assert_close(one.detach(), other, rtol=1e-4, atol=1e-4, check_dtype=False)


@TYING
@METHODS
@ENGINES
def test_the_exported_acsft_says_what_the_live_one_says_and_its_marker_rows_moved(
    tmp_path, training, is_tied, engine
):
    world = TrainWorld(tmp_path, is_tied=is_tied)
    sealed, live = trained(world, *world.acsft(**training), **engine)
    folder = world.content(sealed)
    model, base = (
        load_causal_lm(f) for f in (folder, world.content(world.prepared) / "base_model")
    )
    assert_same(model(IDS).logits[0], live["output"])
    assert (len(row_parameters(model)) == 1) is is_tied
    markers = set(ChatTokenizer.from_folder(folder).marker_ids.values())
    for before, after in zip(row_parameters(base), row_parameters(model), strict=True):
        moved = set((before != after).any(dim=1).nonzero().flatten().tolist())
        assert moved & markers
        assert not training or moved <= markers
    assert (folder / "adapter" / "adapter_model.safetensors").exists() is bool(training)


@TYING
@METHODS
@ENGINES
def test_the_exported_apm_scores_as_the_live_one_does(tmp_path, training, is_tied, engine):
    world = TrainWorld(tmp_path, is_tied=is_tied)
    sealed, live = trained(world, *world.apm(**training), **engine)
    apm, _tokenizer, _schema = load_apm(world.content(sealed))
    torch.testing.assert_close(
        apm(IDS, POSITIONS, EVERYWHERE), live["output"], rtol=1e-4, atol=1e-4
    )
    assert live["output"].std() > 0
    adapter = world.content(sealed) / "adapter" / "adapter_model.safetensors"
    assert adapter.exists() is bool(training)


@METHODS
@ENGINES
def test_the_exported_apm_that_writes_labels_says_what_the_live_one_says(
    tmp_path, training, engine
):
    world = TrainWorld(tmp_path, is_tied=True)
    sealed, live = trained(world, *world.generative_apm(**training), **engine)
    model = load_causal_lm(world.content(sealed))
    assert_same(model(IDS).logits[0], live["output"])
    figures = json.loads((world.content(sealed) / "training.json").read_text())["figures"]
    assert figures["quality"]["numLabels"] == 12


@TYING
def test_an_iteration_puts_a_new_adapter_on_the_merged_model_before(tmp_path, is_tied):
    world = TrainWorld(tmp_path, is_tied=is_tied)
    previous, _live = trained(world, *world.acsft(**LORA))
    stage, recipe, inputs = world.iteration(previous)
    still = recipe.training.model_copy(update=LORA | {"learning_rate": 1e-12})
    recipe = recipe.model_copy(update={"training": still})
    sealed, live = trained(world, stage, recipe, inputs)
    models = [load_causal_lm(world.content(source)) for source in (previous, sealed)]
    before, after = (model(IDS).logits[0] for model in models)
    assert_same(after, before.detach())
    assert_same(after, live["output"])
    adapters = [
        load_file(world.content(source) / "adapter" / "adapter_model.safetensors")
        for source in (previous, sealed)
    ]
    largest = [max(t.abs().max() for n, t in a.items() if "lora_B" in n) for a in adapters]
    assert largest[0] > 1e-3
    assert largest[1] < 1e-9
    config = json.loads((world.content(sealed) / "adapter" / "adapter_config.json").read_text())
    assert config["r"] == recipe.training.lora.rank
