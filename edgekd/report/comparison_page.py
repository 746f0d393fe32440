"""comparison.html: one file that needs no network, as report.html."""

from edgekd.report.comparison import RunComparison
from edgekd.report.front_scene import FrontScene
from edgekd.report.matplotlib_front import front_panel
from edgekd.report.templating import environment


def render(comparison: RunComparison, scene: FrontScene) -> str:
    """Return the whole page as text; equal comparisons give equal pages. scene: of the same runs in the same order."""
    size = scene.measures[0]
    return environment().get_template("comparison.html.j2").render(
        comparison=comparison, form=scene.form, headline=headline(comparison, scene),
        simulated=any(run.simulated for run in comparison.runs),
        overlay=[front_panel(scene, measure, f"overlay-{measure}") for measure in scene.measures],
        panels=[
            (run, front_panel(scene, size, f"run-{index}", shown=[group]))
            for index, (run, group) in enumerate(zip(comparison.runs, scene.groups, strict=True))
        ],
    )  # fmt: skip


def headline(comparison: RunComparison, scene: FrontScene) -> str:
    """Which run dominates most, and which chosen candidate is best on test."""
    best = comparison.best
    tested = min(comparison.runs, key=lambda run: run.chosen_test_error)
    equal = [run.label for run in comparison.runs if run.hypervolume == best.hypervolume]
    first = f"{best.label} has the largest hypervolume" if len(equal) == 1 else f"{' and '.join(equal)} are equal"
    return (
        f"{first} ({best.hypervolume:.4f}). The lowest test error of a chosen candidate is "
        f"{scene.form(tested.chosen_test_error)}, by {tested.label} ({tested.chosen})."
    )
