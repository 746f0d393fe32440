"""report.html: one file that needs no network, no script and no font of its own. Beside it lies front.html."""

import json

from edgekd.contracts.results import Report
from edgekd.report import formatting, report_view
from edgekd.report.front_scene import scene_of
from edgekd.report.matplotlib_front import front_panel
from edgekd.report.panels import PANELS
from edgekd.report.templating import environment

GROUPS_SHOWN = 12
"""Test groups that are not folded away."""


def render(report: Report) -> str:
    """Return the whole page as text; equal reports give equal pages."""
    panel = PANELS[report.task.kind]
    scene, rows = scene_of(report), report_view.score_rows(report)
    candidates = sorted(report.candidates, key=lambda candidate: (candidate.val.error, candidate.name))
    front = [candidate for candidate in candidates if candidate.on_front or candidate.name == report.chosen.name]
    groups = report_view.group_bars(report)
    headline, better = formatting.headline(report)
    return environment().get_template("report.html.j2").render(
        report=report, form=formatting.errors_of(report), headline=headline, better=better,
        tiles=report_view.tiles(report), rows=rows, whisker_val=report_view.whiskers(row.val for row in rows),
        whisker_test=report_view.whiskers(row.test for row in rows), front=front,
        dominated=[candidate for candidate in candidates if candidate not in front],
        kinds=sorted({candidate.kind for candidate in candidates}), outside=scene.far_text,
        fronts=[front_panel(scene, measure, f"front-{measure}") for measure in scene.measures],
        panel=panel, answers=panel.answers(report), errors=panel.errors(report), slices=report_view.slice_bars(report),
        groups=groups[:GROUPS_SHOWN], more_groups=groups[GROUPS_SHOWN:], ladder=report_view.ladder_bars(report),
        comparisons=report_view.comparison_rows(report), stages=report_view.stage_bars(report),
        config=json.dumps(report.config, indent=2, ensure_ascii=False, sort_keys=True),
    )  # fmt: skip
