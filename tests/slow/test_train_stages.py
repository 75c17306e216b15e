"""The two training stages as programs: artifacts in, a sealed model out."""

import json
import re
from collections import Counter

import pytest
import torch
from safetensors import safe_open
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

from steerlm_jobs.contract.config import StageInput
from steerlm_jobs.contract.errors import BadConfigError, DivergedError, InterruptedStageError
from steerlm_jobs.contract.recipes import LabelGroups
from steerlm_jobs.models.apm import load_apm, score_conversations
from steerlm_jobs.models.marking import row_parameters
from steerlm_jobs.models.scorer import load_scorer
from steerlm_jobs.models.steerlm_json import read_level_starts
from steerlm_jobs.stages import train_acsft, train_apm
from steerlm_jobs.train.loop import _Run
from tests.slow.train_world import TrainWorld, conversations
from tests.unit.template.builders import THREE_TURNS, messages_of

pytestmark = pytest.mark.slow
APMS = ["apm", "generative_apm"]
LORA = {"method": "Lora", "learning_rate": 1e-2, "head_learning_rate": 1e-2}
"""At twice this rate an APM's r hangs on how a CPU rounds: 0.78 here, above 0.8 elsewhere."""
METHODS = pytest.mark.parametrize("training", [{}, LORA], ids=["full", "lora"])


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return TrainWorld(tmp_path_factory.mktemp("world"))


def run(world, stage, recipe, inputs, **execution) -> tuple[StageInput, object]:
    context = world.context(stage, recipe, inputs, **execution)
    module = train_apm if stage == "train-apm" else train_acsft
    report = module.run(context)
    return world.sealed_input(context, report.digest), report


def live_logits(monkeypatch, ids) -> dict[str, torch.Tensor]:
    """Return where the logits of the model in memory will stand when training ends."""
    live = {}

    def finish(self, finish=_Run.finish):
        history = finish(self)
        with torch.no_grad():
            live["logits"] = self._task.objective.module.model(ids).logits
        return history

    monkeypatch.setattr(_Run, "finish", finish)
    return live


@METHODS
@pytest.mark.parametrize("kind", APMS)
def test_apm_learns_labels_that_the_answers_show(world, kind, training):
    sealed, report = run(world, *getattr(world, kind)(epochs=20, **training))
    figures = json.loads((world.content(sealed) / "training.json").read_text())["figures"]
    assert figures["quality"]["pearson"]["value"] > 0.8
    assert figures["quality"]["mae"]["value"] < figures["quality"]["constantMeanMae"]
    assert report.metrics["steps"] == "160"


def test_an_apm_knows_where_levels_start_so_that_its_scores_get_peoples_histogram(world):
    stage, recipe, inputs = world.apm()
    sealed = run(world, stage, recipe.model_copy(update={"level_starts": True}), inputs)[0]
    folder = world.content(sealed)
    starts = read_level_starts(folder)
    apm, tokenizer, schema = load_apm(folder)
    rows = conversations(60, "train")
    scores = [s[0] for s in score_conversations(apm, tokenizer, schema, rows, 128)]
    for name in schema.names:
        given = Counter(starts[name].level(score[name]) for score in scores)
        people = Counter(c.turns[1].labels[name] for c in rows)
        assert sum((given - people).values()) <= 2, name  # batches differ in their last digits


@METHODS
def test_an_apm_folder_is_a_backbone_with_a_head(world, training):
    folder = world.content(run(world, *world.apm(**training))[0])
    backbone = AutoModel.from_pretrained(folder).eval()
    with safe_open(folder / "head.safetensors", "pt") as head:
        weight, bias = head.get_tensor("weight"), head.get_tensor("bias")
        assert head.metadata() == {"format": "pt"}
    apm, tokenizer, schema = load_apm(folder)
    encoded = tokenizer.encode_scoring(THREE_TURNS, 5, 128)
    with torch.no_grad():
        hidden = backbone(torch.tensor([encoded.ids])).last_hidden_state[0, -1]
    values = (hidden.float() @ weight.T + bias).tolist()
    scores = score_conversations(apm, tokenizer, schema, [THREE_TURNS], 128)[0][2]
    expected = [a.min + v * (a.max - a.min) for a, v in zip(schema.attributes, values, strict=True)]
    assert list(scores.values()) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("is_tied", [False, True])
@METHODS
def test_a_generative_apms_folder_loads_with_plain_transformers_and_says_the_same(
    tmp_path, monkeypatch, training, is_tied
):
    world = TrainWorld(tmp_path, is_tied=is_tied)
    ids = torch.tensor([[1, 5, 9, 33, 20]])
    live = live_logits(monkeypatch, ids)
    folder = world.content(run(world, *world.generative_apm(**training))[0])
    model = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        torch.testing.assert_close(model(ids).logits, live["logits"], rtol=1e-4, atol=1e-4)
    description = json.loads((folder / "steerlm.json").read_text())
    assert (description["kind"], description["form"]) == ("apm", "Generative")
    assert description["groups"] == [["quality", "humor"]]
    assert (folder / "adapter" / "adapter_model.safetensors").exists() is bool(training)
    assert not (folder / "head.safetensors").exists()


def test_the_figures_of_a_generative_apm_are_those_of_its_folder(world):
    folder = world.content(run(world, *world.generative_apm(epochs=4))[0])
    figures = json.loads((folder / "training.json").read_text())["figures"]
    held_out = conversations(12, "validation")
    scores = load_scorer(folder).score(held_out, 128)
    for name in ("quality", "humor"):
        errors = [
            abs(of_turn[0][name] - c.turns[1].labels[name])
            for c, of_turn in zip(held_out, scores, strict=True)
        ]
        assert figures[name]["mae"]["value"] == pytest.approx(sum(errors) / 12, abs=1e-4)
        assert figures[name]["numLabels"] == 12


@pytest.mark.parametrize("is_tied", [False, True])
@METHODS
def test_an_acsft_folder_loads_with_plain_transformers_and_says_the_same(
    tmp_path, monkeypatch, training, is_tied
):
    world = TrainWorld(tmp_path, is_tied=is_tied)
    ids = torch.tensor([[1, 5, 9, 33, 20]])
    live = live_logits(monkeypatch, ids)
    folder = world.content(run(world, *world.acsft(**training))[0])
    model = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        torch.testing.assert_close(model(ids).logits, live["logits"], rtol=1e-4, atol=1e-4)
    assert (len(row_parameters(model)) == 1) is is_tied
    tokenizer = AutoTokenizer.from_pretrained(folder)
    stop = tokenizer.convert_tokens_to_ids("<extra_id_1>")
    assert model.generation_config.eos_token_id == [stop, 2]
    assert (folder / "adapter" / "adapter_model.safetensors").exists() is bool(training)
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Why?"}],
        attributes={"humor": 7},
        add_generation_prompt=True,
        tokenize=False,
    )
    assert prompt.endswith("<extra_id_1>Assistant\n<extra_id_2>quality:4,humor:7\n")


def test_steerlm_json_names_targets_and_levels_that_were_not_trained(world):
    sealed, report = run(world, *world.acsft())
    value = json.loads((world.content(sealed) / "steerlm.json").read_text())
    assert value["targets"] == {"quality": 4, "humor": 0}
    assert value["callersMaySet"] == ["humor"]
    assert value["levelCounts"]["quality"] == {str(level): 12 for level in range(5)}
    assert value["untrainedLevels"] == {"humor": [4, 5, 6, 7, 8, 9]}
    assert set(value["lineage"]) == {"prepare", "annotate"}
    assert report.metrics["examples"] == "60"


def test_the_two_apms_of_a_run_learn_from_answers_that_have_nothing_in_common(world):
    stage, recipe, inputs = world.apm()
    counts = []
    for parity in ("Even", "Odd"):
        half = recipe.model_copy(update={"label_groups": LabelGroups(parity=parity, seed=1)})
        folder = world.content(run(world, stage, half, inputs)[0])
        counts.append(json.loads((folder / "training.json").read_text()))
    assert sum(c["examples"] for c in counts) == 60
    assert min(c["examples"] for c in counts) > 15
    assert {c["validationExamples"] for c in counts} == {12}  # judged on the same held-out labels


def test_the_plain_baseline_learns_answers_without_a_label_line(world):
    stage, recipe, inputs = world.acsft()
    recipe = recipe.model_copy(update={"labels": "None"})
    folder = world.content(run(world, stage, recipe, inputs)[0])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Why?"}], add_generation_prompt=True, tokenize=False
    )
    assert prompt.endswith("<extra_id_1>User\nWhy?\n<extra_id_1>Assistant\n")
    assert json.loads((folder / "steerlm.json").read_text())["attributes"] == []
    card = (folder / "README.md").read_text()
    assert "a baseline" in card
    assert "attributes=" not in card


def test_the_permuted_baseline_learns_as_many_examples_of_each_level(world):
    stage, recipe, inputs = world.acsft()
    permuted = recipe.model_copy(update={"labels": "Permuted"})
    own, others = (world.content(run(world, stage, r, inputs)[0]) for r in (recipe, permuted))
    counts = [json.loads((f / "steerlm.json").read_text())["levelCounts"] for f in (own, others)]
    assert counts[0] == counts[1]
    losses = [json.loads((f / "training.json").read_text())["loss"] for f in (own, others)]
    assert losses[0] != losses[1]


def test_an_iteration_starts_from_the_previous_model_on_kept_samples_and_originals(world):
    previous = run(world, *world.acsft())[0]
    sealed, report = run(world, *world.iteration(previous, original_fraction=0.5))
    assert report.metrics["examples"] == "38"
    value = json.loads((world.content(sealed) / "training.json").read_text())
    assert value["effectiveEpochs"] == {"s": 2.0, "samples": 2.0}
    assert value["mixture"] == {"s": 19, "samples": 19}
    assert (report.metrics["samples"], report.metrics["originals"]) == ("19", "19")
    assert set(json.loads((world.content(sealed) / "steerlm.json").read_text())["lineage"]) == {
        "prepare", "annotate", "annotate-1", "train-acsft"
    }  # fmt: skip
    start = AutoModelForCausalLM.from_pretrained(world.content(previous))
    end = AutoModelForCausalLM.from_pretrained(world.content(sealed))
    moved = (row_parameters(start)[0] - row_parameters(end)[0]).abs().max()
    assert 0 < moved < 0.2


def test_originals_that_are_too_long_are_replaced_by_others_that_fit(world):
    stage, recipe, inputs = world.iteration(run(world, *world.acsft())[0], original_fraction=0.5)
    shorter = recipe.training.model_copy(update={"max_length_tokens": 64})
    _, report = run(world, stage, recipe.model_copy(update={"training": shorter}), inputs)
    assert int(report.metrics["samples"]) < 19
    assert report.metrics["samples"] == report.metrics["originals"]


def test_an_iteration_may_start_from_the_base_model_anew(world):
    stage, recipe, inputs = world.iteration(world.prepared)
    training = recipe.training.model_copy(update={"learning_rate": 1e-9})
    recipe = recipe.model_copy(update={"init_from": "Base", "training": training})
    sealed, _ = run(world, stage, recipe, inputs[:-1])
    start = AutoModelForCausalLM.from_pretrained(world.content(world.prepared) / "base_model")
    end = AutoModelForCausalLM.from_pretrained(world.content(sealed))
    torch.testing.assert_close(row_parameters(start)[0], row_parameters(end)[0])


def test_a_source_of_weight_two_is_seen_twice_in_an_epoch(world):
    stage, recipe, inputs = world.acsft(epochs=1)
    sealed, _ = run(world, stage, recipe.model_copy(update={"source_weights": {"s": 2}}), inputs)
    value = json.loads((world.content(sealed) / "training.json").read_text())
    assert (value["mixture"], value["effectiveEpochs"]) == ({"s": 60}, {"s": 2.0})


@METHODS
@pytest.mark.parametrize("kind", [*APMS, "acsft"])
def test_a_stopped_stage_resumes_to_the_same_digest(tmp_path, monkeypatch, training, kind):
    whole, cut = (TrainWorld(tmp_path / name) for name in ("whole", "cut"))
    expected = run(whole, *getattr(whole, kind)(**training))[0].digest
    stage, recipe, inputs = getattr(cut, kind)(**training)
    context = cut.context(stage, recipe, inputs)

    def one_step(self, step=_Run.one_step):
        step(self)
        if self.step == 5:
            context.stop.set()

    module = train_acsft if kind == "acsft" else train_apm
    with monkeypatch.context() as patched:
        patched.setattr(_Run, "one_step", one_step)
        with pytest.raises(InterruptedStageError):
            module.run(context)
    assert run(cut, stage, recipe, inputs, attempt=2)[0].digest == expected


@pytest.mark.parametrize("kind", [*APMS, "acsft"])
def test_a_learning_rate_that_explodes_is_divergence_with_exit_code_12(tmp_path, kind):
    world = TrainWorld(tmp_path)
    with pytest.raises(DivergedError, match=r"lower training\.learningRate") as caught:
        run(world, *getattr(world, kind)(learning_rate=1e30))
    assert caught.value.exit_code == 12


def test_the_snippet_of_a_generative_apms_card_writes_labels(world):
    folder = world.content(run(world, *world.generative_apm(epochs=20))[0])
    card = (folder / "README.md").read_text()
    names = {"folder": str(folder)}
    exec(card.split("```python\n")[1].split("```")[0], names)  # noqa: S102  # our own card
    judged = messages_of(conversations(1, "validation")[0])
    assert re.fullmatch(r"quality:[0-4],humor:(-1|[0-9])", names["labels"](judged))
    assert str(folder) not in card


def test_the_snippet_of_the_acsfts_card_runs(world, capsys):
    folder = world.content(run(world, *world.acsft())[0])
    card = (folder / "README.md").read_text()
    exec(card.split("```python\n")[1].split("```")[0], {"folder": str(folder)})  # noqa: S102  # our own card
    assert "quality:4,humor:0\n" in capsys.readouterr().out
    assert str(folder) not in card


def test_a_length_beyond_the_models_is_refused(world):
    stage, recipe, inputs = world.acsft()
    training = recipe.training.model_copy(update={"max_length_tokens": 513})
    recipe = recipe.model_copy(update={"training": training})
    with pytest.raises(BadConfigError, match="513 is beyond the model's 512 positions"):
        run(world, stage, recipe, inputs)


def test_a_budget_below_one_step_is_refused(world):
    with pytest.raises(BadConfigError, match=r"training\.maxTokens 10 is below one step"):
        run(world, *world.acsft(max_tokens=10))
