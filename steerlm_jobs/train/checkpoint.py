"""A training checkpoint as a folder: weights, optimizer, best weights so far, history."""

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
    """Weights at the best validation; None: they are the current ones, or there is none yet."""


def write_checkpoint(folder: Path, engine: Engine, state: TrainingState) -> None:
    """Write the state of a training between two steps."""
    folder.mkdir(parents=True)
    save_file(engine.weights(), folder / _WEIGHTS)
    save_file(engine.optimizer_state(), folder / _OPTIMIZER)
    if state.best_weights is not None:
        save_file(dict(state.best_weights), folder / _BEST)
    (folder / _HISTORY).write_text(json.dumps(state.history.to_json()), encoding="utf-8")


def read_checkpoint(folder: Path, engine: Engine) -> TrainingState:
    """Set an engine to a checkpoint and return the state beside it."""
    engine.load_weights(load_file(folder / _WEIGHTS))
    engine.load_optimizer_state(load_file(folder / _OPTIMIZER))
    history = History.from_json(json.loads((folder / _HISTORY).read_text(encoding="utf-8")))
    best = folder / _BEST
    return TrainingState(history, load_file(best) if best.exists() else None)
