"""A training checkpoint as a folder: weights, optimizer, best weights so far, history.

Whole tensors in fp32, by parameter name: so any engine on any number of ranks resumes from it.
Rank 0 writes and reads; the others send and receive.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from safetensors.torch import load_file, save_file
from torch import Tensor

from steerlm_jobs.train.engine import Engine
from steerlm_jobs.train.history import History

_WEIGHTS: Final = "weights.safetensors"
_OPTIMIZER: Final = "optimizer.safetensors"
_BEST: Final = "best.safetensors"
_HISTORY: Final = "history.json"


@dataclass(slots=True)
class TrainingState:
    """All that decides how training goes on, besides the engine's own weights."""

    history: History
    best_weights: Mapping[str, Tensor] | None = None
    """Weights at the best validation, on rank 0; None on all ranks: they are the current ones, or
    there is none yet."""


def write_checkpoint(folder: Path, engine: Engine, state: TrainingState) -> None:
    """Write the state of a training between two steps. All ranks call it, rank 0 writes."""
    weights, optimizer = engine.weights(), engine.optimizer_state()
    if engine.ranks.rank:
        return
    folder.mkdir(parents=True)
    save_file(weights, folder / _WEIGHTS)
    save_file(optimizer, folder / _OPTIMIZER)
    if state.best_weights is not None:
        save_file(dict(state.best_weights), folder / _BEST)
    (folder / _HISTORY).write_text(json.dumps(state.history.to_json()), encoding="utf-8")


def read_checkpoint(folder: Path | None, engine: Engine) -> TrainingState | None:
    """Set an engine to a checkpoint and return the state beside it; None: there is none.

    Args:
        folder: Where it is; only rank 0 needs to know.
        engine: On all ranks.
    """
    text = engine.ranks.first_says(_read_history(folder))
    if not text:
        return None
    found = json.loads(text)
    engine.load_weights(_read(folder, _WEIGHTS))
    engine.load_optimizer_state(_read(folder, _OPTIMIZER))
    history = History.from_json(found["history"])
    return TrainingState(history, _read(folder, _BEST) if found["hasBest"] else None)


def _read_history(folder: Path | None) -> str:
    if folder is None:
        return ""
    history = json.loads((folder / _HISTORY).read_text(encoding="utf-8"))
    return json.dumps({"history": history, "hasBest": (folder / _BEST).exists()})


def _read(folder: Path | None, name: str) -> dict[str, Tensor]:
    return {} if folder is None else load_file(folder / name)
