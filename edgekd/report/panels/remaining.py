"""Remaining life: predicted against true life, along three series, and the error by what is left."""

from markupsafe import Markup

from edgekd.contracts.results import Report
from edgekd.report.formatting import errors_of
from edgekd.report.matplotlib_series import answers_panel, pairs_panel
from edgekd.report.panels.panel import TaskPanel
from edgekd.report.report_view import level_bars
from edgekd.report.templating import macro

TEMPLATE = "panels/remaining.html.j2"


def answers(report: Report) -> Markup:
    """All test windows, then three series, from well to worst."""
    if not report.chosen.pairs:
        return Markup()
    series = [
        (answered, answers_panel(report, answered, f"answers-{index}"))
        for index, answered in enumerate(report.chosen.answers)
    ]
    return macro(TEMPLATE, "answers", report, pairs_panel(report, "pairs"), series, errors_of(report))


def errors(report: Report) -> Markup:
    """Error by what is left, as a share of the life, and over series that never end."""
    levels = level_bars(report)
    return macro(TEMPLATE, "errors", report, levels, errors_of(report)) if levels else Markup()


PANEL = TaskPanel(title="Predicted against true life", answers=answers, errors=errors)
