"""The report: what it demands of report.json, what it says, and that equal reports give equal files."""

import copy
import json
import math
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_examples import CELLS, Page, classified, estimated, example, life, printed, rendered, score

from edgekd.contracts.errors import DataError
from edgekd.contracts.results import Report
from edgekd.contracts.task import TASKS
from edgekd.report import formatting, report_page, tables, write
from edgekd.report.axes import Scale, scale, spread
from edgekd.report.front_scene import Measure, scene_of, split_references
from edgekd.report.matplotlib_front import LABEL_WIDTH, front_panel
from edgekd.report.matplotlib_series import (
    MOST_POINTS,
    answers_panel,
    forecast_panel,
    horizon_panel,
    pairs_panel,
    thinned,
    window_panel,
)
from edgekd.report.matplotlib_style import PANEL_HEIGHT, PANEL_WIDTH
from edgekd.report.palette import DARK, LIGHT
from edgekd.report.panels import PANELS


def test_files_are_written_and_equal_reports_give_equal_files(tmp_path: Path) -> None:
    report = example()
    write(Report.parse(report), tmp_path / "a" / "report")
    shuffled = dict(reversed(report.items())) | {"baselines": dict(reversed(report["baselines"].items()))}
    write(Report.parse(shuffled), tmp_path / "b")
    names = ["front.html", "front.png", "front.svg", "report.html", "report.json"]
    for name in names:
        assert (tmp_path / "a" / "report" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    assert json.loads((tmp_path / "b" / "report.json").read_text()) == Report.parse(report).to_dict()
    assert (tmp_path / "b" / "front.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == names
    ElementTree.parse(tmp_path / "b" / "front.svg")


def test_the_page_is_whole_in_itself_and_names_everything_a_reader_looks_for(tmp_path: Path) -> None:
    report = example()
    found = rendered(report)
    for _, attributes in found.tags:
        for name in ("src", "href", "action"):
            assert (attributes.get(name) or "#").startswith(("#", "data:", "front.html"))
    assert "script" not in {tag for tag, _ in found.tags}
    for name in [*report["baselines"], "teacher", *(one["name"] for one in report["candidates"]), *CELLS, "b2c7"]:
        assert name in found.text
    for words in ("Pareto front", "without recurrence", "DLNet student", "no int4 weights", "arm-none-eabi-gcc 12.2.1"):
        assert words in found.text
    assert "0.00258 [0.00232, 0.00289]" in found.text
    assert "ab" * 32 in found.text
    assert "simulated" not in found.text


def test_tables_have_headers_and_pictures_have_words() -> None:
    found = rendered(example())
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in found.tags if tag == "th")
    drawings = [attributes for tag, attributes in found.tags if tag == "svg"]
    assert all(one.get("aria-label") or one.get("aria-hidden") for one in drawings)
    labels = [one["aria-label"] for one in drawings if one.get("role") == "img"]
    assert len(labels) == 4 + 3 + 1
    levels = [int(tag[1]) for tag, _ in found.tags if tag in ("h1", "h2", "h3")]
    assert levels[0] == 1 and all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))


@pytest.mark.parametrize(
    ("test", "words", "better"),
    [
        (0.00258, "19 % lower than the best baseline, ridge (0.00320)", True),
        (0.00319, "equal to the best baseline, ridge", False),
        (0.00352, "10 % higher than the best baseline, ridge", False),
    ],
)
def test_the_headline_is_honest(test: float, words: str, better: bool) -> None:
    report = example()
    report["chosen"]["test"] = score(test)
    checked = Report.parse(report)
    assert words in formatting.headline(checked)[0] and formatting.headline(checked)[1] is better
    assert words in rendered(report).text
    classes = [attributes.get("class") for tag, attributes in rendered(report).tags if tag == "div"]
    assert ("verdict" if better else "verdict bad") in classes


def test_overlapping_intervals_are_said() -> None:
    report = example()
    assert "do not overlap" not in formatting.caveat(Report.parse(report))
    report["chosen"]["test"] = {"mae": 0.002, "interval": [0.0019, 0.0021]}
    assert "do not overlap" in formatting.caveat(Report.parse(report))


def test_simulated_data_is_called_so_everywhere(tmp_path: Path) -> None:
    simulated = example(simulated=True)
    found = rendered(simulated)
    assert found.text.count("simulated") >= 5
    assert "[simulated data]" in printed(simulated)
    write(Report.parse(simulated), tmp_path / "simulated")
    write(Report.parse(example()), tmp_path / "real")
    assert (tmp_path / "simulated" / "front.png").read_bytes() != (tmp_path / "real" / "front.png").read_bytes()


def test_a_pair_that_differs_fails_and_one_that_may_differ_does_not() -> None:
    report = example()
    assert rendered(report).text.count("FAIL") == 0
    assert "INFO" in rendered(report).text
    assert "PASS: 2 pairs of engines agree on 44,640 windows." in printed(report) and "INFO" not in printed(report)
    report["parity"]["twin_tflm"]["equal"] -= 1
    found = rendered(report)
    assert "FAIL" in found.text and "NumPy twin = TFLite-Micro differ" in found.text
    assert "FAIL" in printed(report)
    report["parity"]["twin_tflm"] |= {"windows": 0, "equal": 0}
    assert Report.parse(report).parity["twin_tflm"].verdict == "FAIL"


def test_names_are_text_and_never_markup() -> None:
    evil = "<img src=x onerror=alert(1)>&\"'"
    report = example(name=evil, target=f"{evil}[bold]", unit=evil)
    report["candidates"][0]["kind"] = report["chosen"]["by_group"][evil] = evil
    report["chosen"]["by_group"][evil] = {"error": 0.001, "windows": 1}
    report["chosen"]["forecasts"][0] |= {"group": evil, "label": evil}
    report["comparisons"][0] |= {"name": evil, "note": evil}
    report["config"]["data"]["order"] = evil
    report["hashes"][evil] = evil
    source = report_page.render(Report.parse(report))
    assert "<img" not in source and evil in Page(source).text
    assert evil in printed(report, width=400)


@pytest.mark.parametrize("native", [True, False])
def test_one_candidate_and_nothing_to_compare_with(tmp_path: Path, native: bool) -> None:
    report = example(candidates=1, native=native, comparisons=[], excluded=[], seconds={}, hashes={}, parity={})
    report["chosen"] |= {"by_group": {}, "forecasts": []}
    report["chosen"]["by_horizon"] = {"val": [None], "test": [None]}
    report["chosen"]["baseline_by_horizon"]["test"] = [None]
    del report["excluded"]
    write(Report.parse(report), tmp_path)
    assert "For comparison" not in rendered(report).text
    assert ("Cost on the board" in rendered(report).text) is native
    assert report["chosen"]["name"] in printed(report)


def test_long_names_and_many_groups(tmp_path: Path) -> None:
    report = example()
    long = "a_very_long_" * 12
    report["candidates"][0]["name"] = long
    report["chosen"] |= {"name": long}
    report["chosen"]["by_group"] = {f"{long}{i}": {"error": 0.001 * i, "windows": i} for i in range(300)}
    write(Report.parse(report), tmp_path)
    assert (tmp_path / "report.html").stat().st_size < 500_000
    assert max(map(len, printed(report, width=60).splitlines())) <= 60


def test_all_numbers_may_be_zero() -> None:
    report = example()
    zero = {"mae": 0.0, "interval": [0.0, 0.0]}
    for one in [*report["candidates"], report["teacher"], report["chosen"], *report["baselines"].values()]:
        one |= {"val": zero, "test": zero}
    for one in report["candidates"]:
        one["measured"] |= {"flash_bytes": 0}
    assert "equal to the best baseline" in rendered(report).text


PANELS_OF = {"forecast": example, "estimate": estimated, "classify": classified, "remaining": life}


def test_every_task_has_a_panel() -> None:
    assert set(PANELS) == set(TASKS) == set(PANELS_OF)


@pytest.mark.parametrize("kind", list(PANELS_OF))
def test_the_page_of_every_task_is_well_formed_and_speaks_its_language(kind: str) -> None:
    report = PANELS_OF[kind]()
    found = rendered(report)
    assert PANELS[kind].title in found.text and report["task"]["says"] in found.text
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in found.tags if tag == "th")
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert ("MAE" in found.text) is (kind != "classify")
    assert ("error rate" in found.text) is (kind == "classify")
    assert "nan" not in found.text.split() and "None" not in found.text.split()
    text = printed(report)
    assert report["task"]["says"] in " ".join(text.split())
    assert ("error rate" in text) is (kind == "classify")


def test_the_confusion_matrix_has_recall_and_precision_and_empty_classes() -> None:
    """Squat: 95 of 100 found, 95 of 109 answers right; rest: no window and no answer."""
    found = rendered(classified())
    assert "squat 95 5 95 %" in found.text and "precision" in found.text
    assert "87 % 86 % 93 %" in found.text
    assert "rest" in found.text and "balanced accuracy" in found.text.lower() and "96 % by majority" in found.text
    for window in classified()["chosen"]["hardest"]:
        assert f"{window['truth']}, taken for {window['answer']}" in found.text and window["series"] in found.text
    assert "Test error rate 7.7 %: 19 % lower than the best baseline, ridge (9.6 %)" in found.text


def test_errors_by_level_and_slice_stand_beside_the_best_baseline() -> None:
    found = rendered(estimated())
    assert "0.875 to 1 37 windows 0.00900" in found.text
    assert "By ambient_C" in found.text and "-20 ridge 0.05000 0.03100" in found.text
    assert "Root mean square error 0.02000; mean of estimate minus truth -0.00300" in found.text


def test_life_is_counted_in_samples_and_series_that_never_end_are_told_apart() -> None:
    found = rendered(life())
    assert "windows. , cycles, lower is better" in found.text
    assert "12.5 %" in found.text and "never end" in found.text and "0.40000" in found.text
    unbound = life()
    unbound["chosen"]["test"] |= {"bounded": None, "mape": None}
    assert "never end" not in rendered(unbound).text


def test_all_answers_are_drawn() -> None:
    report = Report.parse(estimated())
    answered = report.chosen.answers[0]
    drawing = ElementTree.fromstring(answers_panel(report, answered, "answers"))
    lines = sorted((path.attrib["d"] for path in drawing.iter("path")), key=lambda path: path.count("L"))[-2:]
    assert [line.count("L") for line in lines] == [len(answered.order) - 1] * 2
    marks = list(ElementTree.fromstring(pairs_panel(report, "pairs")).iter("use"))
    assert len(marks) == len(report.chosen.pairs)
    window = Report.parse(classified()).chosen.hardest[0]
    drawn = list(ElementTree.fromstring(window_panel(window, "hard")).iter("path"))
    assert sum(path.attrib["d"].count("L") == 99 for path in drawn) == len(window.samples)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_terminal_tables_fit(width: int) -> None:
    lines = printed(example(), width).splitlines()
    assert max(map(len, lines)) <= width
    assert not any("\x1b" in line for line in lines)
    front = [candidate["name"] for candidate in example()["candidates"] if candidate["on_front"]]
    assert 3 < len(front) < 16
    for name in front:
        assert any(line.startswith(name) for line in lines)
    assert f"and {16 - len(front)} dominated candidates" in " ".join(lines)


def test_the_terminal_ends_with_the_outcome_and_three_commands() -> None:
    lines = [line.rstrip() for line in printed(example(), 140).splitlines() if line.strip()]
    assert [line.split()[0] for line in lines[-7:-3]] == ["result", "Their", "cost", "parity"]
    assert lines[-7].endswith("19 % lower than the best baseline, ridge (0.00320).")
    assert "bytes of flash" in lines[-5] and "(emulated, arm-none-eabi-gcc 12.2.1 -O2)" in lines[-5]
    assert [command for command, _ in formatting.next_commands("RUN")] == [
        "edgekd report RUN --open",
        "edgekd flash RUN",
        "edgekd validate RUN",
    ]
    assert all(command in lines[at - 3] for at, (command, _) in enumerate(formatting.next_commands("RUN")))
    assert formatting.next_commands("my runs/a")[1][0] == "edgekd flash 'my runs/a'"
    unmeasured = printed(example(native=False), 120)
    assert "multiply-adds per forecast; not measured" in unmeasured


@pytest.mark.parametrize(
    "path",
    [
        "name", "teacher.val", "teacher.test.mae", "candidates.0.tflite_bytes", "candidates.3.float.val", "chosen.test",
        "chosen.by_horizon.test", "parity.twin_tflm.equal", "data.problems", "budget.flash_bytes",
        "baselines.ridge.test",
    ],
)  # fmt: skip
def test_a_missing_value_is_named_and_nothing_is_written(tmp_path: Path, path: str) -> None:
    report = example()
    *parents, last = path.split(".")
    section: Any = report
    for key in parents:
        section = section[int(key) if isinstance(section, list) else key]
    del section[last]
    with pytest.raises(DataError, match=f"{path}.*: required key is missing"):
        write(Report.parse(report), tmp_path / "report")
    with pytest.raises(DataError):
        tables(Report.parse(report))
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_named(value: float) -> None:
    report = example()
    report["candidates"][2]["val"]["interval"][1] = value
    report["anything"] = [{"else": value}]
    with pytest.raises(DataError, match=r"candidates\.2\.val\.interval\.1: .* not a finite") as caught:
        Report.parse(report)
    assert "anything.0.else" in str(caught.value) and caught.value.hint


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("candidates",), [], "candidates"),
        (("chosen", "name"), "gru99", "'gru99' is not among the candidates"),
        (("candidates", 1, "name"), "liquid4_w8a8_s00", "two have the same name"),
        (("candidates", 1, "macs"), "many", "candidates.1.macs"),
        (("candidates", 1, "macks"), 1, "candidates.1.macks: unknown key"),
        (("parity", "torch_onnx", "engines", 1), "abacus", "parity.torch_onnx.engines.1"),
        (("teacher", "val", "mae"), -0.1, "teacher.val.mae"),
        (("chosen", "forecasts", 0, "measured"), [1.0], "differ in length"),
        (("hashes",), {"table": object()}, "not JSON serializable"),
    ],
)
def test_values_that_make_no_sense_are_refused(path: tuple[Any, ...], value: Any, words: str) -> None:
    report = example()
    section: Any = report
    for key in path[:-1]:
        section = section[key]
    section[path[-1]] = value
    with pytest.raises(DataError, match=words):
        Report.parse(report)


def test_many_problems_are_cut_short() -> None:
    report = example()
    for one in report["candidates"]:
        del one["macs"], one["params"]
    with pytest.raises(DataError, match="and 20 more"):
        Report.parse(report)


def test_the_report_does_not_change_what_it_is_given(tmp_path: Path) -> None:
    report = example()
    before = copy.deepcopy(report)
    write(Report.parse(report), tmp_path)
    tables(Report.parse(report))
    assert report == before


def test_the_front_names_far_references_and_keeps_room_for_candidates() -> None:
    near, far = split_references([0.0024, 0.0030], {"ridge": 0.0032, "teacher": 0.0023, "persistence": 0.0114})
    assert list(near) == ["teacher", "ridge"] and list(far) == ["persistence"]
    scene = scene_of(Report.parse(example()))
    assert "persistence 0.01100" in scene.far_text and list(scene.near) == ["teacher", "ridge"]
    flash, energy = (svg_text(front_panel(scene, measure, measure)) for measure in ("flash", "energy"))
    assert "budget 65,536 bytes" in flash and "budget" not in energy
    inside = example(native=False, budget={"flash_bytes": 6_000, "ram_bytes": 1, "latency_ms": 1.0})
    drawn = front_panel(scene_of(Report.parse(inside)), "tflite", "front")
    assert "budget 6,000 bytes" in svg_text(drawn) and "to the right" not in svg_text(drawn)


def svg_text(drawing: str) -> str:
    return " ".join(ElementTree.fromstring(drawing).itertext())


def marks_of(drawing: str) -> dict[str, tuple[float, float]]:
    """Where each candidate's mark is, by its name."""
    groups = [group for group in ElementTree.fromstring(drawing).iter("g") if group.find("title") is not None]
    uses = [(str(group.findtext("title")).partition(",")[0], next(group.iter("use"))) for group in groups]
    return {name: (float(use.attrib["x"]), float(use.attrib["y"])) for name, use in uses}


@pytest.mark.parametrize("measure", ["flash", "energy"])
def test_every_mark_of_a_front_lies_where_its_figures_are(measure: Measure) -> None:
    """Positions in the SVG are those of cost and error, on axes that hold them all."""
    scene = scene_of(Report.parse(example()))
    marks = marks_of(front_panel(scene, measure, "front"))
    assert set(marks) == {candidate.name for candidate in scene.candidates}
    x, y = scene.cost_scale(measure), scene.error_scale()
    width, height = PANEL_WIDTH - 68 - LABEL_WIDTH, PANEL_HEIGHT - 62
    for candidate, cost in zip(scene.candidates, scene.costs(measure), strict=True):
        across, down = marks[candidate.name]
        assert across == pytest.approx(68 + x(cost) * width, abs=0.2)
        assert down == pytest.approx(12 + (1 - y(candidate.val.mae)) * height, abs=0.2)
        assert 68 <= across <= PANEL_WIDTH - LABEL_WIDTH and 12 <= down <= PANEL_HEIGHT - 50


def test_drawings_are_well_formed_in_colors_of_the_page_and_alone_with_their_names() -> None:
    report = Report.parse(example())
    scene = scene_of(report)
    drawings = [front_panel(scene, measure, f"front-{measure}") for measure in scene.measures]
    drawings += [horizon_panel(report, "horizon")]
    drawings += [forecast_panel(report, shown, f"forecast-{i}")[0] for i, shown in enumerate(report.chosen.forecasts)]
    ids: list[str] = []
    for drawing in drawings:
        svg = ElementTree.fromstring(drawing)
        assert svg.attrib["viewBox"].startswith("0 0 ") and "width" not in svg.attrib and svg.attrib["aria-label"]
        assert not re.findall(r"#[0-9a-f]{6}", drawing), "a color that does not change on dark screens"
        ids += [element.attrib["id"] for element in svg.iter() if "id" in element.attrib]
        references = re.findall(r"url\(#([^)]+)\)", drawing) + re.findall(r'href="#([^"]+)"', drawing)
        assert references and set(references) <= set(ids)
        assert len([element for element in svg.iter("text") if element.text]) > 6
    assert len(set(ids)) == len(ids)


def test_colors_of_one_name_in_the_light_are_of_one_name_in_the_dark() -> None:
    assert set(LIGHT) == set(DARK)
    pairs = {(LIGHT[name], DARK[name]) for name in LIGHT}
    assert len(pairs) == len(set(LIGHT.values()))


def test_forecasts_are_drawn_thinly_with_their_extremes_and_without_outliers() -> None:
    report = Report.parse(example())
    life = 40_000
    values: list[float | None] = [1.0 - 1e-6 * at for at in range(life)]
    values[777], values[20_000] = 9.0, None
    shown = report.chosen.forecasts[0].model_copy(update={"order": list(range(life)), "measured": values})
    drawing, caption = forecast_panel(report, shown, "forecast")
    assert caption == "1 outlier outside this axis."
    longest = max(ElementTree.fromstring(drawing).iter("path"), key=lambda path: len(path.attrib["d"]))
    assert MOST_POINTS / 2 < longest.attrib["d"].count("L") <= MOST_POINTS + 2
    labels = [element.text for element in ElementTree.fromstring(drawing).iter("text")]
    assert not any(label in ("2.0", "4.0", "8.0") for label in labels)
    kept = thinned([(at, value) for at, value in enumerate(values) if value is not None])
    assert (777, 9.0) in kept and len(kept) <= MOST_POINTS + 2


def test_a_gap_in_the_measurement_is_a_gap_in_the_line() -> None:
    report = Report.parse(example())
    order = [at for at in range(400) if not 150 <= at < 250]
    shown = report.chosen.forecasts[0].model_copy(update={"order": order, "measured": [1.0] * 300})
    drawing, _ = forecast_panel(report, shown, "forecast")
    longest = max(ElementTree.fromstring(drawing).iter("path"), key=lambda path: len(path.attrib["d"]))
    assert longest.attrib["d"].count("M") == 2


finite = st.floats(1e-9, 1e9)


@given(st.lists(finite, min_size=1, max_size=20), st.booleans(), st.integers(2, 9))
def test_scales_hold_their_values_and_ticks_lie_on_them(values: list[float], log: bool, most: int) -> None:
    one = scale(values, 10.0, 300.0, log_from=2.0 if log else math.inf)
    assert all(9.9 <= one(value) <= 300.1 for value in values)
    ticks = one.ticks(most)
    assert len(ticks) <= most
    assert all(9.9 <= tick.at <= 300.1 for tick in ticks)
    assert len({tick.label for tick in ticks}) == len(ticks)


def test_ticks_are_round_numbers() -> None:
    assert [tick.label for tick in Scale(low=0.0021, high=0.0034, start=0, end=1).ticks(7)] == [
        "0.0022", "0.0024", "0.0026", "0.0028", "0.0030", "0.0032", "0.0034",
    ]  # fmt: skip
    assert [tick.label for tick in Scale(low=900, high=70_000, start=0, end=1, log=True).ticks(6)] == [
        "1,000", "2,000", "5,000", "10,000", "20,000", "50,000",
    ]  # fmt: skip


@given(st.lists(st.floats(0, 100), min_size=1, max_size=6))
def test_labels_are_spread_and_stay_in_order(positions: list[float]) -> None:
    placed = spread(positions, 15.0, 0.0, 100.0)
    ranked = [placed[i] for i in sorted(range(len(positions)), key=lambda i: positions[i])]
    assert all(b - a >= 15.0 - 1e-9 for a, b in zip(ranked, ranked[1:], strict=False))
    assert ranked[-1] <= 100.0


def test_numbers_are_written_as_people_read_them() -> None:
    form = formatting.error_format([0.00243, 0.0114])
    assert (form(0.00243), form(0.0114)) == ("0.00243", "0.01140")
    assert formatting.error_format([123.4])(123.4) == "123"
    assert [formatting.kilobytes(n) for n in (999, 1000, 12_345)] == ["999 B", "1.0 kB", "12.3 kB"]
    assert [formatting.duration(s) for s in (0.42, 59.4, 59.6, 185)] == ["0.4 s", "59 s", "1 min 00 s", "3 min 05 s"]
    assert Report.parse(example()).parity["torch_onnx"].label == "PyTorch = ONNX Runtime"
    assert formatting.against(0.0, 0.0) == "equal to" and formatting.against(1.0, 0.0) == "higher than"


def test_nothing_heavy_is_loaded_and_matplotlib_only_when_it_draws() -> None:
    code = (
        "import sys, edgekd.report, edgekd.report.plotly_page, edgekd.report.terminal, edgekd.report.matplotlib_front\n"
        "heavy = ('torch', 'onnx', 'tensorflow', 'optuna', 'matplotlib', 'pandas', 'plotly')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_is_left_out_is_shown_as_mean_and_extremes_over_seeds(tmp_path: Path) -> None:
    report = example()
    write(Report.parse(report), tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "What distillation and stage 2 are worth" in page
    assert "0.00500 [0.00400, 0.00600]" in page
    del report["ablations"]
    write(Report.parse(report), tmp_path)
    assert "are worth" not in (tmp_path / "report.html").read_text()
    with pytest.raises(DataError, match="without nothing, stage 2, distillation"):
        Report.parse(example(ablations=[{"name": "gru4", "errors": {"nothing": [1.0]}}]))
