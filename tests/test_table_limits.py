"""What a table must not do to us: fill the memory, hide among good rows, or fail after all the training."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from data_sections import forecast, section
from pyarrow import parquet
from pydantic import ValidationError

from edgekd.contracts.config import TimeSplit
from edgekd.contracts.errors import DataError
from edgekd.data.describe import describe
from edgekd.data.preprocess import Preprocess
from edgekd.data.split import split_groups
from edgekd.data.table import read_table
from edgekd.data.table.parse import LONGEST_TEXT
from edgekd.data.windows import cut_split
from edgekd.tasks.classify import Classify
from edgekd.tasks.estimate import Estimate

Rows = list[list[object]]


def rows(cells: int = 8, length: int = 40) -> Rows:
    """Rows `cell, cycle, q_Ah, t_C, label`."""
    rng = np.random.default_rng(0)
    return [
        [f"c{cell}", cycle, round(1 - cycle / 500 + rng.normal() / 1e3, 6), round(25 + rng.normal(), 3), "ab"[cell % 2]]
        for cell in range(cells)
        for cycle in range(1, length + 1)
    ]  # fmt: skip


def write(folder: Path, table: Rows) -> Path:
    lines = ["cell,cycle,q_Ah,t_C,label", *(",".join(map(str, row)) for row in table)]
    (folder / "t.csv").write_text("\n".join(lines) + "\n")
    return folder


def put(column: int, value: object, at: Callable[[int], bool] = lambda i: i == 100) -> Callable[[Rows], None]:
    """Put a value, or what a function makes of the one that is there, into some rows."""

    def change(table: Rows) -> None:
        for i, row in enumerate(table):
            if at(i):
                row[column] = value(row[column]) if callable(value) else value

    return change


def always(_: int) -> bool:
    return True


UNREASONABLE: dict[str, tuple[Callable[[Rows], None], list[str]]] = {
    "one outlier": (put(2, 1e30), ["'q_Ah'", "row 102 ('1e+30')", "leave them empty"]),
    "one outlier below": (put(3, -1e25), ["'t_C'", "row 102 ('-1e+25')"]),
    "two outliers": (put(2, 1e28, lambda i: i in (5, 9)), ["2 rows: row 7 ('1e+28'), row 11"]),
    "too large to be squared": (put(2, lambda q: q * 1e25, always), ["above 1e+18", "row 2", "larger unit"]),
    "too small": (put(2, lambda q: q * 1e-25, always), ["nowhere above 1e-18", "smaller unit"]),
    "huge offset": (put(2, lambda q: q + 1e9, always), ["'q_Ah'", "cannot tell apart", "subtract 1e+09"]),
    "huge offset of an input": (put(3, lambda t: t + 1e11, always), ["'t_C'", "subtract 1e+11"]),
    "empty target": (put(2, "", always), ["'q_Ah' has no value in any row"]),
    "long text": (put(0, "x" * (LONGEST_TEXT + 1), lambda i: i in (7, 8)), ["'cell' has more than 256", "row 9"]),
}


@pytest.mark.parametrize("name", UNREASONABLE)
def test_unreasonable_values_are_named_with_row_and_fix(tmp_path: Path, name: str) -> None:
    change, words = UNREASONABLE[name]
    table = rows()
    change(table)
    with pytest.raises(DataError) as caught:
        read_table(section(inputs=["q_Ah", "t_C"]), forecast(), write(tmp_path, table))
    for word in words:
        assert word in f"{caught.value}; {caught.value.hint}"


@pytest.mark.parametrize(("unit", "offset"), [(1e-9, 0.0), (1e3, 0.0), (1e5, 0.0), (1e9, 0.0), (1e5, 300.0)])
def test_units_do_not_matter(tmp_path: Path, unit: float, offset: float) -> None:
    """The same table in another unit gives the same features, and the same targets in that unit."""

    def prepared(factor: float, shift: float) -> tuple[np.ndarray, np.ndarray, Preprocess]:
        table = rows()
        put(2, lambda q: (q + shift) * factor, always)(table)
        data = section()
        read = read_table(data, forecast(), write(tmp_path, table))
        windows = cut_split(read, split_groups(read, data.split, 0), data)["train"]
        fitted = Preprocess.fit(windows, data, read.task)
        relative, _, anchor = fitted.transform(windows.raw)
        return relative, fitted.encode_target(windows.target, anchor), fitted

    usual, other = prepared(1.0, offset), prepared(unit, offset)
    np.testing.assert_allclose(other[0], usual[0], atol=0.05 if offset else 1e-3)
    np.testing.assert_allclose(other[1], usual[1], atol=0.05 if offset else 1e-3)
    assert other[2].target_gain == pytest.approx(float(usual[2].target_gain) * unit, rel=1e-2)


def test_a_column_that_mostly_stands_still_has_no_outliers(tmp_path: Path) -> None:
    """A current that is zero but for pulses."""
    table = rows()
    put(3, 0, always)(table)
    put(3, 50.0, lambda i: i % 130 == 0)(table)
    assert read_table(section(inputs=["q_Ah", "t_C"]), forecast(), write(tmp_path, table)).series


def parquet_with(folder: Path, **columns: object) -> Path:
    table = rows()
    names = ("cell", "cycle", "q_Ah", "t_C", "label")
    whole = dict(zip(names, map(list, zip(*table, strict=True)), strict=True)) | columns
    parquet.write_table(
        pyarrow.table({name: values for name, values in whole.items() if values is not None}), folder / "t.parquet"
    )
    return folder


def test_parquet_columns_of_lists_are_refused(tmp_path: Path) -> None:
    count = len(rows())
    folder = parquet_with(tmp_path, q_Ah=[[1.0, 2.0]] * count)
    with pytest.raises(DataError, match="column 'q_Ah' holds list<.*double> in each row"):
        read_table(section(table="t.parquet"), forecast(), folder)


def test_parquet_columns_of_nulls_booleans_and_decimals(tmp_path: Path) -> None:
    from decimal import Decimal

    count = len(rows())
    folder = parquet_with(
        tmp_path, q_Ah=[Decimal("1.25")] * (count - 1) + [Decimal("1.5")], t_C=[True, False] * (count // 2)
    )
    read = read_table(section(table="t.parquet", inputs=["q_Ah", "t_C"]), forecast(), folder)
    assert set(read.series[0].inputs[:, 1]) == {0.0, 1.0}
    with pytest.raises(DataError, match="'q_Ah' has no value in any row"):
        read_table(section(table="t.parquet"), forecast(), parquet_with(tmp_path, q_Ah=pyarrow.nulls(count)))


def test_parquet_index_is_a_column(tmp_path: Path) -> None:
    import pandas as pd

    pd.DataFrame(rows(), columns=["cell", "cycle", "q_Ah", "t_C", "label"]).set_index("cycle").to_parquet(
        tmp_path / "t.parquet"
    )
    assert len(read_table(section(table="t.parquet"), forecast(), tmp_path).series) == 8


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "t.csv")
    with pytest.raises(DataError, match="is a pipe or a device") as caught:
        read_table(section(), forecast(), tmp_path)
    assert "save it to a .csv file" in str(caught.value.hint)
    with pytest.raises(DataError, match="is a pipe or a device"):
        read_table(section(table="/dev/null"), forecast(), tmp_path)


def test_an_order_that_never_rises_is_told_as_such(tmp_path: Path) -> None:
    table = rows()
    put(1, 7, always)(table)
    with pytest.raises(DataError, match="'cycle' is 7 in all of them") as caught:
        read_table(section(), forecast(), write(tmp_path, table))
    assert "order is the column that rises by one" in str(caught.value.hint)


def test_gaps_are_named_with_what_helps(tmp_path: Path) -> None:
    """Reference cycles at 2, 4, 9 and so on."""
    kept = {2, 4, 9, 15, 22, 30, 39}
    table = [row for row in rows() if row[1] in kept]
    with pytest.raises(DataError) as caught:
        read_table(section(), forecast(), write(tmp_path, table))
    assert "'c0' has cycle 2, 4, 9, 15, 22, 30, 39" in str(caught.value)
    assert "gaps longer than max_gap 2" in str(caught.value)
    assert "every: 6.5" in str(caught.value.hint) and "max_gap: 8" in str(caught.value.hint)


def test_windows_whose_targets_all_lie_in_gaps_are_explained(tmp_path: Path) -> None:
    table = [row for row in rows(length=80) if int(str(row[1])) % 3 == 0]
    data = section()
    read = read_table(data, forecast(horizon=8), write(tmp_path, table))
    with pytest.raises(DataError) as caught:
        cut_split(read, split_groups(read, data.split, 0), data)
    assert "lie in gaps that were filled, as 2 missing before cycle 6" in str(caught.value)
    assert "every: N" in str(caught.value.hint)
    read = read_table(section(every=3), forecast(), write(tmp_path, table))
    assert not read.counts and cut_split(read, split_groups(read, data.split, 0), data)


@pytest.mark.parametrize("kind", ["float seconds", "dates", "parquet timestamps"])
def test_every_puts_irregular_times_on_a_causal_grid(tmp_path: Path, kind: str) -> None:
    """Samples 0.4 s apart with jitter, asked for once a second: each is the last one taken by then."""
    import pandas as pd

    times = 0.4 * np.arange(60) + 0.05 * np.random.default_rng(1).random(60)
    times[0] = 0.0
    frame = pd.DataFrame({"cell": "a", "cycle": times, "q_Ah": np.arange(60.0)})
    if kind != "float seconds":
        frame["cycle"] = pd.Timestamp("2024-03-01T10:00:00") + pd.to_timedelta(times, unit="s")
    if kind == "parquet timestamps":
        frame.to_parquet(tmp_path / "t.parquet")
    else:
        frame.to_csv(tmp_path / "t.csv", index=False)
    data = section(every="1s", table="t.parquet" if kind == "parquet timestamps" else "t.csv")
    read = read_table(data, forecast(), tmp_path)
    (series,) = read.series
    wanted = [np.flatnonzero(times <= second + 1e-6)[-1] for second in range(len(series.order) - 1)]
    np.testing.assert_array_equal(series.inputs[:-1, 0], wanted)
    assert read.counts["resampled"] == 1
    with pytest.raises(DataError, match="whole number|every: 1s"):
        read_table(data.model_copy(update={"every": None}), forecast(), tmp_path)


def test_series_and_group_are_two_things(tmp_path: Path) -> None:
    table = [[f"{row[0]}{row[1] > 20}", *row[1:4], row[0]] for row in rows()]
    data = section(series="cell", group="label")
    read = read_table(data, forecast(), write(tmp_path, table))
    assert len(read.series) == 16 and len(read.groups) == 8
    table[3][4] = "elsewhere"
    with pytest.raises(DataError, match=r"series 'c0False' is in several groups: 'c0', 'elsewhere' \(row 5\)"):
        read_table(data, forecast(), write(tmp_path, table))


def test_labels_become_classes_and_windows_have_one(tmp_path: Path) -> None:
    table = rows()
    for row in table:
        row[4] = "rest" if int(str(row[1])) <= 20 else "move"
    data = section(inputs=["t_C"])
    read = read_table(data, Classify(column="label"), write(tmp_path, table))
    assert read.task.classes == ("move", "rest")
    windows = cut_split(read, split_groups(read, data.split, 0), data)["train"]
    ends = windows.start + 5
    np.testing.assert_array_equal(windows.target[:, 0], ends <= 20)
    assert not ((windows.start <= 20) & (ends > 20)).any()
    assert windows.mixed == 5 * len(windows.groups)
    with pytest.raises(DataError, match=r"'label' is none of the classes move, still in 160 rows: row 2 \('rest'\)"):
        read_table(data, Classify(column="label", classes=("move", "still")), write(tmp_path, table))
    for row in table:
        row[4] = "rest"
    with pytest.raises(DataError, match="'label' holds rest: two classes are the least"):
        read_table(data, Classify(column="label"), write(tmp_path, table))


def test_a_numeric_target_of_few_whole_values_is_asked_whether_it_is_a_class(tmp_path: Path) -> None:
    table = rows()
    put(2, lambda q: round(20 * (1 - q)) % 3, always)(table)
    read = read_table(section(inputs=["t_C"]), Estimate(column="q_Ah"), write(tmp_path, table))
    assert "is it a class? Then task: {classify: q_Ah}" in next(p.message for p in read.problems if p.kind == "classes")


def test_a_split_by_time_takes_the_end_of_every_series_for_test(tmp_path: Path) -> None:
    data = section(split=TimeSplit(time=0.25, val=0.25))
    read = read_table(data, forecast(), write(tmp_path, rows(cells=2, length=80)))
    split = split_groups(read, data.split, 0)
    parts = cut_split(read, split, data)
    ends = {name: (part.start.min(), part.start.max() + 6 + 4 - 1) for name, part in parts.items()}
    assert ends == {"train": (1, 40), "val": (41, 60), "test": (61, 80)}
    assert all(set(part.groups) == {"c0", "c1"} for part in parts.values())
    assert describe(read, split, parts).problems == {"split_by_time": 2}
    with pytest.raises(ValidationError, match=r"time \+ val is 1.1"):
        TimeSplit(time=0.6, val=0.5)
