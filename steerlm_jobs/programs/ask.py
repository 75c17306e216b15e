"""`ask`: what a model answers under given labels, and what it answers under others."""

import argparse
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from steerlm_jobs.contract.config import StageInput
from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.store.artifacts import ArtifactReader, read_manifest
from steerlm_jobs.store.files import is_local, local_folder


def print_answers(given: argparse.Namespace) -> None:
    """Print one answer, and a second one if labels to compare with are given.

    Raises:
        BadInputError: There is no model at the address, or it is damaged.
        BadConfigError: A label is unknown, out of range or not the caller's to set.
    """
    asked = [dict(given.set), *([dict(given.against)] if given.against else [])]
    with _model_folder(given.uri) as folder:
        from steerlm_jobs.generate.ask import answer  # loads torch: only once there is a model

        for labels in asked:
            found = answer(folder, given.prompt, labels, max_new_tokens=given.max_new_tokens)
            if given.json:
                line = {
                    "asked": labels,
                    "labels": dict(found.labels),
                    "untrained": dict(found.untrained),
                    "answer": found.text,
                }
                print(json.dumps(line, ensure_ascii=False), flush=True)
            else:
                wanted = ", ".join(f"{name}={level}" for name, level in labels.items())
                print(f"[{wanted or 'target labels'}]\n{found.text}", flush=True)
                few = ", ".join(f"{name}={level}" for name, level in found.untrained.items())
                print(f"(too few training examples: {few})\n" if few else "", flush=True)


@contextmanager
def _model_folder(uri: str) -> Iterator[Path]:
    """Yield the verified content of an artifact, or a local Hugging Face folder as it is."""
    manifest = read_manifest(uri)
    if manifest is not None:
        source = StageInput(
            stage=manifest.kind.value,
            kind=manifest.kind,
            uri=uri,
            fingerprint=manifest.fingerprint,
            digest=manifest.digest,
        )
        with tempfile.TemporaryDirectory(prefix="steerlm-ask-") as scratch:
            yield ArtifactReader.open(source, Path(scratch)).folder()
        return
    if not is_local(uri) or not (local_folder(uri) / "config.json").exists():
        msg = f"{uri}: no model here (neither manifest.json nor config.json); check the address"
        raise BadInputError(msg)
    yield local_folder(uri)
