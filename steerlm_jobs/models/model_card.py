"""The model card, README.md of a model folder: where it comes from, how to use it, its limits."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from steerlm_jobs.attributes.schema import Schema

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
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

backbone, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
head = load_file(f"{{folder}}/head.safetensors")
ids = tokenizer(conversation + "<extra_id_2>", return_tensors="pt").input_ids  # see steerlm.json
with torch.no_grad():
    last = backbone(ids).last_hidden_state[0, -1].float()
scores = last @ head["weight"].T + head["bias"]  # 0..1, one of each attribute, `{name}` first
```""",
    "generativeApm": """```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained(folder)
tokenizer = AutoTokenizer.from_pretrained(folder)
ids = tokenizer(conversation + "<extra_id_2>", return_tensors="pt").input_ids  # see steerlm.json
written = model.generate(ids, max_new_tokens=100, do_sample=False)[0, ids.shape[1]:]
labels = tokenizer.decode(written).partition("\\n")[0]  # as `{name}:{level}`, joined by commas
```

Attributes are written in the groups of `steerlm.json`: to read another group, write its first name
and a colon after the marker. Our scores are expectations over the legal values at each place.""",
}
_TITLES: Final = {
    "acsft": "A language model that answers as attribute labels ask",
    "apm": "An attribute prediction model: scores of answers",
    "generativeApm": "An attribute prediction model that writes the labels of answers",
}
_LIMITS: Final = (
    "What it says may be wrong or harmful, and more so where its labels ask for that. Labels that "
    "few training examples carried have little effect (`steerlm.json` has the counts). How well it "
    "steers was not measured here but by the run's evaluation."
)


def write_model_card(
    folder: Path, kind: str, schema: Schema, sources: Sequence[str], figures: Mapping[str, str]
) -> None:
    """Write README.md.

    Args:
        folder: The model's; LICENSE and NOTICE of the base model lie in it already, if there are.
        kind: `apm`, `generativeApm` or `acsft`.
        schema: Its attributes.
        sources: Names of the data it was trained on.
        figures: Training and validation figures by name.
    """
    has_licence = any(folder.glob("LICENSE*"))
    licence = "see LICENSE" if has_licence else "unknown: the base model's folder names none"
    first = schema.attributes[0]
    rows = [f"| {a.name} | {a.min} to {a.max} |" for a in schema.attributes]
    lines = [
        f"# {_TITLES[kind]}",
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
        _USE[kind].format(name=first.name, level=first.max),
        "",
        "## Training",
        "",
        f"- Data: {', '.join(sources)} (licences: those of the sources)",
        *(f"- {name}: {value}" for name, value in figures.items()),
        "",
        "## Limits and licence",
        "",
        _LIMITS,
        "",
        f"Licence of the base model: {licence}.",
    ]
    (folder / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
