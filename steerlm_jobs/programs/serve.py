"""`serve`: the server of a model, from its address to SIGTERM."""

import argparse
from contextlib import ExitStack

from steerlm_jobs.programs.model_folder import model_folder


def serve(given: argparse.Namespace) -> None:
    """Serve the model at an address until asked to end.

    Raises:
        BadInputError: There is no model at the address, or it is damaged.
        BadConfigError: It is no model of ours, or the address to listen on cannot be had.
    """
    from steerlm_jobs.serve.served_model import ServedModel  # loads torch
    from steerlm_jobs.serve.serving import Address, serve_model

    with ExitStack() as stack:

        def load() -> ServedModel:
            folder = model_folder(given.model, given.digest, given.scratch)
            return ServedModel.load(stack.enter_context(folder))

        address = Address(given.host, given.port)
        serve_model(given.name, load, address, lambda url: print(f"serving {url}", flush=True))
