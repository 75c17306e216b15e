"""What the page is given. Every part of it stands in some artifact."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.evaluation import Evaluation, ModelRole, Sweep
from steerlm_jobs.contract.gates import GateResult
from steerlm_jobs.evaluation.answers import MeasuredAnswer
from steerlm_jobs.evaluation.page.made import Made
from steerlm_jobs.evaluation.scorers import Scorer, ScorerKind


@dataclass(frozen=True, slots=True)
class PageFacts:
    """All that the page shows."""

    evaluation: Evaluation
    schema: Schema
    targets: Mapping[str, int]
    """The label of each attribute where another one is moved."""
    scorers: tuple[Scorer, ...]
    answers: Sequence[MeasuredAnswer]
    """The rows of samples.jsonl."""
    gates: tuple[GateResult, ...] = ()
    made: Made = field(default_factory=Made)
    notes: tuple[str, ...] = ()
    """What the evaluation itself warned of."""

    @property
    def previous_model(self) -> str:
        """The model before the last bootstrap iteration; empty if there was none."""
        roles = {model.role: model.name for model in self.evaluation.models}
        return roles.get(ModelRole.PREVIOUS, "")

    @property
    def notes_by_stage(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Return what each stage warned of, where it did, in the order of the work.

        What already stands among the warnings of the evaluation is not repeated.
        """
        own = tuple(line for line in self.notes if line not in self.evaluation.warnings)
        stages = [(one.source.stage, one.notes) for one in self.made.ancestors]
        return tuple((name, lines) for name, lines in (*stages, ("evaluate", own)) if lines)

    @property
    def num_prompts(self) -> int:
        """How many questions each model was asked."""
        return len({a.prompt_id for a in self.answers})

    def sweeps(self, attribute: str, *, model: str | None = None) -> tuple[Sweep, ...]:
        """Return an attribute's sweeps by those who measure just it, the most independent first.

        That is: the run's own meters, then other independent scorers, the labelling APM last.

        Args:
            attribute: Its name.
            model: Only those of this model.
        """
        own = self._own_scorers(attribute)
        found = [
            s
            for s in self.evaluation.sweeps
            if s.attribute == attribute and s.scorer in own and model in (None, s.model)
        ]
        is_rule = {name: kind is ScorerKind.RULE for name, kind in own.items()}
        return tuple(sorted(found, key=lambda s: (not s.is_independent, not is_rule[s.scorer])))

    def text_sweeps(self, attribute: str) -> tuple[Sweep, ...]:
        """Return the final model's sweeps by the built-in text meters."""
        own, final = self._own_scorers(attribute), self.evaluation.final_model
        return tuple(
            s
            for s in self.evaluation.sweeps
            if s.attribute == attribute and s.scorer not in own and s.model == final
        )

    def _own_scorers(self, attribute: str) -> dict[str, ScorerKind]:
        """Return who measures this attribute, not any text."""
        return {
            s.name: s.kind
            for s in self.scorers
            if s.attribute == attribute and s.kind is not ScorerKind.BUILT_IN
        }
