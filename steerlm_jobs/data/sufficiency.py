"""Are there enough labels? An attribute without them would be random numbers on all data."""

from pathlib import Path

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.contract.recipes import PrepareRecipe
from steerlm_jobs.data.corpus import LABELLED, Found, file_name
from steerlm_jobs.data.split import TRAIN, VALIDATION
from steerlm_jobs.process.notes import Notes
from steerlm_jobs.store.jsonl import read_jsonl, write_jsonl


def sufficient_schema(recipe: PrepareRecipe, found: Found, notes: Notes) -> Schema:
    """Return the attributes with enough labels in the training split.

    Raises:
        BadInputError: Nothing is labelled, an attribute that is not optional has too few labels,
            or the validation split is empty.
    """
    known = {a.name: found.labels[TRAIN].known(a.name) for a in recipe.attributes}
    if not any(known.values()):
        names = ", ".join(source.name for source in recipe.labelled) or "none"
        msg = (
            f"no labelled data: none of the sources under spec.data.labelled ({names}) has a label "
            f"of any attribute in the training split{_to_write(found.label_names)}"
        )
        raise BadInputError(msg)
    few = [a for a in recipe.attributes if known[a.name] < recipe.min_labels]
    _refuse_required(few, known, recipe)
    for attribute in few:
        notes.add(
            f"attribute {attribute.name} is left out: {known[attribute.name]} labels, "
            f"minLabels is {recipe.min_labels}"
        )
    kept = tuple(a for a in recipe.attributes if a not in few)
    if not kept:
        raise BadInputError("no attribute has enough labels: all are optional and left out")
    if not found.rows[LABELLED, VALIDATION]:
        msg = (
            "the validation split holds no labelled conversation: raise "
            "spec.data.validationFraction or add data"
        )
        raise BadInputError(msg)
    return Schema(kept)


def _refuse_required(few: list[Attribute], known: dict[str, int], recipe: PrepareRecipe) -> None:
    required = [f"{a.name} ({known[a.name]})" for a in few if not a.optional]
    if required:
        enough = ", ".join(_as_written(a) for a in recipe.attributes if a not in few)
        instead = f", or leave them out: attributes: [{enough}]" if enough else ""
        msg = (
            f"too few labels in the training split: {', '.join(required)}; spec.data.minLabels "
            f"is {recipe.min_labels}: add data, mark them optional: true, or lower it{instead}"
        )
        raise BadInputError(msg)


def _as_written(attribute: Attribute) -> str:
    """Return an attribute as it stands in a spec."""
    usual = Attribute(name=attribute.name)
    has_range = (attribute.min, attribute.max) != (usual.min, usual.max)
    bounds = f", min: {attribute.min}, max: {attribute.max}" if has_range else ""
    return f"{{name: {attribute.name}{bounds}}}"


def _to_write(label_names: set[str]) -> str:
    """Return what to write where no label of the data is called like an attribute."""
    if not label_names:
        return "; they have no labels at all: unlabelled data goes to spec.data.unlabelled"
    first, *_ = names = sorted(label_names)
    return (
        f"; their labels are {', '.join(names)}: name them under spec.attributes, or say which"
        f" is which, labels: [{{from: {first}, to: ATTRIBUTE}}]"
    )


def drop_other_labels(folder: Path, schema: Schema) -> None:
    """Write the labelled data sets again without the labels of attributes that are left out."""
    for split in (TRAIN, VALIDATION):
        file = folder / file_name(LABELLED, split)
        whole = file.with_name(f"all.{file.name}")
        file.rename(whole)
        write_jsonl(file, (_only(row, schema) for row in read_jsonl(whole)))
        whole.unlink()


def _only(row: dict[str, object], schema: Schema) -> dict[str, object]:
    for turn in row["turns"]:  # type: ignore[attr-defined]  # a list in our own files
        labels = {n: v for n, v in turn.pop("labels", {}).items() if n in schema.names}
        if labels:
            turn["labels"] = labels
    return row
