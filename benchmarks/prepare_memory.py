"""Peak memory of prepare at 100,000 and at 1,000,000 conversations: it must be the same.

    python -m benchmarks.prepare_memory [CONVERSATIONS]

The whole stage program runs, in a process of its own each time, over generated data in three
formats: HelpSteer rows (zstd), OASST's flat form (Parquet; a message a row, so that its trees are
put together on disk) and HH pairs. CONVERSATIONS is the larger number; the smaller is a tenth.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow.parquet import ParquetWriter

from benchmarks.frame import Result
from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.contract.config import Execution, PrepareExecution, StageConfig
from steerlm_jobs.contract.recipes import PrepareRecipe, Source
from steerlm_jobs.models.tiny import make_tiny
from steerlm_jobs.store.clock import monotonic_seconds
from steerlm_jobs.store.jsonl import write_jsonl

_CONVERSATIONS = 1_000_000
_TARGET_RATIO = 1.1
"""Of the two peaks, not to be passed: caches of what is kept on disk fill up at first."""
_SECONDS_BETWEEN_LOOKS = 0.1
_ROWS_PER_GROUP = 10_000
_HELPSTEER = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
_OASST = ("quality", "toxicity", "humor", "creativity")
_WORDS = (
    "river",
    "cloud",
    "stone",
    "window",
    "market",
    "garden",
    "letter",
    "winter",
    "signal",
    "harbour",
    "candle",
    "mirror",
    "forest",
    "bridge",
    "paper",
    "silver",
    "morning",
    "answer",
    "question",
    "travel",
    "kitchen",
    "music",
    "number",
    "story",
    "colour",
    "engine",
)


def main() -> None:
    """Run prepare on the smaller number, then on the larger, and print one line of JSON last."""
    larger = int(sys.argv[1]) if len(sys.argv) > 1 else _CONVERSATIONS
    with tempfile.TemporaryDirectory(prefix="steerlm-benchmark-") as folder:
        small, large = (_peaks(Path(folder) / str(n), n) for n in (larger // 10, larger))
    result = Result(
        name=f"peak memory of prepare until all is read, {larger} conversations",
        unit="MiB",
        against=f"{larger // 10} conversations; less is better",
        target=_TARGET_RATIO,
        values=[large.reading],
        rivals=[small.reading],
    )
    print(result.line())


@dataclass(frozen=True, slots=True)
class _Peaks:
    """Largest resident sizes, in MiB."""

    reading: float
    """Until all conversations are read and written; torch is loaded before that."""
    whole: float
    """Of the whole stage, which marks the base model at the end."""


def _peaks(folder: Path, num_conversations: int) -> _Peaks:
    folder.mkdir()
    _write_data(folder, num_conversations)
    make_tiny([_text(i, 40) for i in range(200)], folder / "model", seed=1, num_steps=1)
    config = folder / "config.json"
    config.write_text(_config(folder).model_dump_json(by_alias=True))
    command = [sys.executable, "-m", "steerlm_jobs", "prepare", "--config", str(config)]
    for option in ("report", "progress", "scratch"):
        command += [f"--{option}", str(folder / option)]
    started = monotonic_seconds()
    child = subprocess.Popen(command)  # noqa: S603  # our own program, no shell
    peaks = _watched(child.pid, folder / "progress")
    seconds = monotonic_seconds() - started
    (statistics,) = folder.glob("run/prepare/*/attempts/*/content/statistics.json")
    found = sum(json.loads(statistics.read_text())["conversations"].values())
    print(
        f"{found} conversations, {seconds:.0f} s: {peaks.reading:.0f} MiB until all are read, "
        f"{peaks.whole:.0f} MiB in all",
        flush=True,
    )
    return peaks


def _watched(child: int, progress: Path) -> _Peaks:
    """Wait for a process; note its peak as long as it says that it reads data."""
    reading = 0.0
    while True:
        ended, status, usage = os.wait4(child, os.WNOHANG)
        if ended:
            break
        if progress.exists() and "reading data" in progress.read_text():
            found = Path(f"/proc/{child}/status").read_text().partition("VmHWM:")[2]
            reading = int(found.split()[0]) / 1024 if found else reading
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    if status:
        sys.exit(f"prepare ended with {os.waitstatus_to_exitcode(status)}: see above")
    return _Peaks(reading, usage.ru_maxrss / 1024)


def _config(folder: Path) -> StageConfig:
    names = (*_OASST, *_HELPSTEER)
    return StageConfig(
        stage="prepare",
        recipe=PrepareRecipe(
            attributes=tuple(Attribute(name=name) for name in names),
            labelled=(Source(name="ratings"), Source(name="trees")),
            unlabelled=(Source(name="pairs"),),
            min_labels=1,
        ),
        execution=Execution(
            prefix=str(folder / "run"),
            run_uid="0123456789",
            attempt=1,
            num_threads=1,
            prepare=PrepareExecution(
                source_uris={
                    "ratings": str(folder / "ratings.jsonl.zst"),
                    "trees": str(folder / "trees"),
                    "pairs": str(folder / "pairs.jsonl.zst"),
                },
                base_model_uri=str(folder / "model"),
                max_length_tokens=256,
            ),
        ),
    )


def _write_data(folder: Path, num_conversations: int) -> None:
    """Write half the conversations as ratings, a quarter as pairs of paths, a quarter as pairs."""
    half, eighth = num_conversations // 2, num_conversations // 8
    write_jsonl(folder / "ratings.jsonl.zst", map(_rating, range(half)))
    write_jsonl(folder / "pairs.jsonl.zst", (_pair(i) for i in range(half, half + eighth)))
    (folder / "trees").mkdir()
    writer: ParquetWriter | None = None
    for start in range(0, eighth, _ROWS_PER_GROUP):
        stop = min(start + _ROWS_PER_GROUP, eighth)
        rows = [row for i in range(start, stop) for row in _tree(i + num_conversations)]
        table = pyarrow.Table.from_pylist(rows)
        writer = writer or ParquetWriter(folder / "trees/train.parquet", table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def _rating(index: int) -> dict[str, Any]:
    levels = {name: (index + place) % 5 for place, name in enumerate(_HELPSTEER)}
    return {"prompt": _text(index, 20), "response": _text(index + 1, 60), **levels}


def _pair(index: int) -> dict[str, Any]:
    said = f"\n\nHuman: {_text(index, 20)}\n\nAssistant:"
    return {
        "chosen": f"{said} {_text(index + 1, 60)}",
        "rejected": f"{said} {_text(index + 2, 60)}",
    }


def _tree(index: int) -> Iterator[dict[str, Any]]:
    """Yield a question with two answers."""
    for role, name, parent in (
        ("prompter", "q", None),
        ("assistant", "a", "q"),
        ("assistant", "b", "q"),
    ):
        yield {
            "message_id": f"{index}-{name}",
            "parent_id": parent and f"{index}-{parent}",
            "message_tree_id": f"tree {index}",
            "role": role,
            "lang": "en",
            "text": f"{name} {_text(index, 40)}",
            "labels": {
                "name": list(_OASST),
                "value": [(index + place) % 5 / 4 for place in range(len(_OASST))],
                "count": [3] * len(_OASST),
            },
        }


def _text(index: int, num_words: int) -> str:
    """Return words of which no two indices have the same."""
    words = (_WORDS[(index * 7 + place * place) % len(_WORDS)] for place in range(num_words))
    return f"{index} {' '.join(words)}"


if __name__ == "__main__":
    main()
