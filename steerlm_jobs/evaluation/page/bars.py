"""Bars: words per level, shares of levels before and after annotation, what became of samples."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from steerlm_jobs.contract.evaluation import LevelRow
from steerlm_jobs.evaluation.page.axes import Frame, level_ticks, round_ticks
from steerlm_jobs.evaluation.page.svg import drawing, element


def length_plot(attribute: str, levels: Sequence[LevelRow]) -> Markup:
    """Return the mean number of words per level, as bars with their numbers."""
    width, height, base = 300.0, 84.0, 62.0
    longest = max([row.mean_words for row in levels] + [1.0])
    slot = (width - 50) / max(len(levels), 1)
    shown = set(level_ticks([row.level for row in levels]))
    drawn = []
    for place, row in enumerate(levels):
        tall = max(row.mean_words / longest * 44, 0.5)
        x, bar = 38 + slot * (place + 0.5), min(36.0, slot * 0.62)
        said = element("title", f"level {row.level}: {row.mean_words:.1f} words")
        shape = _rounded_bar(x - bar / 2, base, bar, tall)
        drawn.append(element("path", said, class_="bar length", d=shape))
        if row.level in shown:
            drawn.append(_text(_short(row.mean_words), "value", x, base - tall - 5))
            drawn.append(_text(str(row.level), "tick", x, base + 15))
    words = ", ".join(f"{row.level} gives {row.mean_words:.1f}" for row in levels)
    label = f"{attribute}: mean words per answer by requested level. {words or 'nothing measured'}"
    return drawing(width, height, label, drawn)


def histogram_plot(attribute: str, before: Mapping[int, int], after: Mapping[int, int]) -> Markup:
    """Return the share of each level: the labels of the data beside those trained on."""
    levels = sorted({*before, *after})
    shares = [_shares(before, levels), _shares(after, levels)]
    top = max([*shares[0], *shares[1], 0.01])
    frame = Frame(300, 170, (-0.5, len(levels) - 0.5), (0, top), bottom=26)
    drawn = []
    for tick in round_ticks(0, top, 4):
        y = frame.y(tick)
        ends = {"x1": frame.left, "x2": frame.width - frame.right}
        drawn.append(element("line", class_="grid", **ends, y1=y, y2=y))
        drawn.append(_text(f"{tick:.0%}", "tick", frame.left - 6, y + 3.5, "end"))
    bar = min(26.0, (frame.width - frame.left - frame.right) / max(len(levels), 1) * 0.36)
    base, shown = frame.y(0), set(level_ticks(levels))
    for place, level in enumerate(levels):
        x = frame.x(place)
        pairs = (("human", before, -bar - 1), ("trained", after, 1.0))
        for (style, counts, offset), share in zip(pairs, shares, strict=True):
            tall = base - frame.y(share[place])
            if tall > 0:
                said = f"level {level}: {counts.get(level, 0):,} ({share[place]:.1%})"
                shape = _rounded_bar(x + offset, base, bar, tall)
                drawn.append(
                    element("path", element("title", said), class_=f"bar {style}", d=shape)
                )
        if level in shown:
            drawn.append(_text(str(level), "tick", x, base + 15))
    told = "; ".join(
        f"{level}: {before.get(level, 0):,} and {after.get(level, 0):,}" for level in levels
    )
    label = f"{attribute}: labels of the data, and labels trained on, by level. {told}"
    return drawing(300, 170, label, drawn)


def share_bar(parts: Sequence[tuple[str, str, int]], what: str) -> Markup:
    """Return one bar cut into parts.

    Args:
        parts: (style, name, count) from left to right.
        what: Of what the bar is the whole.
    """
    total = sum(count for _, _, count in parts)
    drawn, x = [element("rect", class_="rail", x=0, y=0, width=600, height=20)], 0.0
    for style, name, count in parts:
        width = 600 * count / total if total else 0.0
        if width:
            said = element("title", f"{name}: {count:,}")
            shown = {"x": x, "y": 0, "width": max(width - 1.5, 0.5), "height": 20}
            drawn.append(element("rect", said, class_=f"bar {style}", **shown))
        x += width
    told = ", ".join(f"{name} {count:,}" for _, name, count in parts)
    stretched = {"class_": "whole", "preserveAspectRatio": "none"}
    return drawing(600, 20, f"{what}: {told}", drawn, **stretched)


def _text(text: str, style: str, x: float, y: float, anchor: str = "middle") -> Markup:
    return element("text", text, class_=style, x=x, y=y, text_anchor=anchor)


def _short(words: float) -> str:
    return f"{words:.0f}" if words >= 10 else f"{words:.1f}"


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
