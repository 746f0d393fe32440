"""What a run found, for people: report.json, pages and pictures in a folder, and tables on the terminal."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekd.run import write_atomic

if TYPE_CHECKING:
    from edgekd.report.comparison import RunComparison


def write(report: dict[str, Any], folder: Path) -> None:
    """Write report.json, report.html, front.html, front.png and front.svg; equal reports give equal files.

    DataError lists what is missing or not finite; then nothing is written.
    """
    from edgekd.report import matplotlib_front, plotly_page, report_page, schema

    checked = schema.parse(report)
    files = {
        "report.json": schema.canonical(report).encode(),
        "report.html": report_page.render(checked).encode(),
        "front.html": plotly_page.front_page(checked).encode(),
        **matplotlib_front.front_pictures(checked),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_atomic(folder / name, content)


def tables(report: dict[str, Any]) -> list[Any]:
    """The report as rich renderables, one after another. DataError as for `write`."""
    from edgekd.report import schema, terminal

    return terminal.tables(schema.parse(report))


def comparison_tables(comparison: "RunComparison") -> list[Any]:
    """A comparison as rich renderables, one after another."""
    from edgekd.report import terminal

    return terminal.comparison_tables(comparison)
