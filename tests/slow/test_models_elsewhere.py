"""Model folders where this package is not: what they say of themselves, and plain Transformers."""

import itertools
import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from steerlm_jobs.generate.ask import answer
from steerlm_jobs.models.apm import load_apm, score_conversations
from steerlm_jobs.stages import train_acsft, train_apm
from tests.slow.train_world import TrainWorld, conversations
from tests.unit.template.builders import THREE_TURNS, messages_of

pytestmark = pytest.mark.slow
ELSEWHERE = """
import json, sys
sys.path += [{site!r}]
sys.modules["steerlm_jobs"] = None  # an import of it fails, installed or not
folder = {folder!r}
{snippet}
print(json.dumps([score(messages) for messages in json.loads(sys.argv[1])]))
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return TrainWorld(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def apm_folder(world):
    context = world.context(*world.apm())
    return world.content(world.sealed_input(context, train_apm.run(context).digest))


@pytest.fixture(scope="module")
def acsft_folder(world):
    context = world.context(*world.acsft(epochs=20))
    return world.content(world.sealed_input(context, train_acsft.run(context).digest))


def python_block(card: str) -> str:
    return card.split("```python\n")[1].split("```")[0]


def test_the_snippet_of_the_apms_card_scores_as_we_do_without_our_package(apm_folder, tmp_path):
    asked = [THREE_TURNS, *conversations(5, "train")]
    script = ELSEWHERE.format(
        site=sysconfig.get_paths()["purelib"],
        folder=str(apm_folder),
        snippet=python_block((apm_folder / "README.md").read_text()),
    )
    command = [sys.executable, "-I", "-S", "-c", script, json.dumps(list(map(messages_of, asked)))]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    *_, example, theirs = said.stdout.splitlines()
    assert example.startswith("{'quality': ")
    apm, tokenizer, schema = load_apm(apm_folder)
    ours = [of_turns[-1] for of_turns in score_conversations(apm, tokenizer, schema, asked, 512)]
    assert [pytest.approx(scores, abs=1e-4) for scores in ours] == json.loads(theirs)


def test_plain_generate_stops_by_itself_and_says_what_ask_says(acsft_folder):
    model = AutoModelForCausalLM.from_pretrained(acsft_folder)
    tokenizer = AutoTokenizer.from_pretrained(acsft_folder)
    assert (acsft_folder / "chat_template.jinja").exists()  # where vLLM looks, too
    stop = tokenizer.convert_tokens_to_ids("<extra_id_1>")
    written = json.loads((acsft_folder / "generation_config.json").read_text())
    assert written["eos_token_id"] == [stop, tokenizer.eos_token_id]
    for question, asked in itertools.product(("Why 7?", "Who?"), ({}, {"quality": 1, "humor": 5})):
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": question}],
            attributes=asked,
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
        ids = model.generate(**prompt, max_new_tokens=200, do_sample=False)[0].tolist()
        said = ids[prompt.input_ids.shape[1] :]
        assert said.index(stop) == len(said) - 1 < 199
        ours = answer(acsft_folder, question, asked, max_new_tokens=200)
        assert tokenizer.decode(said, skip_special_tokens=True).strip() == ours.text


@pytest.mark.parametrize("kind", ["apm", "acsft"])
def test_a_card_names_sources_and_licences_own_figures_and_limits(kind, request):
    folder: Path = request.getfixturevalue(f"{kind}_folder")
    card = (folder / "README.md").read_text()
    assert card.startswith("---\nlicense: apache-2.0\nlibrary_name: transformers\n")
    assert "- s: licence MIT\n" in card
    assert "- validationLoss: " in card
    assert "## Limits\n\nWhat it says may be wrong" in card
    assert "Of the base model: apache-2.0." in card
    assert (folder / "LICENSE").read_text() == "Apache License"
    assert (folder / "NOTICE").read_text() == "by somebody"
    if kind == "acsft":
        assert "fewer than 6 examples: humor 4, 5, 6, 7, 8, 9." in card
    else:
        assert "- quality: r " in card


def test_steerlm_json_says_all_that_a_caller_has_to_know(acsft_folder):
    said = json.loads((acsft_folder / "steerlm.json").read_text())
    assert set(said) == {
        "version", "kind", "template", "templateDigest", "attributes", "lineage", "systemPrompt",
        "targets", "callersMaySet", "minLevelExamples", "levelCounts", "untrainedLevels",
    }  # fmt: skip
