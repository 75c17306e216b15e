"""The steering plot: requested level against measured level, and the intervals of correlations."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.contract.evaluation import LevelRow
from steerlm_jobs.contract.gates import MetricValue
from steerlm_jobs.evaluation.page.axes import Frame, axis_title, grid, level_ticks
from steerlm_jobs.evaluation.page.series import mark
from steerlm_jobs.evaluation.page.svg import drawing, element, path

_WIDTH, _HEIGHT = 300, 222


@dataclass(frozen=True, slots=True)
class Line:
    """One scorer's view in a steering plot."""

    name: str
    style: str
    """Its CSS classes: colour and mark, and `earlier` of another model than the final one."""
    levels: tuple[LevelRow, ...]
    has_band: bool = True


def steering_plot(attribute: Attribute, lines: Sequence[Line]) -> Markup:
    """Return requested level against measured level, with the diagonal that perfection would be."""
    margin = 0.04 * (attribute.max - attribute.min)
    lows = [row.lower for line in lines for row in line.levels]
    highs = [row.upper for line in lines for row in line.levels]
    span = (min([attribute.min, *lows]) - margin, max([attribute.max, *highs]) + margin)
    frame = Frame(_WIDTH, _HEIGHT, (attribute.min - 0.2, attribute.max + 0.2), span)
    ideal = [(frame.x(level), frame.y(level)) for level in (attribute.min, attribute.max)]
    ticks = level_ticks(range(attribute.min, attribute.max + 1))
    drawn = grid(frame, ticks, ticks)
    drawn.append(element("path", class_="ideal", d=path(ideal)))
    drawn.append(axis_title(frame, "requested level"))
    for line in lines:
        drawn += _line(frame, line)
    label = f"{attribute.name}: measured level by requested level. {_told(reversed(lines))}"
    return drawing(_WIDTH, _HEIGHT, label, drawn)


def _told(lines: Iterable[Line]) -> str:
    """Return what the plot shows, in words."""
    return " ".join(
        f"{line.name}: "
        + (", ".join(f"{r.level} gives {r.mean:.2f}" for r in line.levels) or "nothing measured")
        + "."
        for line in lines
    )


def _line(frame: Frame, line: Line) -> list[Markup]:
    xs = [frame.x(row.level) for row in line.levels]
    drawn = []
    if line.has_band and len(xs) > 1:
        upper = [(x, frame.y(r.upper)) for x, r in zip(xs, line.levels, strict=True)]
        lower = [(x, frame.y(r.lower)) for x, r in zip(xs, line.levels, strict=True)]
        band = path([*upper, *reversed(lower)], is_closed=True)
        drawn.append(element("path", class_=f"band {line.style}", d=band))
    middle = [(x, frame.y(row.mean)) for x, row in zip(xs, line.levels, strict=True)]
    if middle:
        drawn.append(element("path", class_=f"line {line.style}", d=path(middle)))
    for (x, y), row in zip(middle, line.levels, strict=True):
        trained = "" if row.is_trained else " (hardly trained)"
        said = (
            f"{line.name}: asked {row.level}{trained}, measured {row.mean:.2f}"
            f" [{row.lower:.2f}, {row.upper:.2f}], {row.num_prompts} prompts"
        )
        style = line.style + ("" if row.is_trained else " hollow")
        radius = 3.0 if "earlier" in line.style else 4.5
        drawn.append(mark(style, x, y, radius, element("title", said)))
    return drawn


def interval_plot(metric: MetricValue, style: str, what: str) -> Markup:
    """Return a correlation with its interval on a track from -1 to 1."""
    frame = Frame(200, 22, (-1, 1), (0, 1), left=8, right=8, top=0, bottom=0)
    drawn = [
        element("line", class_="track", x1=frame.x(-1), x2=frame.x(1), y1=11, y2=11),
        element("line", class_="zero", x1=frame.x(0), x2=frame.x(0), y1=3, y2=19),
    ]
    if metric.lower is not None and metric.upper is not None:
        ends = {"x1": frame.x(metric.lower), "x2": frame.x(metric.upper)}
        drawn.append(element("line", class_=f"range {style}", **ends, y1=11, y2=11))
    if metric.value is not None:
        drawn.append(mark(style, frame.x(metric.value), 11.0, 5.0))
    span = "" if metric.value is None else " between -1 and 1"
    return drawing(200, 22, f"{what}: {interval_text(metric)}{span}", drawn)


def interval_text(metric: MetricValue) -> str:
    """Return `0.93 [0.90, 0.95]`, or that there is nothing to tell."""
    if metric.value is None:
        return "not measurable"
    if metric.lower is None or metric.upper is None:
        return two_digits(metric.value)
    return f"{two_digits(metric.value)} [{two_digits(metric.lower)}, {two_digits(metric.upper)}]"


def difference_text(metric: MetricValue) -> str:
    """Return `+0.10 [+0.02, +0.18]`, or a dash: of models that cannot be asked for a level."""
    if metric.value is None:
        return "\N{EN DASH}"
    if metric.lower is None or metric.upper is None:
        return _signed(metric.value)
    return f"{_signed(metric.value)} [{_signed(metric.lower)}, {_signed(metric.upper)}]"


def _signed(value: float) -> str:
    return f"{value:+.2f}" if round(value, 2) else "0.00"


def two_digits(value: float) -> str:
    """Return a number with two digits, and no minus before a zero."""
    return f"{round(value, 2) + 0.0:.2f}"
