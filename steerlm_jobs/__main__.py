"""`python -m steerlm_jobs KIND --config FILE`, and the verbs of `--help`."""

import os
import sys

from steerlm_jobs.process.c_libraries import apply_settings
from steerlm_jobs.process.credentials import take_credentials
from steerlm_jobs.programs.arguments import trains_or_generates
from steerlm_jobs.programs.logs import log_to_stderr
from steerlm_jobs.programs.main import main

if __name__ == "__main__":
    if trains_or_generates(sys.argv[1:]):
        apply_settings()
    take_credentials(os.environ)
    log_to_stderr()
    sys.exit(main(sys.argv[1:]))
