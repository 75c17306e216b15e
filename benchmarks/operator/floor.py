"""A rival of forty lines: it creates the next Job of a chain, and knows of nothing else.

    python -m benchmarks.operator.floor --kubeconfig FILE --jobs FILE --on {pods,jobs}

No status, retries, caching, relist or restart: what no operator on this control plane can be
quicker than. The server's filters keep from it what it does not need.
"""

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml

from steerlm_operator.render.names import RUN_LABEL, SELECTOR, STAGE_LABEL
from tests.quickstart import STAGES

PLACEHOLDER: Final = "the-chain"
"""Stands for the name of the chain in the Jobs that it is given."""
WATCHING: Final = "watching"
"""Said once it is ready."""
JOBS: Final = "/apis/batch/v1/namespaces/default/jobs"
_WATCHED: Final = {
    "pods": f"/api/v1/namespaces/default/pods?labelSelector={SELECTOR}"
    "&fieldSelector=status.phase=Succeeded",
    "jobs": f"{JOBS}?labelSelector={SELECTOR}",
}
Json = dict[str, Any]  # Any: JSON


async def follow(session: aiohttp.ClientSession, on: str, jobs: list[str]) -> None:
    """Create the next Job of every chain whose last one has ended, for ever."""
    seen = set[tuple[str, str]]()
    creations = set[asyncio.Task[None]]()

    async def create(body: str) -> None:
        async with session.post(JOBS, data=body, raise_for_status=True) as answer:
            await answer.read()

    def see(found: Json) -> None:
        labels = found["metadata"]["labels"]
        chain, stage = labels[RUN_LABEL], labels[STAGE_LABEL]
        following = STAGES.index(stage) + 1
        if (chain, stage) in seen or following == len(STAGES) or not _has_ended(found, on):
            return
        seen.add((chain, stage))
        task = asyncio.create_task(create(jobs[following].replace(PLACEHOLDER, chain)))
        creations.add(task)
        task.add_done_callback(creations.discard)

    async with session.get(_WATCHED[on], raise_for_status=True) as answer:
        listed = await answer.json()
    print(WATCHING, flush=True)
    for item in listed["items"]:
        see(item)
    version = listed["metadata"]["resourceVersion"]
    async with session.get(f"{_WATCHED[on]}&watch=true&resourceVersion={version}") as stream:
        async for line in stream.content:
            event = json.loads(line)
            if event["type"] in {"ADDED", "MODIFIED"}:
                see(event["object"])


def _has_ended(found: Json, on: str) -> bool:
    if on == "pods":
        return bool(found["status"]["phase"] == "Succeeded")
    return any(c["type"] == "Complete" for c in found["status"].get("conditions", ()))


def session_of(kubeconfig: Path) -> aiohttp.ClientSession:
    """Return a session with the API server of a kubeconfig, as its user."""
    config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    token = config["users"][0]["user"]["token"]
    return aiohttp.ClientSession(
        base_url=config["clusters"][0]["cluster"]["server"],
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        connector=aiohttp.TCPConnector(ssl=False),
        timeout=aiohttp.ClientTimeout(total=None, connect=10),
    )


async def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--jobs", type=Path, required=True, help="JSON: the Jobs of a chain")
    parser.add_argument("--on", choices=sorted(_WATCHED), required=True)
    given = parser.parse_args()
    jobs = json.loads(given.jobs.read_text(encoding="utf-8"))
    async with session_of(given.kubeconfig) as session:
        await follow(session, given.on, [json.dumps(job) for job in jobs])


if __name__ == "__main__":
    asyncio.run(_main())
