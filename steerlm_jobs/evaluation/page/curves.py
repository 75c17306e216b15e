"""Training curves: loss of each step, and on held-out conversations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from steerlm_jobs.evaluation.page.axes import Frame, axis_title, grid, round_ticks
from steerlm_jobs.evaluation.page.series import mark
from steerlm_jobs.evaluation.page.svg import drawing, element, path

_WIDTH, _HEIGHT = 360, 210
_MAX_POINTS: Final = 600
"""A screen has no room for more; of longer curves every so many-th step is drawn."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A training curve."""

    train: tuple[tuple[float, float], ...]
    """(step, loss); steps without a finite loss are left out."""
    validation: tuple[tuple[float, float], ...]
    best_step: float | None

    @classmethod
    def from_json(cls, training: Mapping[str, Any]) -> "Curve":
        """Read a model's `training.json`."""
        losses = training.get("loss", [])
        train = [(i + 1.0, float(loss)) for i, loss in enumerate(losses) if loss is not None]
        validation = [(float(v["step"]), float(v["loss"])) for v in training.get("validation", [])]
        return cls(tuple(train), tuple(validation), training.get("bestStep"))

    @property
    def told(self) -> str:
        """What it shows, in words."""
        words = f"{len(self.train)} steps"
        if self.train:
            words += f", training loss from {self.train[0][1]:.3g} to {self.train[-1][1]:.3g}"
        best = dict(self.validation).get(self.best_step or 0.0)
        if best is not None:
            words += f", validation loss {best:.4g} at step {self.best_step:g}, which was kept"
        return words


def curve_plot(name: str, curve: Curve) -> Markup:
    """Return training loss per step, validation loss, and where it was best."""
    points = [*curve.train, *curve.validation]
    if not points:
        return Markup("")
    highest = sorted(y for _, y in points)[int(0.99 * (len(points) - 1))]
    low, high = min(y for _, y in points), max(highest, *(y for _, y in curve.validation or points))
    room = 0.06 * (high - low) or 0.5
    steps = max(x for x, _ in points)
    frame = Frame(_WIDTH, _HEIGHT, (0, steps), (max(0.0, low - room), high + room), left=46)
    y_ticks = round_ticks(*frame.y_span)
    drawn = [*grid(frame, round_ticks(0, steps), y_ticks), axis_title(frame, "step")]
    for style, line in (("raw", curve.train), ("train", _smoothed(curve.train))):
        placed = [(frame.x(x), frame.y(min(y, high + room))) for x, y in _thinned(line)]
        if placed:
            drawn.append(element("path", class_=f"line {style}", d=path(placed)))
    checked = [(frame.x(x), frame.y(y)) for x, y in curve.validation]
    if checked:
        drawn.append(element("path", class_="line validation", d=path(checked)))
    for (x, y), (step, loss) in zip(checked, curve.validation, strict=True):
        is_best = step == curve.best_step
        said = f"step {step:g}: validation loss {loss:.4f}{' (best)' if is_best else ''}"
        style = "validation" + (" best" if is_best else "")
        drawn.append(mark(style, x, y, 6.0 if is_best else 3.5, element("title", said)))
    return drawing(_WIDTH, _HEIGHT, f"{name}: {curve.told}", drawn)


def _smoothed(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return running means over a twentieth of the curve."""
    width = max(1, len(points) // 20)
    sums = [0.0]
    for _, y in points:
        sums.append(sums[-1] + y)
    found = []
    for place, (x, _) in enumerate(points):
        first, last = max(0, place - width), min(len(points), place + width + 1)
        found.append((x, (sums[last] - sums[first]) / (last - first)))
    return found


def _thinned(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    stride = -(-len(points) // _MAX_POINTS) or 1
    return [*points[::stride], *points[-1:]] if stride > 1 else points
