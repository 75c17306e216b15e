"""`steerlm run` over the stand-in stage programs: python stand_in_run.py WORKDIR."""

import sys
from pathlib import Path

from steerlm_operator.local.ending import exit_code
from steerlm_operator.local.errors import LocalError
from steerlm_operator.local.runner import run_here
from tests.scenario.runs import a_run

PROGRAM = (sys.executable, str(Path(__file__).with_name("stand_in_jobs.py")))


def main(root: Path) -> int:
    run = a_run(defaults={"retry": {"backoffSeconds": 0}})
    try:
        return exit_code(run_here(run, root, lambda *_: None, PROGRAM))
    except LocalError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
