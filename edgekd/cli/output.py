"""What commands print: lines and tables for people, JSON for programs."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from edgekd.contracts.text import printable_lines

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgekd.contracts.results import FrontPoint


def say(text: str) -> None:
    """Print lines for people on standard output, safe to show."""
    print(printable_lines(text), flush=True)


def show_tables(tables: Iterable["RenderableType"]) -> None:
    """Print rich tables, one after another. Names in them are text: no markup, no escape sequences."""
    from rich.console import Console
    from rich.segment import Segment, Segments

    console = Console(markup=False, emoji=False)
    for table in tables:
        safe = [Segment(printable_lines(text), style) for text, style, control in console.render(table) if not control]
        console.print(Segments(safe), end="")


def print_result(value: Any, as_json: bool, for_people: Callable[[], None]) -> None:
    """Print `value` as JSON, which keeps every name as it is, or call what prints it for people."""
    if as_json:
        print(json.dumps(value, indent=1, sort_keys=True))
    else:
        for_people()


def front_table(points: "Sequence[FrontPoint]") -> str:
    """Errors and measured costs of candidates, a line each; test errors where they are known.

    The error of values is their mean absolute one, that of classes the share of windows with another label.
    """
    tested = any(point.test for point in points)
    error = "MAE" if all(hasattr(point.val, "mae") for point in points) else "error"
    heads = f"{'name':<28} {f'val {error}':>10} " + (f"{f'test {error}':>10} " if tested else "")
    serials = list(dict.fromkeys(serial for point in points for serial in point.ms_on))
    boards = "".join(f" {f'ms on {serial}':>15}" for serial in serials)
    lines = [f"{heads}{'flash B':>8} {'RAM B':>7} {'ms':>8} {'uJ':>8}{boards}"]
    for point in points:
        costs = [getattr(point.measured, name, None) for name in ("flash_bytes", "ram_bytes", "ms", "energy_uj")]
        shown = ["-" if cost is None else f"{cost:.4g}" if cost < 1000 else f"{cost:.0f}" for cost in costs]
        test = f"{point.test.error:>10.4g} " if point.test else ""
        line = " ".join(text.rjust(width) for text, width in zip(shown, (8, 7, 8, 8), strict=True))
        line += "".join(f" {point.ms_on[serial]:>{max(15, len(serial) + 6)}.4g}" for serial in serials)
        lines.append(f"{point.name:<28} {point.val.error:>10.4g} {test}{line}")
    return "\n".join(lines)
