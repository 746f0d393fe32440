"""Estimates: estimate and truth over time of three series, and the error by level of the truth."""

from markupsafe import Markup

from edgekd.contracts.results import Report
from edgekd.report.formatting import errors_of
from edgekd.report.matplotlib_series import answers_panel
from edgekd.report.panels.panel import TaskPanel
from edgekd.report.report_view import level_bars
from edgekd.report.templating import macro

TEMPLATE = "panels/estimate.html.j2"


def answers(report: Report) -> Markup:
    """Three series, from well to worst."""
    series = [
        (answered, answers_panel(report, answered, f"answers-{index}"))
        for index, answered in enumerate(report.chosen.answers)
    ]
    return macro(TEMPLATE, "answers", report, series, errors_of(report)) if series else Markup()


def errors(report: Report) -> Markup:
    """Error by level, its bias and its spread."""
    levels = level_bars(report)
    return macro(TEMPLATE, "errors", report, levels, errors_of(report)) if levels else Markup()


PANEL = TaskPanel(title="Estimates against the truth", answers=answers, errors=errors)
