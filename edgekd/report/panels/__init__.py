"""What a report shows of the answers of its task. A task's panel is a module beside this one, with a template."""

from edgekd.report.panels import classify, estimate, forecast, remaining
from edgekd.report.panels.panel import TaskPanel

__all__ = ["PANELS", "TaskPanel"]

PANELS: dict[str, TaskPanel] = {
    "forecast": forecast.PANEL,
    "estimate": estimate.PANEL,
    "classify": classify.PANEL,
    "remaining": remaining.PANEL,
}
"""Panels by kind of task."""
