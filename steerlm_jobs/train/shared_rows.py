"""The ranks of a node share the work of making rows: each its part, then all read all parts.

Parts are files on the node's disk that are mapped into memory: a node holds the tokens once. They
live as long as the attempt (docs/adr/0013).
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from steerlm_jobs.data.conversations import Conversation
from steerlm_jobs.process.context import StageContext
from steerlm_jobs.train.acsft_data import AcsftRow, AcsftRows, RowReader
from steerlm_jobs.train.objectives import AcsftExample


def shared_rows(
    context: StageContext, reader: RowReader, conversations: Iterable[Conversation], name: str
) -> AcsftRows:
    """Return the rows of all conversations, on every rank, in their order.

    Args:
        context: All ranks call this at the same time with the same conversations.
        reader: Makes a row of a conversation.
        conversations: Every rank reads them all; only making rows of them is shared.
        name: Of these rows within the attempt: files in use are never written again.
    """
    ranks = context.ranks
    num_shares = min(context.config.execution.processes_per_node, ranks.size)
    if num_shares == 1:
        rows = AcsftRows()
        reader.add(rows, conversations)
        return rows
    node, share = divmod(ranks.rank, num_shares)
    folder = context.scratch.parent / f"{name}-rows-of-node-{node}"
    own = islice(conversations, share, None, num_shares)
    write_share(folder, share, map(reader.row, own))
    ranks.any_of(False)  # noqa: FBT003  # a meeting: all shares are there
    return read_shares(folder, num_shares)


def write_share(folder: Path, share: int, rows: Iterable[AcsftRow | None]) -> None:
    """Write one share's rows; None: a conversation that is dropped."""
    ids, masks, lengths, names = [], [], [], []
    sources: dict[str, int] = {}
    systems: dict[str, int] = {}
    levels: Counter[tuple[str, int]] = Counter()
    for row in rows:
        if row is None:
            lengths.append(0)
            names.append((0, 0))
            continue
        example = row.example
        ids.append(example.ids)
        masks.append(example.loss_mask)
        lengths.append(len(example.ids))
        source = sources.setdefault(example.source, len(sources))
        names.append((source, systems.setdefault(row.system, len(systems))))
        levels.update(row.labels)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        "ids": torch.cat(ids) if ids else torch.empty(0, dtype=torch.int32),
        "masks": torch.cat(masks) if masks else torch.empty(0, dtype=torch.bool),
        "lengths": torch.tensor(lengths, dtype=torch.int64),
        "names": torch.tensor(names, dtype=torch.int32).reshape(-1, 2),
    }
    save_file(tensors, folder / f"{share}.safetensors")
    counted = [[name, level, n] for (name, level), n in levels.items()]
    found = {"sources": list(sources), "systems": list(systems), "levels": counted}
    (folder / f"{share}.json").write_text(json.dumps(found), encoding="utf-8")


def read_shares(folder: Path, num_shares: int) -> AcsftRows:
    """Return the rows of all shares in the order of the conversations."""
    rows = AcsftRows()
    shares = [_share(folder, share, rows.levels) for share in range(num_shares)]
    for place in range(sum(map(len, shares))):
        rows.add(shares[place % num_shares][place // num_shares])
    return rows


def _share(folder: Path, share: int, levels: Counter[tuple[str, int]]) -> Sequence[AcsftRow | None]:
    """Return a share's rows; count its labels."""
    tensors = load_file(folder / f"{share}.safetensors")
    found = json.loads((folder / f"{share}.json").read_text(encoding="utf-8"))
    for name, level, n in found["levels"]:
        levels[name, level] += n
    sources, systems = found["sources"], found["systems"]
    lengths = tensors["lengths"].tolist()
    ids, masks = (torch.split(tensors[name], lengths) for name in ("ids", "masks"))
    return [
        AcsftRow(AcsftExample(ids[place], masks[place], sources[source]), (), systems[system])
        if lengths[place]
        else None
        for place, (source, system) in enumerate(tensors["names"].tolist())
    ]
