"""All roots of one run: where they are, and their digests by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from steerlm_jobs.contract.config import SCRATCH_MODEL, PrepareExecution
from steerlm_jobs.contract.errors import BadConfigError, BadInputError
from steerlm_jobs.contract.fingerprint import short_sha256
from steerlm_jobs.contract.manifest import Digest
from steerlm_jobs.contract.recipes import PrepareRecipe
from steerlm_jobs.data import hub
from steerlm_jobs.data.digests import RootDigests
from steerlm_jobs.data.roots import MODEL_FILES, Root
from steerlm_jobs.data.template import template_digest

PROMPTS: Final = "evaluationPrompts"
MODEL: Final = "model"
TEMPLATE: Final = "template"
_RESERVED: Final = frozenset({PROMPTS, MODEL, TEMPLATE})
_TINY_DIGEST: Final = short_sha256(b"scratch:tiny, 1")
"""Of the model that prepare makes itself; the texts it learns from are roots of their own."""


@dataclass(frozen=True, slots=True)
class RunRoots:
    """What comes from outside. Nothing of it has been copied yet."""

    sources: Mapping[str, Root]
    prompts: Root | None
    model: Root | str | None
    """A hub commit as text; None: `scratch:tiny`."""
    digests: Mapping[str, Digest]


def find_roots(
    recipe: PrepareRecipe, execution: PrepareExecution, digests: RootDigests
) -> RunRoots:
    """Look at each root and digest it.

    Raises:
        BadInputError: A source or the prompt file is not there.
        BadConfigError: There is no model at its address, or a source has no address.
    """
    sources = {
        source.name: _source(source.name, execution)
        for source in (*recipe.labelled, *recipe.unlabelled)
    }
    found = {name: digests.of(root) for name, root in sources.items()}
    prompts = None
    if execution.evaluation_prompts_uri:
        prompts = _placed(execution.evaluation_prompts_uri, "spec.data.evaluationPrompts")
        found[PROMPTS] = digests.of(prompts)
    model, found[MODEL] = _model(execution.base_model_uri, digests)
    found[TEMPLATE] = template_digest()
    return RunRoots(sources, prompts, model, found)


def model_folder(roots: RunRoots, uri: str, scratch: Path) -> Path | None:
    """Return the base model as a local folder; None: `scratch:tiny`."""
    if isinstance(roots.model, str):
        return hub.hub_folder(uri, roots.model)
    return None if roots.model is None else roots.model.local(scratch)


def _source(name: str, execution: PrepareExecution) -> Root:
    if name in _RESERVED:
        msg = f"spec.data: source name {name!r} means something else here; give it another name"
        raise BadConfigError(msg)
    if name not in execution.source_uris:
        msg = f"execution.prepare.sourceUris: source {name!r} has no address"
        raise BadConfigError(msg)
    line = execution.source_lines.get(name, "")
    return _placed(
        execution.source_uris[name], f"{line}: source {name}" if line else f"source {name}"
    )


def _placed(uri: str, place: str) -> Root:
    try:
        return Root.at(uri)
    except (BadInputError, BadConfigError) as error:
        msg = f"{place}: {error}"
        raise type(error)(msg) from error


def _model(uri: str, digests: RootDigests) -> tuple[Root | str | None, Digest]:
    if uri == SCRATCH_MODEL:
        return None, _TINY_DIGEST
    if uri.startswith(hub.SCHEME):
        commit = hub.hub_commit(uri)
        return commit, short_sha256(f"{uri.partition('@')[0]}@{commit}".encode())
    try:
        root = Root.at(uri, MODEL_FILES)
    except BadInputError as error:
        msg = f"spec.model.baseModelUri: {error}"
        raise BadConfigError(msg) from error
    if "config.json" not in {stat.path for stat in root.files}:
        msg = f"spec.model.baseModelUri: {uri}: no Hugging Face model folder (no config.json)"
        raise BadConfigError(msg)
    return root, digests.of(root)
