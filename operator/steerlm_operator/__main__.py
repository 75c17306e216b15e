"""`python -m steerlm_operator`: the operator in a cluster."""

import asyncio
import sys

from steerlm_operator.handlers import run_operator

if __name__ == "__main__":
    sys.exit(asyncio.run(run_operator()))
