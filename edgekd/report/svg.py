"""What a drawing is made of: lines, marks and words at coordinates; templates/chart.svg.j2 writes them down.

Colours are classes of the style sheet, which knows about dark screens and paper.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgekd.contracts.declarations import model_kinds
from edgekd.report.axes import Tick

SHAPES = {kind.name: kind.marker for kind in model_kinds().values()}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A straight reference line with a label."""

    x1: float
    y1: float
    x2: float
    y2: float
    css: str
    label: str
    title: str
    label_x: float
    label_y: float
    anchor: str = "start"


@dataclass(frozen=True, kw_only=True)
class Line:
    """`path` is an SVG path; `title` shows when pointed at."""

    path: str
    css: str
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One point. `ring`: drawn around the chosen one."""

    path: str
    css: str
    title: str
    x: float
    y: float
    ring: bool = False


@dataclass(frozen=True, kw_only=True)
class Note:
    """Text at a place."""

    x: float
    y: float
    text: str
    anchor: str = "start"
    css: str = ""


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A plot area left..right, top..bottom inside width x height, and what is in it. `alt` says what it shows.

    `caption`: what is known and lies outside the axes.
    """

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    x_name: str
    y_name: str
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    alt: str
    caption: str = ""
    rules: Sequence[Rule] = ()
    lines: Sequence[Line] = ()
    marks: Sequence[Mark] = ()
    notes: Sequence[Note] = ()


def path(points: Iterable[tuple[float, float | None]]) -> str:
    """A polyline with gaps where there is no value; a lone point becomes a dot."""
    text, pen_down = [], False
    for x, y in points:
        if y is None:
            pen_down = False
            continue
        text.append(f"{'L' if pen_down else 'M'}{x:.1f} {y:.1f}" + ("" if pen_down else "h0"))
        pen_down = True
    return "".join(text)


def dots(points: Iterable[tuple[float, float]]) -> str:
    """Every point by itself."""
    return "".join(f"M{x:.1f} {y:.1f}h0" for x, y in points)


def staircase(corners: Sequence[tuple[float, float]]) -> str:
    """What the front dominates lies above and to the right of this line."""
    return f"M{corners[0][0]:.1f} {corners[0][1]:.1f}" + "".join(f"H{x:.1f}V{y:.1f}" for x, y in corners[1:])


def shape(kind: str, x: float, y: float, r: float) -> str:
    """The mark of a kind of network, of about the radius r."""
    name = SHAPES.get(kind, "star")
    if name == "circle":
        return f"M{x - r:.1f} {y:.1f}a{r} {r} 0 1 0 {2 * r} 0a{r} {r} 0 1 0 {-2 * r} 0z"
    outlines: dict[str, list[tuple[float, float]]] = {
        "square": [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
        "triangle": [(0, -1.15), (1.1, 0.85), (-1.1, 0.85)],
        "diamond": [(0, -1.2), (1.2, 0), (0, 1.2), (-1.2, 0)],
        "pentagon": [(0, -1.15), (1.1, -0.35), (0.68, 0.93), (-0.68, 0.93), (-1.1, -0.35)],
        "hexagon": [(0, -1.15), (1, -0.58), (1, 0.58), (0, 1.15), (-1, 0.58), (-1, -0.58)],
        "cross": [
            (-0.4, -1.1), (0.4, -1.1), (0.4, -0.4), (1.1, -0.4), (1.1, 0.4), (0.4, 0.4), (0.4, 1.1), (-0.4, 1.1),
            (-0.4, 0.4), (-1.1, 0.4), (-1.1, -0.4), (-0.4, -0.4),
        ],
        "star": [(0, -1.3), (0.4, -0.4), (1.3, 0), (0.4, 0.4), (0, 1.3), (-0.4, 0.4), (-1.3, 0), (-0.4, -0.4)],
    }  # fmt: skip
    return "M" + "L".join(f"{x + r * dx:.1f} {y + r * dy:.1f}" for dx, dy in outlines[name]) + "z"
