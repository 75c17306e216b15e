"""`python -m steerlm_jobs KIND --config FILE`, and the verbs of `--help`."""

import os
import sys


def _run() -> int:
    """Run the program that was asked for; return its exit code."""
    from steerlm_jobs.process.c_libraries import apply_settings
    from steerlm_jobs.process.credentials import take_credentials
    from steerlm_jobs.programs.arguments import trains_or_generates
    from steerlm_jobs.programs.logs import log_to_stderr
    from steerlm_jobs.programs.main import main

    if trains_or_generates(sys.argv[1:]):
        apply_settings()
    take_credentials(os.environ)
    log_to_stderr()
    return main(sys.argv[1:])


if __name__ == "__main__":
    try:
        code = _run()
    except KeyboardInterrupt:  # before, or without, a stop flag: while modules are loaded, say
        sys.stderr.write("stopped\n")
        code = 21  # ExitCode.INTERRUPTED, whose import may be what was interrupted
    sys.exit(code)
