"""Colors and marks, once for the style sheet, for matplotlib and for plotly."""

from collections.abc import Mapping
from dataclasses import dataclass

from edgekd.contracts.declarations import model_kinds

LIGHT: Mapping[str, str] = {
    "paper": "#ffffff", "panel": "#f6f7f9", "ink": "#17202a", "soft": "#5b6673", "line": "#dde1e6", "grid": "#e9ecf0",
    "accent": "#0b63b0", "good": "#10713a", "good-paper": "#e3f4e9", "bad": "#b3261e", "bad-paper": "#fdeae8",
    "warn": "#7a4b00", "warn-paper": "#fff1d6", "measured": "#8a939e", "teacher": "#7b4fa3", "other": "#7b4fa3",
    "run-0": "#0b63b0", "run-1": "#c2500a", "run-2": "#10805b", "run-3": "#7b4fa3", "run-4": "#8a6100",
    "run-5": "#b3266a", **{f"kind-{kind.name}": kind.color for kind in model_kinds().values()},
}  # fmt: skip
"""Also of print and of pictures in files. Names of one color here have one color in DARK, too."""
DARK: Mapping[str, str] = {
    "paper": "#12161b", "panel": "#1a2027", "ink": "#e8ecf0", "soft": "#9ba7b4", "line": "#303944", "grid": "#262e37",
    "accent": "#62aef2", "good": "#6fd394", "good-paper": "#15311f", "bad": "#ff8a80", "bad-paper": "#3c1a18",
    "warn": "#f3c067", "warn-paper": "#3a2b0f", "measured": "#77828e", "teacher": "#c19be6", "other": "#c19be6",
    "run-0": "#62aef2", "run-1": "#f59a5b", "run-2": "#4fc79a", "run-3": "#c19be6", "run-4": "#d9b44a",
    "run-5": "#f080b4", **{f"kind-{kind.name}": kind.dark_color for kind in model_kinds().values()},
}  # fmt: skip
RUN_COLORS = sum(name.startswith("run-") for name in LIGHT)
"""Further runs of a comparison repeat them."""


_MATPLOTLIB_MARKERS = {
    "circle": "o", "square": "s", "triangle": "^", "diamond": "D", "pentagon": "p", "hexagon": "h", "cross": "P",
    "star": "*",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class KindStyle:
    """How a kind of network is named and drawn. color: its name in the palette; shape: one of contracts' Marker."""

    label: str
    color: str
    shape: str

    @property
    def marker(self) -> str:
        """Matplotlib's name of the shape."""
        return _MATPLOTLIB_MARKERS[self.shape]

    @property
    def symbol(self) -> str:
        """Plotly's name of the shape."""
        return "triangle-up" if self.shape == "triangle" else self.shape


def kind_style(kind: str) -> KindStyle:
    """Style of a kind as its module declares it; kinds that this release does not know share a star."""
    declared = model_kinds().get(kind)
    if not declared:
        return KindStyle(label=kind, color="other", shape="star")
    return KindStyle(label=declared.label, color=f"kind-{kind}", shape=declared.marker)


def run_color(index: int) -> str:
    """Name of the color of the run at `index` of a comparison."""
    return f"run-{index % RUN_COLORS}"
