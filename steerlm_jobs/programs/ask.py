"""`ask`: what a model answers under given labels, and what it answers under others."""

import argparse
import json

from steerlm_jobs.programs.model_folder import model_folder


def print_answers(given: argparse.Namespace) -> None:
    """Print one answer, and a second one if labels to compare with are given.

    Raises:
        BadInputError: There is no model at the address, or it is damaged.
        BadConfigError: A label is unknown, out of range or not the caller's to set.
    """
    asked = [dict(given.set), *([dict(given.against)] if given.against else [])]
    with model_folder(given.uri) as folder:
        from steerlm_jobs.generate.ask import answer  # loads torch: only once there is a model

        for labels in asked:
            found = answer(folder, given.prompt, labels, max_new_tokens=given.max_new_tokens)
            if given.json:
                line = {
                    "asked": labels,
                    "labels": dict(found.labels),
                    "untrained": dict(found.untrained),
                    "answer": found.text,
                }
                print(json.dumps(line, ensure_ascii=False), flush=True)
            else:
                wanted = ", ".join(f"{name}={level}" for name, level in labels.items())
                print(f"[{wanted or 'target labels'}]\n{found.text}", flush=True)
                few = ", ".join(f"{name}={level}" for name, level in found.untrained.items())
                print(f"(too few training examples: {few})\n" if few else "", flush=True)
