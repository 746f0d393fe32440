"""Interactive pages: what their figures hold, importance and hypervolume by hand, hostile names, older reports."""

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_examples import example, parsed, searched

from edgekd.contracts.results import Report, ReportedCandidate
from edgekd.pareto import dominated_share, front, reference_point, shares_over_time
from edgekd.report import write
from edgekd.report.comparison import compare, write_comparison
from edgekd.report.front_scene import COSTS, IMAGE, MODEL, cost_of, limits_of, measures_of, scene_of, space_of
from edgekd.report.importance import importance, parameters
from edgekd.report.plotly_page import front_page, fronts_page


def data_of(page: str) -> dict[str, Any]:
    """Figures and texts, as the page's script reads them."""
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found
    return dict(json.loads(found[1]))


def front_data(report: dict[str, Any]) -> dict[str, Any]:
    return data_of(front_page(Report.parse(report)))


def candidates(settings: list[dict[str, Any]]) -> list[ReportedCandidate]:
    some = Report.parse(example(candidates=len(settings))).candidates
    return [one.model_copy(update={"parameters": own}) for one, own in zip(some, settings, strict=True)]


def test_importance_by_hand() -> None:
    """Ranks 1 2 3 4 in groups {1, 2} and {3, 4}: 1 - (1 / 2) / (5 / 3) = 0.7; in {1, 4} and {2, 3}: below zero."""
    four = candidates([{"a": a, "b": b} for a, b in (("x", 1), ("x", 2), ("y", 2), ("y", 1))])
    assert importance(four, [0.1, 0.2, 0.3, 40.0]) == pytest.approx({"a": 0.7, "b": 0.0})
    assert list(importance(four, [0.1, 0.3, 0.4, 0.2])) == ["b", "a"]
    assert importance(four, [1.0, 1.0, 1.0, 1.0]) == {"a": 0.0, "b": 0.0}


def test_importance_is_low_for_noise_and_whole_for_what_decides() -> None:
    rng = random.Random(0)
    settings = [{"kind": rng.choice("abc"), "noise": rng.random(), "width": rng.choice([4, 8])} for _ in range(200)]
    found = importance(candidates(settings), [ord(str(one["kind"])) for one in settings])
    assert found["kind"] == 1.0 and found["noise"] < 0.06 and found["width"] < 0.06
    rising = importance(candidates([{"x": float(i)} for i in range(60)]), [float(i) for i in range(60)])
    assert 0.95 < rising["x"] < 1.0


def test_a_parameter_that_only_some_have_is_weighed_among_those() -> None:
    some = candidates(
        [{"kind": "liquid", "euler_steps": 1}] * 2 + [{"kind": "liquid", "euler_steps": 2}] * 2 + [{"kind": "mlp"}]
    )
    assert parameters(some)["euler_steps"] == [1, 1, 2, 2, None]
    assert importance(some, [1.0, 2.0, 3.0, 4.0, 0.0])["euler_steps"] == pytest.approx(0.7)


def test_older_reports_have_the_parameters_of_their_fields() -> None:
    found = parameters(Report.parse(example()).candidates)
    assert list(found) == ["kind", "hidden", "sparsity", "activation_bits"]
    assert set(front_data(example())["figures"]) == {"fronts", "hypervolume", "parallel", "importance"}


@given(st.lists(st.tuples(*[st.integers(1, 9)] * 3), min_size=1, max_size=12))
def test_the_course_of_the_volume_is_that_of_every_prefix(points: list[tuple[int, int, int]]) -> None:
    found = shares_over_time(points, (10.0, 10.0, 10.0))
    assert found == pytest.approx([dominated_share(points[:n], (10.0, 10.0, 10.0)) for n in range(1, len(points) + 1)])
    assert found == sorted(found)


def test_the_last_volume_is_that_of_the_comparison() -> None:
    a, b = Report.parse(searched()), Report.parse(example(candidates=9))
    found = compare({"a": a, "b": b})
    traces = data_of(fronts_page({"a": a, "b": b}))["figures"]["hypervolume"]["traces"]
    assert [trace["y"][-1] for trace in traces] == pytest.approx([run.hypervolume_3d for run in found.runs])
    spaces = [[space_of(one, IMAGE) for one in report.candidates] for report in (a, b)]
    assert reference_point(spaces) == pytest.approx((found.reference[1], found.reference[0], found.reference[2]))


def test_each_panel_links_the_front_of_its_own_axes() -> None:
    report = Report.parse(searched())
    figure = front_data(searched())["figures"]["fronts"]
    for panel, measure in enumerate(IMAGE):
        axis = f"x{panel + 1}" if panel else "x"
        [line] = [one for one in figure["traces"] if one.get("xaxis") == axis and one["mode"] == "lines"]
        points = [(cost_of(one, measure), one.val.mae) for one in report.candidates]
        assert list(zip(line["x"], line["y"], strict=True)) == [points[i] for i in front(points)]  # type: ignore[arg-type]
        shown = [one for one in figure["traces"] if one.get("xaxis") == axis and "customdata" in one]
        strong = {
            i for one in shown for i, o in zip(one["customdata"], one["marker"]["opacity"], strict=True) if o == 1
        }
        scene = scene_of(report)
        assert strong == {*scene.front(measure, scene.fronts[0]), *scene.chosen}
        assert sorted(i for one in shown for i in one["customdata"]) == list(range(16))


def test_pointing_shows_every_figure() -> None:
    report = searched()
    index = next(i for i, one in enumerate(report["candidates"]) if one["on_front"])
    one, text = report["candidates"][index], front_data(report)["texts"][index]
    native = one["measured"]
    assert one["name"] in text and "test MAE 0.00267" in text and "on the front" in text
    assert f"flash {native['flash_bytes']:,} bytes, RAM {native['ram_bytes']:,} bytes" in text
    assert f"{native['cycles']:,} cycles, {native['ms']:.3g} ms, {native['energy_uj']:.3g} µJ" in text
    assert f"{one['params']:,} parameters, {one['tflite_bytes']:,} bytes of .tflite" in text


def test_limits_are_lines_and_shades_near_the_candidates_and_words_elsewhere() -> None:
    report = Report.parse(searched())
    assert limits_of(report, "flash") == {"budget": 12_000, "board": 13_000}
    assert limits_of(report, "energy") == {} and limits_of(report, "tflite") == {}
    assert limits_of(Report.parse(example(native=False)), "tflite") == {"budget": 65_536}
    layout = front_data(searched())["figures"]["fronts"]["wide"]
    dotted = [one["x0"] for one in layout["shapes"] if one["line"].get("dash") == "dot"]
    shaded = [one["x0"] for one in layout["shapes"] if one["type"] == "rect"]
    assert dotted == [12_000, 1.3, 900] and shaded == [13_000, 262_144]
    words = [one["text"] for one in layout["annotations"]]
    assert "budget 12,000 bytes" in words and "board 262,144 bytes" not in words
    assert "board 262,144 bytes" in layout["xaxis3"]["title"]["text"]


def test_seconds_are_a_second_axis_only_where_all_are_known() -> None:
    report = searched()
    [menu] = front_data(report)["figures"]["hypervolume"]["wide"]["updatemenus"]
    assert menu["buttons"][1]["args"][0]["x"] == [[one["seconds"] for one in report["candidates"]]]
    assert len(front_data(report)["figures"]["hypervolume"]["wide"]["shapes"]) == 3
    report["candidates"][5]["seconds"] = 0.5  # another worker was faster
    assert front_data(report)["figures"]["hypervolume"]["traces"][0]["customdata"][:3] == [5, 0, 1]
    del report["candidates"][3]["seconds"]
    assert front_data(report)["figures"]["hypervolume"]["traces"][0]["customdata"] == list(range(16))
    assert "updatemenus" not in front_data(report)["figures"]["hypervolume"]["wide"]


def test_runs_without_measured_images_show_the_models_file() -> None:
    assert measures_of([Report.parse(example()), Report.parse(example(native=False))]) == MODEL
    found = front_data(example(native=False))["figures"]["fronts"]["wide"]
    assert [found[axis]["title"]["text"].partition("<")[0] for axis in ("xaxis", "xaxis2")] == [
        COSTS[measure].title for measure in MODEL
    ]
    assert "xaxis3" not in found


def test_a_comparison_draws_only_what_its_runs_agree_on() -> None:
    a, b = Report.parse(searched()), Report.parse(example())
    data = data_of(fronts_page({"a": a, "b": b}))
    shapes = data["figures"]["fronts"]["wide"]["shapes"]
    assert not [one for one in shapes if one["line"].get("dash") == "dot"]
    assert len(shapes) == 4 * 5  # four baselines and the teacher, the same in both
    assert len(data["texts"]) == 32 and data["texts"][16].startswith("<b>b: ")


def test_names_are_text_and_never_markup() -> None:
    evil = "</script><img src=x onerror=alert(1)>&\"'"
    report = searched(name=evil)
    report["candidates"][0] |= {"name": evil, "kind": evil}
    report["candidates"][1]["parameters"] = {evil: evil}
    report["chosen"]["name"] = evil
    for page in (front_page(Report.parse(report)), fronts_page(dict.fromkeys((evil, "b"), Report.parse(report)))):
        assert "<img" not in page and page.count("</script>") == 3
        drawn = json.dumps(data_of(page))
        assert "<img" not in drawn and "&lt;img" in drawn


@pytest.mark.parametrize("native", [True, False])
def test_one_candidate_and_nothing_but_zeros(tmp_path: Path, native: bool) -> None:
    report = example(candidates=1, native=native)
    write(Report.parse(report), tmp_path)
    page = (tmp_path / "front.html").read_text()
    assert set(data_of(page)["figures"]) == {"fronts", "hypervolume"} and "What mattered" not in page
    for one in [*report["candidates"], *report["baselines"].values(), report["teacher"]]:
        one |= {"val": {"mae": 0.0}}
        if one.get("measured"):
            one["measured"] |= {"flash_bytes": 0, "ram_bytes": 0, "ms": 0.0, "energy_uj": 0.0}
    assert data_of(front_page(Report.parse(report)))["figures"]["hypervolume"]["traces"][0]["y"] == [0.0]


def test_a_change_of_seconds_changes_no_other_page(tmp_path: Path) -> None:
    slower = searched()
    for one in slower["candidates"]:
        one["seconds"] *= 2
    write(Report.parse(searched()), tmp_path / "a")
    write(Report.parse(slower), tmp_path / "b")
    same = {
        name: (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
        for name in ("report.html", "front.png", "front.svg", "front.html")
    }
    assert same == {"report.html": True, "front.png": True, "front.svg": True, "front.html": False}


def test_pages_are_equal_for_equal_reports(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(Report.parse(searched()), tmp_path / name)
        write_comparison(parsed({"a": searched(), "b": example()}), tmp_path / name)
    for name in ("front.html", "fronts.html", "overlay.svg"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
