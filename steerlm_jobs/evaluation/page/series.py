"""How a scorer looks in every drawing: a colour, and a mark that tells it apart without colour."""

from collections.abc import Iterable
from typing import Final

from markupsafe import Markup

from steerlm_jobs.evaluation.page.svg import element, ornament, path

APM: Final = "apm"
INDEPENDENT: Final = ("one", "two", "three", "four")
"""Styles of independent scorers, in the order in which they are met; then again from the first."""

_MARKS: Final = {
    APM: ((-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)),
    "two": ((0.0, -1.15), (1.0, 0.75), (-1.0, 0.75)),
    "three": ((0.0, -1.2), (1.2, 0.0), (0.0, 1.2), (-1.2, 0.0)),
    "four": ((0.0, 1.15), (1.0, -0.75), (-1.0, -0.75)),
}
"""Corners of the mark of a style, in radii; a style without corners has a circle."""


def mark(style: str, x: float, y: float, radius: float, *texts: Markup) -> Markup:
    """Return the mark of a style; further words of `style` are further CSS classes."""
    corners = _MARKS.get(style.split()[0])
    if corners is None:
        return element("circle", *texts, class_=f"dot {style}", cx=x, cy=y, r=float(radius))
    points = ((x + radius * dx, y + radius * dy) for dx, dy in corners)
    return element("path", *texts, class_=f"dot {style}", d=path(points, is_closed=True))


def line_key(style: str) -> Markup:
    """Return a piece of a line with its mark, for a legend."""
    line = element("path", class_=f"line {style}", d="M1 7H25")
    return ornament(26, 14, (line, mark(style, 13.0, 7.0, 4.0)))


def plain_key(style: str) -> Markup:
    """Return a piece of a line without a mark."""
    return ornament(26, 14, (element("path", class_=style, d="M1 7H25"),))


def square_key(style: str) -> Markup:
    """Return a square, for the legend of bars."""
    shape = element("rect", class_=f"bar {style}", x=1, y=1, width=12, height=12, rx=3)
    return ornament(14, 14, (shape,))


def styles(scorers: Iterable[tuple[str, bool]]) -> dict[str, str]:
    """Return the style of each scorer, given its name and whether it is independent."""
    found: dict[str, str] = {}
    num_independent = 0
    for name, is_independent in scorers:
        if name in found:
            continue
        if is_independent:
            found[name] = INDEPENDENT[num_independent % len(INDEPENDENT)]
            num_independent += 1
        else:
            found[name] = APM
    return found
