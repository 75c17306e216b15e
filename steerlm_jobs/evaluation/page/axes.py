"""Scales, ticks and grid of a plot."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from steerlm_jobs.evaluation.page.svg import element


@dataclass(frozen=True, slots=True)
class Frame:
    """The place of a plot within its drawing, and what its axes span."""

    width: float
    height: float
    x_span: tuple[float, float]
    y_span: tuple[float, float]
    left: float = 38.0
    right: float = 12.0
    top: float = 10.0
    bottom: float = 34.0

    def x(self, value: float) -> float:
        """Return the horizontal place of a value."""
        share = _share(value, self.x_span)
        return self.left + share * (self.width - self.left - self.right)

    def y(self, value: float) -> float:
        """Return the vertical place of a value; larger is higher."""
        share = _share(value, self.y_span)
        return self.height - self.bottom - share * (self.height - self.top - self.bottom)


def grid(frame: Frame, x_ticks: Sequence[float], y_ticks: Sequence[float]) -> list[Markup]:
    """Return hairlines at the y ticks and the numbers of both axes."""
    bottom, right = frame.height - frame.bottom + 15, frame.width - frame.right
    drawn = []
    for tick in y_ticks:
        y = frame.y(tick)
        drawn.append(element("line", class_="grid", x1=frame.left, x2=right, y1=y, y2=y))
        drawn.append(_number(tick, frame.left - 7, y + 4, "end"))
    drawn += [_number(tick, frame.x(tick), bottom, "middle") for tick in x_ticks]
    return drawn


def _number(tick: float, x: float, y: float, anchor: str) -> Markup:
    return element("text", tick_text(tick), class_="tick", x=x, y=y, text_anchor=anchor)


def axis_title(frame: Frame, text: str) -> Markup:
    """Return the name of the x axis, below its numbers."""
    middle = (frame.left + frame.width - frame.right) / 2
    return element("text", text, class_="axis", x=middle, y=frame.height - 2, text_anchor="middle")


def round_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return about `count` round numbers that lie within the span."""
    if high <= low:
        return [low]
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [step * i for i in range(first, last + 1)]


def level_ticks(levels: Sequence[int], count: int = 11) -> list[int]:
    """Return the levels that a plot has room to name: all, or about `count` of them."""
    return list(levels[:: -(-len(levels) // count) or 1])


def tick_text(value: float) -> str:
    """Return a number as short as a reader needs it."""
    if abs(value) >= 10_000:
        return f"{value / 1000:g}k"
    return f"{value:.3g}"


def _share(value: float, span: tuple[float, float]) -> float:
    low, high = span
    return (value - low) / (high - low) if high > low else 0.5
