"""SVG elements as safe markup: every attribute and text is escaped here, and only here."""

from collections.abc import Iterable

from markupsafe import Markup, escape

Number = int | float


def element(name: str, *children: str | Markup, **attributes: str | Number) -> Markup:
    """Return one element; `class_` and `text_anchor` become `class` and `text-anchor`."""
    written = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), _number(value))
        for key, value in attributes.items()
    )
    inner = Markup("").join(escape(child) for child in children)
    return Markup("<{}{}>{}</{}>").format(name, written, inner, name)


def drawing(
    width: Number, height: Number, label: str, children: Iterable[Markup], **attributes: str
) -> Markup:
    """Return a drawing that fills its place; `label` is what a screen reader says."""
    return element(
        "svg",
        *children,
        **attributes,
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label=label,
        xmlns="http://www.w3.org/2000/svg",
    )


def ornament(width: Number, height: Number, children: Iterable[Markup]) -> Markup:
    """Return a small drawing beside a text that says the same: screen readers pass it over."""
    return element(
        "svg",
        *children,
        class_="key",
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        aria_hidden="true",
        xmlns="http://www.w3.org/2000/svg",
    )


def path(points: Iterable[tuple[float, float]], *, is_closed: bool = False) -> str:
    """Return the `d` of straight lines through the points."""
    steps = [f"{'L' if i else 'M'}{x:.1f} {y:.1f}" for i, (x, y) in enumerate(points)]
    return " ".join(steps) + ("Z" if is_closed else "")


def _number(value: str | Number) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
