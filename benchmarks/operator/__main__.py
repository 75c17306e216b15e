"""The operator beside rivals of forty lines, and Argo, on a real control plane of this machine.

    python -m benchmarks.operator --runs 1,20,200
    python -m benchmarks.operator --runs 200 --stage-seconds 30
    python -m benchmarks.operator --runs 1000 --stage-seconds 120 --stages 3

Chains of eight stages, many at once. They take no time, which is the hardest case: the two cores
are full, and what is measured is how long the queue is. With `--stage-seconds` they take around so
long, so that the transitions of many live runs come one after the other, as in a real cluster.
Each contender has a control plane of its own, started for it (tests/cluster): etcd, API server,
controllers, scheduler. Then the API server's audit log tells when what was written.

  operator       advances runs: as installed by default, a process under its own service account
  floor on pods  forty lines that create the next Job as soon as the pod of the last has succeeded
  floor on Jobs  the same, but wait until its Job is Complete, as most operators do

The floors create the very Jobs that the operator would, and do nothing else: no status, Events,
retries, restart. Two more are measured if they are asked for by name, for their controller is
built first (Go 1.26, some seven minutes; where that is not possible all goes on without them):

    python -m benchmarks.operator --runs 1,20 --contenders operator,argo,"argo tuned"

  argo           the controller of Argo Workflows v3.7.3 with its own defaults: it looks at a
                 Workflow again 10 s after it changed (DEFAULT_REQUEUE_TIME), makes 20 requests a
                 second, 30 at once (--qps, --burst), has 32 workers, elects a leader
  argo tuned     the same with DEFAULT_REQUEUE_TIME=1s, --qps=500, --burst=1000

A chain of Argo's is a Workflow of eight steps, a pod each, without a Job. The kubelet ends all
containers of a pod together, and writes the WorkflowTaskResult as its container `wait` does (three
requests), for Argo awaits that. It is installed from its own minimal definitions, with an empty
ConfigMap. In its favour: it asks the server as an administrator, whose requests wait for nobody's,
and its pods are smaller than those of the operator's Jobs: nothing tells them what to do.

What is told of each:

  pod succeeded -> next Job  from the kubelet's last word on the pod to the next Job created; of
                             argo, which makes no Jobs, to the next pod created
  -> next pod bound          to the next pod's node, for all: after a Job come its controller and
                             the scheduler, after a pod the scheduler alone
  Job Complete -> next Job   the same from the Job controller's last word; negative: not waited for
  stages/min                 churn: from the first request to the last Job (of argo: pod) created
  CPU                        seconds per 1,000 stages, of the contender and of the control plane
  RSS                        of the contender when all its chains are in their last stage, and peak

and of the operator:

  writes a transition        API writes from a run's first Job to its last; Events are apart
  progress                   writes of nothing but progress, while all runs are in a long stage
  restart                    stopped while all runs live and their pods end; from its new start to
                             the first status that it writes, and to that of the last run

It takes about seven minutes for 1 and 20 runs and as many more for 200 (measured, two cores). The
first time the control plane is built (Go 1.26, eight minutes). Progress goes to stderr; the last
line on stdout is JSON: the operator's churn over that of the floor on pods, if both were measured.
"""

import argparse
import math
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks.operator.argo_controller import controller
from benchmarks.operator.contenders import ARGOS, Contender
from benchmarks.operator.contest import Load, measure
from benchmarks.operator.report import result, rows, tables
from benchmarks.operator.scene import Pods, Say
from steerlm_jobs.store.clock import monotonic_seconds
from tests.cluster.build import CannotBuildError
from tests.quickstart import STAGES

_BY_DEFAULT: Final = [each for each in Contender if each not in ARGOS]
_ENOUGH_TRANSITIONS: Final = {
    Contender.OPERATOR: 100,
    Contender.FLOOR_ON_PODS: 100,
    Contender.FLOOR_ON_JOBS: 30,
    Contender.ARGO: 14,
    Contender.ARGO_TUNED: 30,
}
"""A single chain goes on again and again until so many were seen; the last three are slow."""


def main() -> None:
    """Measure each contender at each size, and print one line of JSON last."""
    given = _arguments()
    folder = Path(tempfile.mkdtemp(prefix="steerlm-benchmark-"))
    started = monotonic_seconds()

    def say(text: str) -> None:
        print(f"{monotonic_seconds() - started:5.0f} s  {text}", file=sys.stderr, flush=True)

    given.contenders = at_hand(given.contenders, say)
    found = []
    for number, (contender, load) in enumerate(_contests(given)):
        say(f"{contender}, {load.num_live} live: a control plane of its own")
        found.append(measure(contender, load, folder / str(number), say))
        say(rows(found[-1]))  # all that is left if somebody ends it early
    shutil.rmtree(folder)  # after a failure it stays, with all logs
    print(tables(found))
    if {Contender.OPERATOR, Contender.FLOOR_ON_PODS} <= set(given.contenders):
        print(result(found).line())


def at_hand(asked: Sequence[Contender], say: Say) -> list[Contender]:
    """Return who can be measured here: without Argo, after a word on it, if it cannot be built."""
    if ARGOS.isdisjoint(asked):
        return list(asked)
    try:
        controller()
    except CannotBuildError as error:
        say(f"without Argo: {' '.join(str(error).split())}")
        return [contender for contender in asked if contender not in ARGOS]
    return list(asked)


def _contests(given: argparse.Namespace) -> Iterator[tuple[Contender, Load]]:
    """Yield in turns, so that a busy machine slows all."""
    for num_live in given.runs:
        for repeat in range(given.repeats):
            for contender in given.contenders:
                enough = _ENOUGH_TRANSITIONS[contender]
                num_rounds = math.ceil(enough / (num_live * (given.stages - 1)))
                held_seconds = given.held_seconds if repeat == 0 else 0.0
                length = given.stage_seconds, given.stages
                yield contender, Load(num_live, num_rounds, given.pods, held_seconds, *length)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.operator",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--runs",
        type=lambda text: [int(word) for word in text.split(",")],
        default=[1, 20, 200],
        metavar="N,N",
        help="live runs, one size after the other (1,20,200)",
    )
    parser.add_argument(
        "--repeats", type=int, default=1, help="times that all is done, for the spread (1)"
    )
    parser.add_argument(
        "--pods",
        type=Pods,
        choices=list(Pods),
        default=Pods.HOLLOW,
        help="what plays a stage: a kubelet that only says so (hollow), or a Python process each, "
        "with no restart measured (hollow)",
    )
    parser.add_argument(
        "--held-seconds",
        type=float,
        default=120.0,
        help="length of the stage whose progress writes are counted; 0: not measured (120)",
    )
    parser.add_argument(
        "--stage-seconds",
        type=float,
        default=0.0,
        help="mean length of a stage; each takes half to one and a half times as long (0)",
    )
    parser.add_argument(
        "--stages",
        type=int,
        choices=range(2, len(STAGES) + 1),
        default=len(STAGES),
        metavar=f"2..{len(STAGES)}",
        help=f"end when so many a chain have ended; fewer than all: no restart ({len(STAGES)})",
    )
    parser.add_argument(
        "--contenders",
        type=lambda text: [Contender(word) for word in text.split(",")],
        default=_BY_DEFAULT,
        metavar="NAME,NAME",
        help=f"who is measured, of {', '.join(Contender)} ({','.join(_BY_DEFAULT)})",
    )
    given = parser.parse_args()
    if given.pods is not Pods.HOLLOW and not ARGOS.isdisjoint(given.contenders):
        parser.error("the pods of argo can only be hollow: nothing here runs its containers")
    return given


if __name__ == "__main__":
    main()
