"""Twenty SIGKILLs of the operator at random moments of several runs: nothing is done twice or lost.

The moments are those of what the operator does, as watches tell of it: chance says after how many
writes it dies. `STEERLM_KILL_SEED=N` chooses as the run did that printed N; how long things take is
not repeated.
"""

import asyncio
import json
import os
import random
import signal
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from steerlm_operator.cluster.api import PATHS, Resource
from tests.cluster.cluster import QUICK, Cluster
from tests.cluster.control_plane import ADMIN
from tests.cluster.runs import a_stand_in_run, created_jobs
from tests.quickstart import STAGES

pytestmark = pytest.mark.cluster

NUM_KILLS = 20
NUM_RUNS = 6
MOST_WRITES = 6
"""Between the start of an operator and its end."""
MOST_EVENTS = 3
"""Between its last write and its end, whoever they are of."""
WAIT_SECONDS = 60
DONE = {"Succeeded", "Cached"}
Event = dict[str, Any]


@dataclass
class Seen:
    """What happens in a namespace, as it happens."""

    writes: asyncio.Queue[bool] = field(default_factory=asyncio.Queue)
    """An item an event; True: the operator wrote a status, or created a Job."""
    done: defaultdict[str, list[set[str]]] = field(default_factory=lambda: defaultdict(list))
    """By run: the stages that have a result, in each version of its status."""

    def see_run(self, event: Event) -> None:
        run = event["object"]
        stages = run.get("status", {}).get("stages", [])
        done = {stage["name"] for stage in stages if stage["state"] in DONE}
        self.done[run["metadata"]["name"]].append(done)
        self.writes.put_nowait(event["type"] == "MODIFIED")

    def see_job(self, event: Event) -> None:
        self.writes.put_nowait(event["type"] == "ADDED")

    async def moment(self, num_writes: int, num_events: int) -> None:
        """Return after so many writes of the operator, and so many events behind them."""
        while num_writes:
            num_writes -= await asyncio.wait_for(self.writes.get(), WAIT_SECONDS)
        for _ in range(num_events):
            await asyncio.wait_for(self.writes.get(), WAIT_SECONDS)


@asynccontextmanager
async def watched(cluster: Cluster, namespace: str) -> AsyncIterator[Seen]:
    """Watch the runs and Jobs of an empty namespace."""
    plane, seen = cluster.control_plane, Seen()
    async with aiohttp.ClientSession(
        headers={"Authorization": f"Bearer {plane.tokens[ADMIN]}"},
        connector=aiohttp.TCPConnector(ssl=False),
        timeout=aiohttp.ClientTimeout(total=None),
        read_bufsize=2**20,
    ) as session:

        async def watch(resource: Resource, see: Callable[[Event], None]) -> None:
            url = f"{plane.url}{PATHS[resource]}/namespaces/{namespace}/{resource}"
            async with session.get(url, params={"watch": "true"}) as stream:
                async for line in stream.content:
                    see(json.loads(line))

        watches = [
            asyncio.create_task(watch(Resource.RUNS, seen.see_run)),
            asyncio.create_task(watch(Resource.JOBS, seen.see_job)),
        ]
        yield seen
        for task in watches:
            task.cancel()
        ended = await asyncio.gather(*watches, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ended), ended


async def killed_again_and_again(
    cluster: Cluster, namespace: str, runs: list[dict[str, Any]], chance: random.Random
) -> Seen:
    """Let runs be worked at by operators that die; return what was seen until all have ended."""
    async with watched(cluster, namespace) as seen:
        for run in runs:
            cluster.apply(namespace, run)
        for _ in range(NUM_KILLS):
            await seen.moment(chance.randint(1, MOST_WRITES), chance.randint(0, MOST_EVENTS))
            assert cluster.stop_operator(signal.SIGKILL) == -signal.SIGKILL
            cluster.start_operator(**QUICK)
        for run in runs:
            name = run["metadata"]["name"]
            await asyncio.to_thread(cluster.wait_for, namespace, name, "Succeeded", seconds=120)
    return seen


def test_an_operator_that_is_killed_twenty_times_repeats_and_loses_nothing(
    cluster: Cluster, namespace: str, stand_in_folder: Path
) -> None:
    seed = int(os.environ.get("STEERLM_KILL_SEED") or random.SystemRandom().randrange(10**6))
    print(f"STEERLM_KILL_SEED={seed}")  # noqa: T201  # shown if it fails
    chance = random.Random(seed)
    runs = [a_stand_in_run(stand_in_folder, name=f"r{number}") for number in range(NUM_RUNS)]
    seen = asyncio.run(killed_again_and_again(cluster, namespace, runs, chance))

    found = cluster.get("slr", "-n", namespace)["items"]
    stages = {run["metadata"]["name"]: run["status"]["stages"] for run in found}
    assert {
        name: {stage["name"]: (stage["state"], stage["attempt"]) for stage in of}
        for name, of in stages.items()
    } == {run["metadata"]["name"]: dict.fromkeys(STAGES, ("Succeeded", 1)) for run in runs}
    stems = [f"{run['metadata']['name']}-{run['metadata']['uid'][:8]}" for run in found]
    one_each = sorted(f"{stem}-{stage}-1" for stem in stems for stage in STAGES)
    jobs = cluster.get("jobs", "-n", namespace)["items"]
    assert sorted(job["metadata"]["name"] for job in jobs) == one_each
    made = created_jobs(cluster.control_plane.audit_log(), namespace)
    assert len(made) == len(set(made))  # one whose caller died before the answer is not among them
    assert set(made) <= set(one_each)
    for name, versions in seen.done.items():
        steps = pairwise(versions)
        assert all(before <= after for before, after in steps), f"{name} forgot a result"
