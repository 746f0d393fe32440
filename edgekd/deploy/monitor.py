"""What a board says, line by line, as it comes."""

import math
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgekd.contracts.board import board_names, load_board
from edgekd.contracts.errors import BoardUnreachable
from edgekd.contracts.text import printable
from edgekd.deploy.device import Device
from edgekd.deploy.link import Link, open_link, verified
from edgekd.deploy.ports import find_port, list_ports
from edgekd.deploy.run_model import choose, chosen_on
from edgekd.program.package import load_model

MARKS = "▁▂▃▄▅▆▇█"
LARGEST_DRAWN = 1e300
_NUMBER = re.compile(r" *[-+]?[0-9]*\.?[0-9]{1,20}\.?(e[-+]?[0-9]{1,3})? *")


def listen(link: Link, seconds: float | None = None) -> Iterator[str]:
    """Lines that a board sends, until so many seconds have passed (None: for ever); "" when none came for a while."""
    end = None if seconds is None else time.monotonic() + seconds
    while end is None or time.monotonic() < end:
        line = link.line(time.monotonic() + 0.5 if end is None else min(end, time.monotonic() + 0.5))
        yield line or ""


def describe(line: str) -> str:
    """A forecast as a picture, a checked line without its checksum, a damaged one marked as such; safe to show."""
    values = numbers(line)
    if values:
        return f"forecast {values[0]:.6g} … {values[-1]:.6g}  {picture(values)}"
    if " *" in line:
        return printable(verified(line) or f"(damaged) {line}")
    return printable(line)


def numbers(line: str) -> list[float]:
    """The values of a line of finite numbers and commas, none for another line."""
    values = [float(text) if _NUMBER.fullmatch(text) else math.nan for text in line.split(",")]
    return values if all(map(math.isfinite, values)) else []


def picture(values: list[float]) -> str:
    """Finite values as a line of bars, at most 40."""
    shown = values[:: -(-len(values) // 40)]
    if max(map(abs, shown)) > LARGEST_DRAWN:  # or differences overflow
        shown = [value / 4 for value in shown]
    low, high = min(shown), max(shown)
    span = (high - low) or 1.0
    return "".join(MARKS[round((value - low) / span * (len(MARKS) - 1))] for value in shown)


@dataclass(frozen=True, kw_only=True)
class MonitoredBoard:
    """What is known of a board. about: candidate, port and target; order_name: what a sample is, as `cycle`."""

    title: str
    about: tuple[str, ...] = ()
    unit: str = ""
    order_name: str = "sample"


@contextmanager
def open_monitor(run: Path | None, port: str | None) -> Iterator[tuple[Link, MonitoredBoard]]:
    """Open the port of a board; with `run` also what is known of the model.

    BoardUnreachable when the board carries no model of that run.
    """
    if run is None:
        if port is None:
            raise BoardUnreachable("monitor has to know the port, or the run", hint="as in --port /dev/ttyACM0")
        link = open_link(port)
        board = MonitoredBoard(title=port)
    else:
        serial_port = find_port(choose(run).board, list_ports(), [load_board(name) for name in board_names()], port)
        link = open_link(serial_port.device)
        board = _describe_board(link, run)
    try:
        yield link, board
    finally:
        link.close()


def _describe_board(link: Link, run: Path) -> MonitoredBoard:
    device = Device(link)
    chosen = chosen_on(device, [run])
    return MonitoredBoard(
        title=f"{device.about.name} on {chosen.board.title}",
        about=(device.about.candidate, link.device, chosen.config.task.column),
        unit=str(load_model(chosen.model).preprocess["target_unit"]),
        order_name=chosen.config.data.order,
    )
