"""A page that shows what a board forecasts now: one file without network or script, which loads itself again.

Forecasts are numbered as they are heard; each is drawn from its number on, one sample being the distance between two.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path

from edgekd import __version__
from edgekd.report.axes import scale
from edgekd.report.formatting import plural
from edgekd.report.page import NARROW, WIDE, environment
from edgekd.report.svg import Chart, Line, path
from edgekd.run import write_atomic

KEPT = 400
"""Forecasts that the page remembers."""
DRAWN = 8
"""Earlier ones that are drawn whole, among them the oldest."""
RELOAD_S = 2
LEAST_S = 0.5
"""The page is not written more often."""


@dataclass
class LivePage:
    """What was heard so far. `title`, `about`: what board and model; `order_name`: what a sample is."""

    file: Path
    title: str
    about: tuple[str, ...] = ()
    unit: str = ""
    order_name: str = "sample"
    heard: int = 0
    forecasts: list[list[float]] = field(default_factory=list)
    message: str = ""
    _due: float = 0.0
    _fresh: bool = True

    def hear(self, values: list[float], text: str) -> None:
        """Take a line: the values of a forecast, or none and what else the board said."""
        if values:
            self.heard += 1
            self.forecasts = [*self.forecasts, values][-KEPT:]
        else:
            self.message = text
        self._fresh = True

    def write(self, *, now: bool = False) -> None:
        """Write the page when there is news, at most every LEAST_S unless `now`."""
        if self._fresh and (now or time.monotonic() >= self._due):
            write_atomic(self.file, self.render())
            self._fresh = False
            self._due = time.monotonic() + LEAST_S

    def render(self) -> str:
        """The page as text."""
        charts = [live_chart(self, width) for width in (WIDE, NARROW)] if self.forecasts else []
        return environment().get_template("live.html.j2").render(
            page=self, charts=charts, latest=self.forecasts[-1] if self.forecasts else [], version=__version__,
            reload_s=RELOAD_S, at=time.strftime("%H:%M:%S"), plural=plural,
        )  # fmt: skip


def live_chart(page: LivePage, width: int) -> Chart:
    """The latest forecast, a few before it, and what each expected next."""
    left, right, top, bottom = 74.0, width - 14.0, 16.0, 330.0
    first = page.heard - len(page.forecasts) + 1
    step = max(1, (len(page.forecasts) - 1) // DRAWN)
    earlier = range(0, len(page.forecasts) - 1, step)
    latest = len(page.forecasts) - 1
    ends = [first, *(first + n + len(page.forecasts[n]) - 1 for n in (*earlier, latest))]
    x = scale(ends, left, right, margin=0.02)
    y = scale(
        [v for n in (*earlier, latest) for v in page.forecasts[n]] + [one[0] for one in page.forecasts], bottom, top
    )

    def line(n: int, css: str) -> Line:
        points = [(x(first + n + i), y(value)) for i, value in enumerate(page.forecasts[n])]
        return Line(path=path(points), css=css, title=f"forecast {first + n}")

    expected = path((x(first + n), y(one[0])) for n, one in enumerate(page.forecasts))
    return Chart(
        width=width, height=int(bottom + 52), left=left, right=right, top=top, bottom=bottom,
        x_name=f"{page.order_name}s since listening began", y_name=page.unit,
        x_ticks=x.ticks(8 if width == WIDE else 4), y_ticks=y.ticks(6),
        lines=[*(line(n, "second") for n in earlier), Line(path=expected, css="measured", title="expected next"),
               line(latest, "first")],
        alt=f"Forecast {page.heard}: from {page.forecasts[-1][0]:.6g} to {page.forecasts[-1][-1]:.6g} {page.unit}.",
    )  # fmt: skip
