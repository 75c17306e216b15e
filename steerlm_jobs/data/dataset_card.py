"""The dataset card, README.md of a result that holds conversations: what, from where, whose."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from steerlm_jobs.store.artifacts import ArtifactReader

UNKNOWN: Final = "unknown"
_FORM: Final = (
    "Each row of the JSON Lines files is a conversation: `id`, `source`, `group` (what is never "
    "split between training and validation), `system`, `split`, and `turns` of `role`, `text`, "
    "`labels`; where they are known also `humanLabels` (people's, kept beside predicted ones), "
    "`scores` (the attribute prediction model's, not rounded), `requested`, `rank`, `rankSum`, "
    "`kept` (of samples). Absent means unknown or at its default."
)
_LIMITS: Final = (
    "The texts are those of the sources, with what is wrong or offensive in them. Labels are "
    "judgements of people or guesses of a model, and samples are a model's own words. Each source "
    "keeps its licence; where it is unknown, ask before you pass anything on."
)


def dataset_card(
    title: str, what: str, licences: Mapping[str, str], counts: Mapping[str, int]
) -> str:
    """Return the text of the card.

    Args:
        title: Of the page.
        what: A sentence or two: what the conversations are and which step made them.
        licences: Of each data source by name; empty where it is unknown.
        counts: What there is and what was left out, by name.
    """
    lines = [
        "---",
        "tags: [steerlm]",
        "---",
        f"# {title}",
        "",
        f"{what} Made by SteerLM (arXiv:2310.05344).",
        "",
        "## Sources",
        "",
        *licence_lines(licences),
        "",
        "## Counts",
        "",
        *(f"- {name}: {count}" for name, count in counts.items()),
        "",
        "## Form",
        "",
        _FORM,
        "",
        "## Limits",
        "",
        _LIMITS,
    ]
    return "\n".join(lines) + "\n"


def licence_lines(licences: Mapping[str, str]) -> list[str]:
    """Return one line of a card for each source."""
    return [f"- {name}: licence {licence or UNKNOWN}" for name, licence in licences.items()]


def write_card(folder: Path, text: str) -> None:
    """Write README.md."""
    (folder / "README.md").write_text(text, encoding="utf-8")


def prepared_licences(prepared: ArtifactReader) -> dict[str, str]:
    """Return the licence of each source, as prepare's `statistics.json` has them."""
    sources = _json(prepared, "statistics.json")["sources"]
    return {name: figures["licence"] for name, figures in sources.items()}


def carried_licences(labelled: ArtifactReader) -> dict[str, str]:
    """Return the licence of each source, as the `summary.json` of annotate and sample has them."""
    return dict(_json(labelled, "summary.json")["licences"])


def _json(reader: ArtifactReader, name: str) -> dict[str, Any]:  # Any: JSON
    return dict(json.loads(reader.file(name).read_text(encoding="utf-8")))
