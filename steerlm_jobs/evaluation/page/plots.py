"""The drawings of the report: steering, length, intervals, curves, histograms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.contract.evaluation import LevelRow
from steerlm_jobs.contract.gates import MetricValue
from steerlm_jobs.evaluation.page.axes import Frame, axis_title, grid, round_ticks
from steerlm_jobs.evaluation.page.svg import drawing, element, path


@dataclass(frozen=True, slots=True)
class Line:
    """One scorer's view in a steering plot."""

    name: str
    style: str
    """Its CSS class: colour and dashes."""
    levels: tuple[LevelRow, ...]
    has_band: bool = True


@dataclass(frozen=True, slots=True)
class Curve:
    """A training curve."""

    train: tuple[tuple[float, float], ...]
    """(step, loss)."""
    validation: tuple[tuple[float, float], ...]
    best_step: float | None


def steering_plot(attribute: Attribute, lines: Sequence[Line]) -> Markup:
    """Return requested level against measured level, with the diagonal that perfection would be."""
    levels = list(range(attribute.min, attribute.max + 1))
    margin = 0.04 * (attribute.max - attribute.min)
    lows = [row.lower for line in lines for row in line.levels]
    highs = [row.upper for line in lines for row in line.levels]
    span = (min([attribute.min, *lows]) - margin, max([attribute.max, *highs]) + margin)
    frame = Frame(300, 222, (attribute.min - 0.2, attribute.max + 0.2), span)
    ideal = [(frame.x(level), frame.y(level)) for level in (attribute.min, attribute.max)]
    ticks = levels if len(levels) <= 11 else round_ticks(attribute.min, attribute.max)
    drawn = grid(frame, ticks, ticks)
    drawn.append(element("path", class_="ideal", d=path(ideal)))
    drawn.append(axis_title(frame, "requested level"))
    for line in lines:
        drawn += _line(frame, line)
    return drawing(300, 222, f"{attribute.name}: requested against measured level", drawn)


def _line(frame: Frame, line: Line) -> list[Markup]:
    xs = [frame.x(row.level) for row in line.levels]
    drawn = []
    if line.has_band and len(xs) > 1:
        upper = [(x, frame.y(r.upper)) for x, r in zip(xs, line.levels, strict=True)]
        lower = [(x, frame.y(r.lower)) for x, r in zip(xs, line.levels, strict=True)]
        band = path([*upper, *reversed(lower)], is_closed=True)
        drawn.append(element("path", class_=f"band {line.style}", d=band))
    middle = [(x, frame.y(row.mean)) for x, row in zip(xs, line.levels, strict=True)]
    drawn.append(element("path", class_=f"line {line.style}", d=path(middle)))
    for (x, y), row in zip(middle, line.levels, strict=True):
        trained = "" if row.is_trained else " (hardly trained)"
        said = (
            f"{line.name}: asked {row.level}{trained}, measured {row.mean:.2f}"
            f" [{row.lower:.2f}, {row.upper:.2f}], {row.num_prompts} prompts"
        )
        style = f"dot {line.style}" + ("" if row.is_trained else " hollow")
        drawn.append(element("circle", element("title", said), class_=style, cx=x, cy=y, r=4.0))
    return drawn


def length_plot(levels: Sequence[LevelRow]) -> Markup:
    """Return the mean number of words per level, as bars with their numbers."""
    width, height, base = 300.0, 84.0, 62.0
    longest = max([row.mean_words for row in levels] + [1.0])
    slot = (width - 50) / max(len(levels), 1)
    drawn = []
    for place, row in enumerate(levels):
        tall = row.mean_words / longest * 44
        x, bar = 38 + slot * (place + 0.5), min(36.0, slot * 0.62)
        drawn.append(
            element(
                "path", class_="bar length", d=_rounded_bar(x - bar / 2, base, bar, max(tall, 0.5))
            )
        )
        words = f"{row.mean_words:.0f}" if row.mean_words >= 10 else f"{row.mean_words:.1f}"
        drawn.append(
            element("text", words, class_="value", x=x, y=base - tall - 5, text_anchor="middle")
        )
        drawn.append(
            element("text", str(row.level), class_="tick", x=x, y=base + 15, text_anchor="middle")
        )
    return drawing(width, height, "mean words per answer by requested level", drawn)


def interval_plot(metric: MetricValue, style: str) -> Markup:
    """Return a correlation with its interval on a track from -1 to 1."""
    frame = Frame(200, 22, (-1, 1), (0, 1), left=8, right=8, top=0, bottom=0)
    drawn = [
        element("line", class_="track", x1=frame.x(-1), x2=frame.x(1), y1=11, y2=11),
        element("line", class_="zero", x1=frame.x(0), x2=frame.x(0), y1=4, y2=18),
    ]
    if metric.lower is not None and metric.upper is not None:
        ends = {"x1": frame.x(metric.lower), "x2": frame.x(metric.upper)}
        drawn.append(element("line", class_=f"range {style}", **ends, y1=11, y2=11))
    if metric.value is not None:
        drawn.append(
            element("circle", class_=f"dot {style}", cx=frame.x(metric.value), cy=11, r=5.0)
        )
    return drawing(200, 22, "correlation and its interval between -1 and 1", drawn)


def curve_plot(curve: Curve) -> Markup:
    """Return training loss per step, validation loss, and where it was best."""
    points = [*curve.train, *curve.validation]
    if not points:
        return Markup("")
    highest = sorted(y for _, y in points)[int(0.99 * (len(points) - 1))]
    low, high = min(y for _, y in points), max(highest, *(y for _, y in curve.validation or points))
    room = 0.06 * (high - low) or 0.5
    steps = max(x for x, _ in points)
    frame = Frame(460, 240, (0, steps), (max(0.0, low - room), high + room), left=46)
    y_ticks = round_ticks(*frame.y_span)
    drawn = [*grid(frame, round_ticks(0, steps), y_ticks), axis_title(frame, "step")]
    train = [(frame.x(x), frame.y(min(y, high + room))) for x, y in curve.train]
    drawn.append(element("path", class_="line raw", d=path(train)))
    smooth = [(frame.x(x), frame.y(min(y, high + room))) for x, y in _smoothed(curve.train)]
    drawn.append(element("path", class_="line apm", d=path(smooth)))
    checked = [(frame.x(x), frame.y(y)) for x, y in curve.validation]
    drawn.append(element("path", class_="line meter", d=path(checked)))
    for (x, y), (step, loss) in zip(checked, curve.validation, strict=True):
        is_best = step == curve.best_step
        said = f"step {step:g}: validation loss {loss:.4f}{' (best)' if is_best else ''}"
        style = "dot meter" + (" best" if is_best else "")
        drawn.append(
            element(
                "circle",
                element("title", said),
                class_=style,
                cx=x,
                cy=y,
                r=6.0 if is_best else 3.5,
            )
        )
    return drawing(460, 240, "training and validation loss by step", drawn)


def histogram_plot(before: Mapping[int, int], after: Mapping[int, int]) -> Markup:
    """Return the share of each level: people's labels beside the ones trained on."""
    levels = sorted({*before, *after})
    shares = [_shares(before, levels), _shares(after, levels)]
    top = max([*shares[0], *shares[1], 0.01])
    frame = Frame(300, 170, (-0.5, len(levels) - 0.5), (0, top), bottom=26)
    ticks = round_ticks(0, top, 4)
    drawn = []
    for tick in ticks:
        y = frame.y(tick)
        ends = {"x1": frame.left, "x2": frame.width - frame.right}
        drawn.append(element("line", class_="grid", **ends, y1=y, y2=y))
        text = f"{tick:.0%}"
        drawn.append(
            element("text", text, class_="tick", x=frame.left - 6, y=y + 3.5, text_anchor="end")
        )
    bar = min(26.0, (frame.width - frame.left - frame.right) / max(len(levels), 1) * 0.36)
    base = frame.y(0)
    for place, level in enumerate(levels):
        x = frame.x(place)
        pairs = (("human", before, -bar - 1), ("apm", after, 1.0))
        for (style, counts, offset), share in zip(pairs, shares, strict=True):
            tall = base - frame.y(share[place])
            if tall > 0:
                said = f"level {level}: {counts.get(level, 0):,} ({share[place]:.1%})"
                bar_path = _rounded_bar(x + offset, base, bar, tall)
                drawn.append(
                    element("path", element("title", said), class_=f"bar {style}", d=bar_path)
                )
        drawn.append(
            element("text", str(level), class_="tick", x=x, y=base + 15, text_anchor="middle")
        )
    return drawing(300, 170, "share of each level before and after annotation", drawn)


def _shares(counts: Mapping[int, int], levels: Sequence[int]) -> list[float]:
    total = sum(counts.values())
    return [counts.get(level, 0) / total if total else 0.0 for level in levels]


def _rounded_bar(x: float, base: float, width: float, height: float) -> str:
    """Return a bar whose upper corners are round."""
    r = min(4.0, width / 2, height)
    top = base - height
    return (
        f"M{x:.1f} {base:.1f}V{top + r:.1f}Q{x:.1f} {top:.1f} {x + r:.1f} {top:.1f}"
        f"H{x + width - r:.1f}Q{x + width:.1f} {top:.1f} {x + width:.1f} {top + r:.1f}"
        f"V{base:.1f}Z"
    )


def _smoothed(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return running means over a twentieth of the curve."""
    width = max(1, len(points) // 20)
    found = []
    for place in range(len(points)):
        window = points[max(0, place - width) : place + width + 1]
        found.append((points[place][0], sum(y for _, y in window) / len(window)))
    return found
