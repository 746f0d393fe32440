"""What a run found, for people: report.json, pages and pictures in a folder, and tables on the terminal."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekd.contracts.results import Report
from edgekd.run import write_atomic

if TYPE_CHECKING:
    from edgekd.report.comparison import RunComparison


def write(report: Report, folder: Path) -> None:
    """Write report.json, report.html, front.html, front.png and front.svg; equal reports give equal files."""
    from edgekd.report import matplotlib_front, plotly_page, report_page

    text = report.to_json()
    report = Report.parse_text(text)  # pages show what the file holds, in its order
    files = {
        "report.json": text.encode(),
        "report.html": report_page.render(report).encode(),
        "front.html": plotly_page.front_page(report).encode(),
        **matplotlib_front.front_pictures(report),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_atomic(folder / name, content)


def tables(report: Report, run: str = "RUN") -> list[Any]:
    """The report as rich renderables, one after another. run: the folder of the run, as commands take it."""
    from edgekd.report import terminal

    return terminal.tables(report, run)


def comparison_tables(comparison: "RunComparison") -> list[Any]:
    """A comparison as rich renderables, one after another."""
    from edgekd.report import terminal

    return terminal.comparison_tables(comparison)
