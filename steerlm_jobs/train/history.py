"""What training has been so far: losses, best step, what was skipped. Part of the checkpoint."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from steerlm_jobs.contract.errors import DivergedError

MAX_NON_FINITE_IN_A_ROW: Final = 3


@dataclass(slots=True)
class History:
    """Grows by one entry a step."""

    losses: list[float | None] = field(default_factory=list)
    """Mean loss of each step; None where it or its gradient was not finite."""
    gradient_norms: list[float | None] = field(default_factory=list)
    validation: list[tuple[int, float]] = field(default_factory=list)
    """(steps done, mean loss over all validation terms)."""
    best_step: int = 0
    """Steps done when the validation loss was smallest, or the quality, if there is one, was
    largest; 0: not validated yet."""
    num_tokens: int = 0
    quality: list[tuple[int, float]] = field(default_factory=list)
    """(steps done, mean quality of the answers), where checkpoints are chosen by that."""

    @property
    def step(self) -> int:
        """Steps done."""
        return len(self.losses)

    @property
    def needs_validation(self) -> bool:
        """True if steps were made since the last validation."""
        return self.step > 0 and all(step < self.step for step, _loss in self.validation[-1:])

    @property
    def skipped_steps(self) -> tuple[int, ...]:
        """Steps, counted from 1, that moved no weight."""
        return tuple(i + 1 for i, loss in enumerate(self.losses) if loss is None)

    def add_step(self, loss: float, gradient_norm: float, num_tokens: int) -> None:
        """Enter a step.

        Raises:
            DivergedError: It is the third in a row whose loss or gradient is not finite.
        """
        is_finite = math.isfinite(loss) and math.isfinite(gradient_norm)
        self.losses.append(loss if is_finite else None)
        self.gradient_norms.append(gradient_norm if is_finite else None)
        self.num_tokens += num_tokens
        if self.losses[-MAX_NON_FINITE_IN_A_ROW:] == [None] * MAX_NON_FINITE_IN_A_ROW:
            msg = (
                f"loss or gradient was not finite in steps {self.step - 2} to {self.step} "
                f"(loss {loss}, gradient norm {gradient_norm}); lower training.learningRate"
            )
            raise DivergedError(msg)

    def add_validation(self, loss: float, quality: float | None = None) -> bool:
        """Enter a validation; return True if it is the best so far. Ties go to the earlier.

        Args:
            loss: The smallest is best, unless there is a quality.
            quality: The largest is best.
        """
        if quality is None:
            is_best = math.isfinite(loss) and all(loss < old for _step, old in self.validation)
        else:
            is_best = math.isfinite(quality) and all(quality > old for _step, old in self.quality)
        if is_best:
            self.best_step = self.step
        if math.isfinite(loss):
            self.validation.append((self.step, loss))
        if quality is not None and math.isfinite(quality):
            self.quality.append((self.step, quality))
        return is_best

    def to_json(self) -> dict[str, Any]:  # Any: JSON
        """Return all fields; floats keep every bit."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "History":  # Any: JSON
        """Read what `to_json` wrote."""
        curves = {
            name: [(int(step), float(figure)) for step, figure in value.get(name, ())]
            for name in ("validation", "quality")
        }
        return cls(**{**value, **curves})
