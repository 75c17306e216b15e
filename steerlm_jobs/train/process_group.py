"""The ranks of one training, connected: gloo for agreement, NCCL for gradients on CUDA."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import torch
from torch import Tensor, distributed

from steerlm_jobs.contract.errors import ExitCode

_COLLECTIVE_TIMEOUT: Final = timedelta(days=30)
"""A collective that hangs is ended by the watchdog, which leaves stacks and a report."""
_STORE_TIMEOUT: Final = timedelta(seconds=900)
"""How long ranks wait for each other at the start."""
_FAILURE: Final = "steerlm/failure"
_STALLED: Final = "steerlm/stalled"


class ConnectedRanks:
    """`process.ranks.Ranks` over torch.distributed."""

    def __init__(self) -> None:
        self.rank: int = distributed.get_rank()
        self.size: int = distributed.get_world_size()

    def any_of(self, *flags: bool) -> tuple[bool, ...]:
        """Return for each flag whether it is set on any rank."""
        found = torch.tensor(flags, dtype=torch.int32)
        distributed.all_reduce(found, distributed.ReduceOp.MAX)
        return tuple(bool(flag) for flag in found.tolist())

    def sum_of(self, *values: float) -> tuple[float, ...]:
        """Return for each value its sum over all ranks, in double precision."""
        found = torch.tensor(values, dtype=torch.float64)
        distributed.all_reduce(found)
        return tuple(found.tolist())

    def first_says(self, text: str) -> str:
        """Return the text that rank 0 gave."""
        data = text.encode()
        length = torch.tensor(len(data))
        distributed.broadcast(length, 0)
        found = torch.zeros(int(length), dtype=torch.uint8)
        if not self.rank and data:
            found = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        if len(found):
            distributed.broadcast(found, 0)
        return bytes(found.tolist()).decode()

    def add_up(self, tensor: Tensor) -> None:
        """Replace a tensor by its sum over all ranks."""
        distributed.all_reduce(tensor)

    def send_first(self, tensor: Tensor) -> None:
        """Replace a tensor by that of rank 0."""
        distributed.broadcast(tensor, 0)


@dataclass(frozen=True, slots=True)
class Failure:
    """How the rank ended that failed first."""

    rank: int
    exit_code: ExitCode
    message: str


class Meeting:
    """Where ranks find each other and leave word of their failures: a store of the launcher's.

    It outlives every rank: so one that has lost a peer can say why.
    """

    def __init__(self, rank: int, size: int, address: str, port: int) -> None:
        self.rank, self.size = rank, size
        self._store = distributed.TCPStore(
            address, port, is_master=False, timeout=_STORE_TIMEOUT, wait_for_workers=False
        )
        self._place = (address, port)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Meeting":
        """Return what the launcher's variables say."""
        rank, size, port = (int(environment[k]) for k in ("RANK", "WORLD_SIZE", "MASTER_PORT"))
        return cls(rank, size, environment["MASTER_ADDR"], port)

    def connect(self) -> ConnectedRanks:
        """Meet all other ranks."""
        has_cuda = torch.cuda.is_available()
        if has_cuda:
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        # A client of its own: the watchdog may speak while the group is waiting.
        store = distributed.TCPStore(
            *self._place, is_master=False, timeout=_STORE_TIMEOUT, wait_for_workers=False
        )
        distributed.init_process_group(
            "cpu:gloo,cuda:nccl" if has_cuda else "gloo",
            store=distributed.PrefixStore("steerlm/group", store),
            rank=self.rank,
            world_size=self.size,
            timeout=_COLLECTIVE_TIMEOUT,
        )
        return ConnectedRanks()

    def tell(self, failure: Failure) -> Failure:
        """Say how this rank ends; return the failure that was told first, most often this one."""
        text = json.dumps([failure.rank, int(failure.exit_code), failure.message])
        try:
            return _failure(self._store.compare_set(_FAILURE, "", text))
        except RuntimeError:  # torch's own errors of the store; the launcher is gone
            return failure

    def num_stalled(self, *, has_joined: bool = False) -> int:
        """Return how many ranks have found themselves stalled; `has_joined`: this one just did."""
        try:
            return int(self._store.add(_STALLED, int(has_joined)))
        except RuntimeError:
            return self.size


def connect_alone() -> None:
    """Make a group of this one process, for an engine that needs one."""
    if not distributed.is_initialized():
        distributed.init_process_group(
            "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo",
            store=distributed.HashStore(),
            rank=0,
            world_size=1,
        )


def _failure(value: bytes) -> Failure:
    rank, code, message = json.loads(value)
    return Failure(rank, ExitCode(code), message)
