"""Forecasts: what was measured and what was forecast of three groups, and the error of each step ahead."""

from markupsafe import Markup

from edgekd.contracts.results import Report
from edgekd.report.formatting import errors_of
from edgekd.report.matplotlib_series import forecast_panel, horizon_panel
from edgekd.report.panels.panel import TaskPanel
from edgekd.report.templating import macro

TEMPLATE = "panels/forecast.html.j2"


def answers(report: Report) -> Markup:
    """Three groups, from well to worst."""
    examples = [
        (example, *forecast_panel(report, example, f"forecast-{index}"))
        for index, example in enumerate(report.chosen.forecasts)
    ]
    return macro(TEMPLATE, "answers", report, examples, errors_of(report)) if examples else Markup()


def errors(report: Report) -> Markup:
    """Error by step ahead."""
    return macro(TEMPLATE, "errors", horizon_panel(report, "horizon")) if report.horizon > 1 else Markup()


PANEL = TaskPanel(title="Forecasts against measurement", answers=answers, errors=errors)
