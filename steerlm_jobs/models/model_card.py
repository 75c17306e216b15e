"""The model card, README.md of a model folder: where it comes from, how to use it, its limits.

What an evaluation found stands in the evaluation's own result and in `steerlm report`, not here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.data.dataset_card import licence_lines
from steerlm_jobs.models.licence import CARD_FILE, front_matter, licence_matter, licence_of

_PLAIN: Final = "plain"
"""A model without attributes: trained on the same answers, without their labels."""
_ATTRIBUTES_LINE: Final = (
    '    attributes={{"{name}": {level}}},  # what is not named here is at its target\n'
)
_USE: Final = {
    "acsft": """```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained(folder)
tokenizer = AutoTokenizer.from_pretrained(folder)
prompt = tokenizer.apply_chat_template(
    [{{"role": "user", "content": "Why is the sky blue?"}}],
    attributes={{"{name}": {level}}},  # what is not named here is at its target
    add_generation_prompt=True, return_tensors="pt", return_dict=True,
)
print(tokenizer.decode(model.generate(**prompt, max_new_tokens=200)[0]))
```""",
    "apm": """```python
import json

import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

backbone, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
head = load_file(f"{{folder}}/head.safetensors")
attributes = json.load(open(f"{{folder}}/steerlm.json"))["attributes"]


def score(messages):  # the last one is an answer; it is scored as it stands there
    ids = tokenizer.apply_chat_template(messages, return_tensors="pt", return_dict=True).input_ids
    with torch.no_grad():
        last = backbone(ids).last_hidden_state[0, -1].float()  # at the marker <extra_id_2>
    units = (last @ head["weight"].T + head["bias"]).tolist()
    return {{a["name"]: a["min"] + u * (a["max"] - a["min"]) for a, u in zip(attributes, units)}}


print(score([
    {{"role": "user", "content": "Why is the sky blue?"}},
    {{"role": "assistant", "content": "Because blue light is scattered most."}},
]))  # {name} and the others, on their scales
```""",
    "generativeApm": """```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained(folder)
tokenizer = AutoTokenizer.from_pretrained(folder)


def labels(messages):  # the last one is an answer; its labels are written after it
    prompt = tokenizer.apply_chat_template(messages, return_tensors="pt", return_dict=True)
    written = model.generate(**prompt, max_new_tokens=100, do_sample=False)[0]
    return tokenizer.decode(written[prompt.input_ids.shape[1]:]).partition("\\n")[0]


print(labels([
    {{"role": "user", "content": "Why is the sky blue?"}},
    {{"role": "assistant", "content": "Because blue light is scattered most."}},
]))  # as `{name}:{level}`, joined by commas
```

Attributes are written in the groups of `steerlm.json`: to read another group, write its first name
and a colon after the marker. Our scores are expectations over the legal values at each place.""",
}
_TITLES: Final = {
    "acsft": "A language model that answers as attribute labels ask",
    "apm": "An attribute prediction model: scores of answers",
    "generativeApm": "An attribute prediction model that writes the labels of answers",
    _PLAIN: "A language model that knows no labels: a baseline to compare with",
}
_LIMITS: Final = (
    "What it says may be wrong or harmful, and more so where its labels ask for that. Labels that "
    "few training examples carried have little effect (`steerlm.json` has the counts). How well it "
    "steers was not measured here but by the run's evaluation."
)
_UNKNOWN: Final = "unknown: the base model's folder names none"


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a card says beside how to use the model."""

    schema: Schema
    licences: Mapping[str, str]
    """Of each data source it was trained on, by name; empty where it is unknown."""
    figures: Mapping[str, str]
    """Training and validation figures by name."""
    limits: Sequence[str] = field(default=())
    """What else should not be expected of it, a sentence each."""


def write_model_card(folder: Path, kind: str, facts: CardFacts, *, base: Path) -> None:
    """Write README.md.

    Args:
        folder: The model's.
        kind: `apm`, `generativeApm` or `acsft`.
        facts: What to say.
        base: Folder of the model that training started from: its licence holds on.
    """
    rows = [f"| {a.name} | {a.min} to {a.max} |" for a in facts.schema.attributes]
    lines = [
        *front_matter(licence_matter(base), "library_name: transformers"),
        f"# {_TITLES[kind if facts.schema.attributes else _PLAIN]}",
        "",
        "Made by SteerLM (arXiv:2310.05344). `steerlm.json` has template, attributes and lineage.",
        "",
        "## Attributes",
        "",
        "| attribute | range |",
        "|---|---|",
        *rows,
        "",
        "## Use",
        "",
        _use(kind, facts.schema),
        "",
        "## Training data",
        "",
        *licence_lines(facts.licences),
        "",
        "## Own figures of training and validation",
        "",
        *(f"- {name}: {value}" for name, value in facts.figures.items()),
        "",
        "## Limits",
        "",
        " ".join((_LIMITS, *facts.limits)),
        "",
        "## Licence",
        "",
        f"Of the base model: {licence_of(base) or _UNKNOWN}. The sources above have their own.",
    ]
    _write(folder, lines)


def write_base_card(folder: Path, *, base: Path) -> None:
    """Write README.md of the marked base model: whoever trains from it learns its licence here."""
    lines = [
        *front_matter(licence_matter(base), "library_name: transformers"),
        "# A base model with SteerLM's markers",
        "",
        "Nothing was trained: three special tokens were added, their rows are means of others.",
        "",
        f"Licence of the base model: {licence_of(base) or _UNKNOWN}.",
    ]
    _write(folder, lines)


def _write(folder: Path, lines: Sequence[str]) -> None:
    (folder / CARD_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _use(kind: str, schema: Schema) -> str:
    if not schema.attributes:
        return _USE[kind].replace(_ATTRIBUTES_LINE, "").format()
    first = schema.attributes[0]
    return _USE[kind].format(name=first.name, level=first.max)
