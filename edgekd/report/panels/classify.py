"""Classes: which are taken for which, how many of each are found, and the windows that were missed most confidently."""

from dataclasses import dataclass

from markupsafe import Markup

from edgekd.contracts.results import ClassificationScore, Report
from edgekd.report.formatting import per_cent
from edgekd.report.matplotlib_series import window_panel
from edgekd.report.panels.panel import TaskPanel
from edgekd.report.templating import macro

TEMPLATE = "panels/classify.html.j2"


@dataclass(frozen=True, kw_only=True)
class ConfusionRow:
    """Windows of one label by answer: counts, and each as a share of the row; recall in words."""

    label: str
    counts: tuple[int, ...]
    shares: tuple[float, ...]
    recall: str


def answers(report: Report) -> Markup:
    """The confusion matrix on test, and what it comes to."""
    score = report.chosen.test
    if not isinstance(score, ClassificationScore) or not score.confusion:
        return Markup()
    return macro(TEMPLATE, "answers", report, score, confusion_rows(report, score), precisions(score))


def errors(report: Report) -> Markup:
    """Windows that were answered wrongly with the most confidence."""
    windows = [
        (window, window_panel(window, f"hard-{index}")) for index, window in enumerate(report.chosen.hardest)
    ]  # fmt: skip
    return macro(TEMPLATE, "errors", report, windows) if windows else Markup()


def confusion_rows(report: Report, score: ClassificationScore) -> list[ConfusionRow]:
    """A row for each class."""
    rows = []
    for name, counts in zip(report.task.classes, score.confusion, strict=True):
        total = sum(counts)
        shares = tuple(count / total if total else 0.0 for count in counts)
        recall = per_cent(score.recalls[name]) if name in score.recalls else ""
        rows.append(ConfusionRow(label=name, counts=counts, shares=shares, recall=recall))
    return rows


def precisions(score: ClassificationScore) -> list[str]:
    """How many of the answers of each class are right, in words."""
    answered = [sum(column) for column in zip(*score.confusion, strict=True)]
    right = [score.confusion[i][i] for i in range(len(answered))]
    return [per_cent(r / n) if n else "" for r, n in zip(right, answered, strict=True)]


PANEL = TaskPanel(title="Answers against labels", answers=answers, errors=errors, wide=True)
