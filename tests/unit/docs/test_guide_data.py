import json

import pytest

from steerlm_jobs.contract.recipes import DataFormat
from steerlm_jobs.data.inspect import run_inspect
from tests.unit.docs.guide import GUIDE, ROOT, blocks

EXAMPLES = blocks(GUIDE / "data.md", "jsonl")


@pytest.mark.parametrize(("heading", "text"), EXAMPLES)
def test_every_example_of_the_guide_is_read_as_what_its_heading_says(tmp_path, heading, text):
    file = tmp_path / "example.jsonl"
    file.write_text(text)
    found = json.loads(run_inspect(str(file), "Auto", None, as_json=True))
    assert found["format"] == heading
    answered = [line for line in text.splitlines() if '"parent_id": null' not in line]
    assert found["conversations"] >= len(answered)
    assert found["drops"] == {}


def test_the_guide_has_an_example_of_every_format():
    formats = {form.value for form in DataFormat} - {"Auto"}
    assert {heading for heading, _ in EXAMPLES} == formats


def test_the_labels_of_the_guides_examples_arrive(tmp_path):
    found = {}
    for heading, text in EXAMPLES:
        file = tmp_path / f"{heading}.jsonl"
        file.write_text(text)
        inspected = json.loads(run_inspect(str(file), "Auto", None, as_json=True))
        for name, figures in inspected["attributes"].items():
            levels = {level: n for level, n in figures["histogram"].items() if n}
            found.setdefault(heading, {}).setdefault(name, levels)
    assert found["NemoSft"] == {"formality": {"0": 1, "4": 1}, "helpfulness": {"2": 1, "4": 1}}
    assert found["Oasst"] == {"quality": {"1": 1, "3": 1}, "humor": {"0": 1, "4": 1}}
    assert found["HelpSteer"]["verbosity"] == {"0": 1, "1": 1}
    assert found["NemoRegression"]["verbosity"] == {"0": 1}
    assert {"HhRlhf", "ShareGpt", "Prompts"} & set(found) == set()


def test_what_the_guide_shows_of_data_inspect_is_what_it_prints(monkeypatch):
    monkeypatch.chdir(ROOT)
    ((_, shown),) = blocks(GUIDE / "data.md", "text")
    printed = run_inspect("examples/data/helpsteer.jsonl.gz", "Auto", None, as_json=False)
    assert shown.rstrip("\n") == printed
