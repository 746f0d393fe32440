"""Comparison of runs: volumes computed by hand, who owns the front, and which runs may not be compared."""

import io
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_examples import Page, example, parsed
from rich.console import Console

from edgekd.contracts.errors import ConfigError, DataError
from edgekd.contracts.results import read_report
from edgekd.pareto import front, hypervolume
from edgekd.report import comparison_tables
from edgekd.report.comparison import RunComparison, compare, to_json, write_comparison


@pytest.mark.parametrize(
    ("points", "reference", "volume"),
    [
        ([], (1, 1), 0.0),
        ([(1, 1)], (3, 4), 6.0),
        ([(1, 3), (2, 2), (3, 1)], (4, 4), 3.0 + 2 * 1 + 1 * 1),
        ([(1, 3), (2, 2), (3, 1), (3, 3), (2, 2)], (4, 4), 6.0),
        ([(5, 0), (0, 5), (4, 0)], (4, 4), 0.0),
        ([(1, 1, 1)], (2, 3, 4), 6.0),
        ([(1, 1, 1), (1, 1, 1)], (2, 3, 4), 6.0),
        ([(0, 1, 1), (1, 0, 0)], (2, 2, 2), 2.0 + 4.0 - 1.0),
        ([(0, 2, 2), (2, 0, 2), (2, 2, 0)], (3, 3, 3), 3 * 3.0 - 3 * 1.0 + 1.0),
    ],
)
def test_volumes_computed_by_hand(points: list[tuple[float, ...]], reference: tuple[float, ...], volume: float) -> None:
    assert hypervolume(points, reference) == volume


@pytest.mark.parametrize("dimensions", [2, 3])
@given(data=st.data())
def test_the_volume_is_the_number_of_dominated_cells(dimensions: int, data: Any) -> None:
    points = data.draw(st.lists(st.tuples(*[st.integers(0, 6)] * dimensions), max_size=8))
    cells = itertools.product(range(5), repeat=dimensions)
    counted = sum(any(all(p <= c for p, c in zip(point, cell, strict=True)) for point in points) for cell in cells)
    assert hypervolume(points, (5,) * dimensions) == counted


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 3)), min_size=1, max_size=15))
def test_the_front_is_what_nothing_dominates(points: list[tuple[int, ...]]) -> None:
    kept = [points[i] for i in front(points)]
    assert kept == sorted(set(kept))

    def better(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
        return a != b and all(x <= y for x, y in zip(a, b, strict=True))

    assert set(kept) == {point for point in points if not any(better(other, point) for other in points)}


def test_volumes_of_unequal_points_are_refused() -> None:
    with pytest.raises(ValueError, match="2 or 3 objectives"):
        hypervolume([(1, 2, 3)], (4, 4))
    with pytest.raises(ValueError, match="2 or 3 objectives"):
        hypervolume([], (1, 1, 1, 1))


def run(points: list[tuple[float, int]], **changes: Any) -> dict[str, Any]:
    """A report whose candidates have these validation errors and sizes; the first one is chosen."""
    report = example(candidates=len(points), native=False, **changes)
    for index, (one, (error, size)) in enumerate(zip(report["candidates"], points, strict=True)):
        one |= {"name": f"c{index}", "val": {"mae": error}, "tflite_bytes": size, "arena_bytes": 1_000}
    report["chosen"]["name"] = "c0"
    return report


def compared(reports: dict[str, dict[str, Any]], *, force: bool = False) -> RunComparison:
    return compare(parsed(reports), force=force)


A, B = [(0.4, 1_000), (0.2, 4_000)], [(0.3, 2_000), (0.1, 5_000), (0.5, 6_000)]


def test_two_runs_by_hand() -> None:
    """Fronts A and B; the reference is 1.1 times (0.4, 5000); volumes as fractions of that box."""
    found = compared({"a": run(A), "b": run(B)})
    box = 0.44 * 5_500
    assert found.reference == pytest.approx((0.44, 5_500, 1_100))
    a, b = found.runs
    assert a.hypervolume == pytest.approx((0.04 * 4_500 + 0.2 * 1_500) / box)
    assert b.hypervolume == pytest.approx((0.14 * 3_500 + 0.2 * 500) / box)
    together = (0.04 * 4_500 + 0.1 * 3_500 + 0.1 * 1_500 + 0.1 * 500) / box
    assert a.alone == pytest.approx((together - b.hypervolume) / together)
    assert b.alone == pytest.approx((together - a.hypervolume) / together)
    assert a.hypervolume_3d == pytest.approx(a.hypervolume * (1 - 1 / 1.1))
    assert found.best.label == "b"
    assert [(segment.runs, [candidate.name for candidate in segment.candidates]) for segment in found.segments] == [
        (("a",), ["c0"]), (("b",), ["c0"]), (("a",), ["c1"]), (("b",), ["c1"]),
    ]  # fmt: skip
    assert (a.owned, b.owned) == (2, 2)
    assert [len(one.front) for one in found.runs] == [2, 2]


def test_a_run_compared_with_itself_shares_everything() -> None:
    found = compared({"a": run(A), "again": run(A)})
    assert [segment.runs for segment in found.segments] == [("a", "again")]
    assert {one.alone for one in found.runs} == {0.0}
    assert found.runs[0].hypervolume == found.runs[1].hypervolume


def test_measured_images_are_compared_when_every_run_has_them() -> None:
    found = compared({"a": example(), "b": example()})
    assert (found.measures, found.third) == (("flash", "latency", "ram", "energy"), "ms")
    assert found.runs[0].chosen_size == example()["chosen"]["measured"]["flash_bytes"]
    mixed = compared({"a": example(), "b": example(native=False)})
    assert (mixed.measures, mixed.third) == (("tflite", "arena"), "bytes of arena")


def with_data(**changes: Any) -> dict[str, Any]:
    report = example()
    report["config"]["data"] |= changes
    return report


def with_test_groups(names: list[str]) -> dict[str, Any]:
    report = example()
    report["data"]["parts"]["test"]["names"] = names
    return report


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (example(hashes={"table": "00" * 32}), "a and b read tables with different contents"),
        (with_data(stride=5), "data.stride is None in a and 5 in b"),
        (example(horizon=50), "data.horizon is 100 in a and 50 in b"),
        (example(divide_by=2.0), "data.divide_by"),
        (with_test_groups(["b1c0"]), "a and b have different test groups"),
    ],
)
def test_runs_on_different_data_are_refused_unless_forced(tmp_path: Path, other: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        write_comparison(parsed({"a": example(), "b": other}), tmp_path / "out")
    assert caught.value.hint and "--force" in caught.value.hint and not (tmp_path / "out").exists()
    found = write_comparison(parsed({"a": example(), "b": other}), tmp_path / "out", force=True)
    assert any(words in one for one in found.differences)
    assert words in Page((tmp_path / "out" / "comparison.html").read_text()).text
    assert ">different data</li>" in (tmp_path / "out" / "fronts.html").read_text()


def test_what_a_network_sees_may_differ() -> None:
    other = with_data(table="elsewhere.csv", inputs=["a", "b"], patch=10, level=5, train_stride=1)
    assert compared({"a": example(), "b": other}).differences == ()


def test_one_run_is_no_comparison_and_a_broken_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least two runs"):
        write_comparison(parsed({"a": example()}), tmp_path)
    path = tmp_path / "b" / "report" / "report.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({key: value for key, value in example().items() if key != "teacher"}))
    with pytest.raises(DataError, match=f"^{path}: .*\\n.*teacher: required key is missing"):
        read_report(tmp_path / "b")


def test_files_are_written_equal_for_equal_reports(tmp_path: Path) -> None:
    reports = {"<b>a</b>": run(A), "b": run(B), **{f"r{i}": run(A, simulated=True) for i in range(6)}}
    found = write_comparison(parsed(reports), tmp_path / "one")
    write_comparison(parsed(reports), tmp_path / "two")
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    pictures = ["overlay.png", "overlay.svg", "side_by_side.png", "side_by_side.svg"]
    assert names == ["comparison.html", "comparison.json", "fronts.html", *pictures]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert json.loads((tmp_path / "one" / "comparison.json").read_text()) == json.loads(json.dumps(to_json(found)))
    page = Page((tmp_path / "one" / "comparison.html").read_text())
    assert "<b>a</b>" in page.text and "simulated data" in page.text
    assert "b has the largest hypervolume" in page.text


@pytest.mark.parametrize("width", [60, 100])
def test_the_terminal_tables_fit(tmp_path: Path, width: int) -> None:
    found = write_comparison(parsed({"a": run(A), "b": run(B, simulated=True, horizon=5)}), tmp_path, force=True)
    file = io.StringIO()
    console = Console(width=width, file=file)
    for one in comparison_tables(found):
        console.print(one)
    lines = file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert any("data.horizon" in line for line in lines) and any("[simulated data]" in line for line in lines)
