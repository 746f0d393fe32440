"""A page that shows what a board forecasts now: one file without network or script, which loads itself again.

Forecasts are numbered as they are heard; each is drawn from its number on, one sample being the distance between two.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup

from edgekd import __version__
from edgekd.report.matplotlib_series import live_panel
from edgekd.report.templating import environment
from edgekd.run import write_atomic

KEPT = 400
"""Forecasts that the page remembers."""
DRAWN = 8
"""Earlier forecasts that are drawn whole, among them the oldest."""
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
        return environment().get_template("live.html.j2").render(
            page=self, chart=self.chart() if self.forecasts else None, version=__version__, reload_s=RELOAD_S,
            latest=self.forecasts[-1] if self.forecasts else [], at=time.strftime("%H:%M:%S"),
        )  # fmt: skip

    def chart(self) -> Markup:
        """The latest forecast and DRAWN earlier ones, among them the oldest that is remembered."""
        latest = len(self.forecasts) - 1
        step = max(1, latest // DRAWN)
        drawn = [*range(0, latest, step), latest]
        labels = f"{self.order_name}s since listening began", self.unit
        return live_panel(self.forecasts, self.heard - latest, drawn, labels)
