"""A stage whose result exists already ends at once, with the digest that is there."""

from pathlib import Path

from steerlm_jobs.contract.config import StageConfig, StageInput, artifact_uri
from steerlm_jobs.contract.errors import ExitCode
from steerlm_jobs.contract.gates import GateResult, decide_gates
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.manifest import Digest
from steerlm_jobs.contract.report import Report
from steerlm_jobs.store.artifacts import existing_seal
from steerlm_jobs.store.evaluations import read_evaluation


def cached_report(config: StageConfig, scratch: Path) -> Report | None:
    """Return the report of a result that is there; None: the stage has to run.

    prepare always runs: only its roots tell what its result is called.

    Raises:
        BadInputError: The result is there, and damaged.
    """
    if config.kind is StageKind.PREPARE:
        return None
    digest = existing_seal(config)
    if digest is None:
        return None
    return Report(
        exit_code=ExitCode.OK,
        fingerprint=config.fingerprint,
        digest=digest,
        is_cached=True,
        gates=_gates(config, digest, scratch),
    )


def _gates(config: StageConfig, digest: Digest, scratch: Path) -> tuple[GateResult, ...]:
    """Hold this run's gates against the figures of an evaluation that is there."""
    if config.kind is not StageKind.EVALUATE or not config.execution.gates:
        return ()
    own = StageInput(
        stage=config.stage,
        kind=config.kind,
        uri=artifact_uri(config.execution.prefix, config.kind, config.fingerprint),
        fingerprint=config.fingerprint,
        digest=digest,
    )
    return decide_gates(config.execution.gates, read_evaluation(own, scratch).metrics)
