"""front.html and fronts.html: fronts to point at, zoom into and switch on and off by parts; one file, no network."""

import html
from collections.abc import Mapping, Sequence

from edgekd.contracts.results import Report
from edgekd.report.front_scene import COSTS, FrontScene, PointGroup, scene_of, scene_of_runs
from edgekd.report.importance import parameters
from edgekd.report.plotly_front import front_figure
from edgekd.report.plotly_style import PlotlyFigure
from edgekd.report.search_history import hypervolume_figure, importance_figure, parallel_figure
from edgekd.report.templating import environment


def front_page(report: Report) -> str:
    """front.html of one run; equal reports give equal pages."""
    scene = scene_of(report)
    search = PointGroup(label="hypervolume", color="accent", members=range(len(scene.candidates)))
    figures = {"fronts": front_figure(scene), "hypervolume": hypervolume_figure(scene, [search])}
    if parameters(scene.candidates):
        figures |= {"parallel": parallel_figure(scene), "importance": importance_figure(scene)}
    title, warnings = f"{report.name}: candidates of the search", ["simulated data"] * report.simulated
    return _render(title, figures, scene, back="report.html", warnings=warnings)


def fronts_page(reports: Mapping[str, Report], *, different: bool = False) -> str:
    """fronts.html of several runs by label; baselines and limits are drawn where all runs agree on them.

    different: the runs are not scored on the same data, and the page says so.
    """
    scene = scene_of_runs(reports)
    figures = {"fronts": front_figure(scene), "hypervolume": hypervolume_figure(scene, scene.groups)}
    warnings = ["simulated data"] * any(report.simulated for report in reports.values())
    warnings += ["different data"] * different
    return _render(" · ".join(reports), figures, scene, back="comparison.html", warnings=warnings)


def _render(
    title: str, figures: Mapping[str, PlotlyFigure], scene: FrontScene, *, back: str, warnings: Sequence[str]
) -> str:
    from plotly.offline import get_plotlyjs

    columns = figures["parallel"]["wide"]["xaxis"]["tickvals"] if "parallel" in figures else []
    texts = [_hover_text(description) for description in scene.descriptions]
    return environment().get_template("plotly.html.j2").render(
        title=title, back=back, outside=scene.far_text, warnings=warnings, plotly=get_plotlyjs(), names=list(figures),
        data={"figures": figures, "texts": texts}, candidates=len(scene.candidates), columns=len(columns),
        axes=[COSTS[measure].title for measure in scene.measures[:2]],
    )  # fmt: skip


def _hover_text(description: Sequence[str]) -> str:
    """What pointing at a candidate shows, as plotly takes it: lines of text, the first one bold."""
    name, *figures = map(html.escape, description)
    return "<br>".join([f"<b>{name}</b>", *figures])
