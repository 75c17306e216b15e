"""Which results of a run exist already: a walk over its graph, from what prepare has digested."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from steerlm_jobs.contract.config import PlannedStage, StageInput, artifact_uri
from steerlm_jobs.contract.fingerprint import stage_fingerprint
from steerlm_jobs.contract.gates import Gate, Outcome, decide_gates, outcomes
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.manifest import Digest, InputRef
from steerlm_jobs.store.artifacts import matching_seal
from steerlm_jobs.store.evaluations import read_evaluation


@dataclass(frozen=True, slots=True)
class Existing:
    """What was found, in graph order."""

    digests: tuple[Digest, ...]
    """Empty where there is no result made from results that exist themselves."""
    fingerprints: tuple[str, ...]
    """Of those that exist."""
    evaluation: StageInput | None

    def gates(self, gates: Sequence[Gate], scratch: Path) -> tuple[Outcome, ...]:
        """Hold gates against the evaluation that exists; empty if there is none.

        Raises:
            BadInputError: It is damaged.
        """
        if self.evaluation is None or not gates:
            return ()
        return outcomes(decide_gates(gates, read_evaluation(self.evaluation, scratch).metrics))


def existing_results(
    prefix: str, prepare: str, own: InputRef, graph: Sequence[PlannedStage]
) -> Existing:
    """Look for each result of the graph.

    Args:
        prefix: Address below which the artifacts lie.
        prepare: Stage id of prepare.
        own: prepare's result; an empty digest if it does not exist.
        graph: The later stages, inputs before those who read them.

    Raises:
        BadInputError: A manifest is damaged.
    """
    known, evaluation = {prepare: own}, None
    for planned in graph:
        inputs = {stage: known[stage] for stage in planned.inputs}
        fingerprint = stage_fingerprint(
            planned.recipe, {stage: ref.fingerprint for stage, ref in inputs.items()}, planned.salt
        )
        uri = artifact_uri(prefix, planned.recipe.kind, fingerprint)
        is_complete = all(ref.digest for ref in inputs.values())
        digest = (matching_seal(uri, inputs) if is_complete else None) or ""
        known[planned.stage] = InputRef(fingerprint=fingerprint, digest=digest)
        if planned.recipe.kind is StageKind.EVALUATE and digest:
            evaluation = StageInput(
                stage=planned.stage,
                kind=StageKind.EVALUATE,
                uri=uri,
                fingerprint=fingerprint,
                digest=digest,
            )
    found = [known[planned.stage] for planned in graph]
    return Existing(
        digests=tuple(ref.digest for ref in found),
        fingerprints=tuple(ref.fingerprint for ref in found if ref.digest),
        evaluation=evaluation,
    )
