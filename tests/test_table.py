"""Reading tables: what is an error, what is worked around and noted, and that both name the row a person sees."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_sections import forecast, section

from edgekd.contracts.config import ColumnSplit, Data
from edgekd.contracts.errors import DataError
from edgekd.data.table import read_table, unit_of

Section = section
TASK = forecast()


def rows(n: int = 12, *, group: str = "a", start: int = 1) -> list[list[Any]]:
    """Rows `cell, cycle, q_Ah`; the capacity is 1 minus a thousandth per cycle."""
    return [[group, start + i, round(1 - 0.001 * i, 6)] for i in range(n)]


def write(folder: Path, table: list[list[Any]], header: str = "cell,cycle,q_Ah", name: str = "t.csv") -> Path:
    text = "\n".join([header, *(",".join(map(str, row)) for row in table)]) + "\n"
    (folder / name).write_text(text)
    return folder


def problems(folder: Path, table: list[list[Any]], section: Data | None = None) -> list[tuple[str, str, int]]:
    read = read_table(section or Section(), TASK, write(folder, table))
    return [(one.kind, one.group, one.row) for one in read.problems]


def test_clean_table_has_no_problems(tmp_path):
    table = read_table(Section(divide_by=2.0), TASK, write(tmp_path, rows()))
    (one,) = table.series
    assert (table.groups, table.rows, table.problems) == (("a",), 12, ())
    assert one.inputs.dtype == one.target.dtype == np.float32
    assert one.inputs.shape == (12, 1)
    np.testing.assert_array_equal(one.inputs[:, 0], np.float32([row[2] for row in rows()]))
    np.testing.assert_array_equal(one.target, one.inputs[:, 0] * np.float32(0.5))
    assert one.usable.all()
    np.testing.assert_array_equal(one.order, np.arange(1, 13))


@pytest.mark.parametrize("kind", ["csv.gz", "parquet", "bom", "blank lines", "spaces", "extra columns"])
def test_same_series_from_every_form_of_file(tmp_path, kind):
    plain = read_table(Section(), TASK, write(tmp_path, rows())).series[0]
    section = Section(table=f"u.{kind}") if kind in ("csv.gz", "parquet") else Section()
    text = (tmp_path / "t.csv").read_text()
    if kind == "csv.gz":
        (tmp_path / section.table).write_bytes(gzip.compress(text.encode()))
    elif kind == "parquet":
        import pandas as pd

        pd.read_csv(tmp_path / "t.csv").to_parquet(tmp_path / section.table)
    elif kind == "bom":
        (tmp_path / "t.csv").write_text("\ufeff" + text)
    elif kind == "blank lines":
        (tmp_path / "t.csv").write_text(text.replace("a,3,", "\n\na,3,") + "\n,,\n")
    elif kind == "spaces":
        (tmp_path / "t.csv").write_text(text.replace("cycle,", " cycle ,").replace("a,", " a ,"))
    else:
        write(tmp_path, [[*row, "x", ""] for row in rows()], header="cell,cycle,q_Ah,note,note")
    other = read_table(section, TASK, tmp_path).series[0]
    np.testing.assert_array_equal(other.inputs, plain.inputs)
    np.testing.assert_array_equal(other.order, plain.order)
    assert other.group == "a"


# Each case: what is done to the rows, and what must be noted: kind and row (the header is row 1).
NOTED = {
    "nan": (lambda t: t[4].__setitem__(2, "nan"), [("missing_input", 6)]),
    "empty": (lambda t: t[4].__setitem__(2, ""), [("missing_input", 6)]),
    "NA": (lambda t: t[4].__setitem__(2, "NA"), [("missing_input", 6)]),
    "infinity": (lambda t: t[4].__setitem__(2, "-inf"), [("missing_input", 6)]),
    "beyond float32": (lambda t: t[4].__setitem__(2, "1e39"), [("missing_input", 6)]),
    "first row missing": (lambda t: t[0].__setitem__(2, "nan"), [("missing_input", 2)]),
    "duplicate": (lambda t: t.insert(5, ["a", 5, 0.5]), [("duplicate_order", 7)]),
    "unsorted": (lambda t: t.insert(9, t.pop(3)), [("unsorted", 11)]),
    "gap of two": (lambda t: t.__delitem__(slice(4, 6)), [("gap_filled", 6)]),
}


@pytest.mark.parametrize("case", NOTED)
def test_worked_around_and_noted(tmp_path, case):
    change, expected = NOTED[case]
    table = rows(14)
    change(table)
    assert problems(tmp_path, table) == [(kind, "a", row) for kind, row in expected]


def test_missing_input_is_carried_forward_and_is_no_target(tmp_path):
    table = rows()
    table[4][2] = table[5][2] = "nan"
    one = read_table(Section(), TASK, write(tmp_path, table)).series[0]
    assert one.inputs[3, 0] == one.inputs[4, 0] == one.inputs[5, 0]
    np.testing.assert_array_equal(np.flatnonzero(~one.usable), [4, 5])
    assert np.isfinite(one.target).all()


def test_columns_carry_forward_on_their_own_and_start_when_all_have_a_value(tmp_path):
    table = [[*row, 20 + i] for i, row in enumerate(rows(14))]
    table[0][3] = "nan"
    table[1][2] = "nan"
    section = Section(inputs=["q_Ah", "t_C"])
    one = read_table(section, TASK, write(tmp_path, table, header="cell,cycle,q_Ah,t_C")).series[0]
    assert one.order[0] == 2  # the first row has no temperature; the second takes its capacity from the first
    np.testing.assert_array_equal(one.inputs[0], np.float32([1.0, 21]))
    assert not one.usable[0]


def test_missing_target_that_is_no_input_is_noted_once(tmp_path):
    table = [[*row, 20 + i] for i, row in enumerate(rows())]
    table[3][2] = ""
    read = read_table(Section(inputs=["t_C"]), TASK, write(tmp_path, table, header="cell,cycle,q_Ah,t_C"))
    assert [(one.kind, one.row) for one in read.problems] == [("missing_target", 5)]
    assert not read.series[0].usable[3]
    assert np.isfinite(read.series[0].target).all()


def test_first_of_duplicates_is_kept_and_rows_are_sorted(tmp_path):
    table = rows()
    table.insert(5, ["a", 5, 0.5])
    forward = read_table(Section(), TASK, write(tmp_path, table)).series[0]
    np.testing.assert_array_equal(forward.inputs[:, 0], np.float32([row[2] for row in rows()]))
    backward = read_table(Section(), TASK, write(tmp_path, rows()[::-1])).series[0]
    np.testing.assert_array_equal(backward.inputs, forward.inputs)


def test_short_gap_is_filled_without_targets_and_long_gap_splits(tmp_path):
    table = rows(30)
    del table[4:6]
    one = read_table(Section(max_gap=2), TASK, write(tmp_path, table)).series[0]
    np.testing.assert_array_equal(one.order, np.arange(1, 31))
    np.testing.assert_array_equal(np.flatnonzero(~one.usable), [4, 5])
    assert one.inputs[4, 0] == one.inputs[5, 0] == one.inputs[3, 0]
    del table[15:18]
    read = read_table(Section(max_gap=2), TASK, write(tmp_path, table))
    assert [(s.order[0], s.order[-1]) for s in read.series] == [(1, 17), (21, 30)]
    assert [one.kind for one in read.problems] == ["gap_filled", "gap_split"]


def test_nothing_is_carried_across_a_long_gap(tmp_path):
    table = rows(40)
    table[23][2] = "nan"
    del table[20:23]
    read = read_table(Section(max_gap=2), TASK, write(tmp_path, table))
    assert [(s.order[0], s.order[-1]) for s in read.series] == [(1, 20), (25, 40)]


def test_short_groups_are_left_out_and_named(tmp_path):
    assert problems(tmp_path, rows() + rows(9, group="b")) == [("short", "b", 14)]


@pytest.mark.parametrize(
    ("word", "ignored"),
    [
        ("1", True),
        ("true", True),
        ("Yes", True),
        ("2.5", True),
        ("0", False),
        ("", False),
        ("no", False),
        ("0.0", False),
    ],
)
def test_ignored_rows_stay_inputs_and_are_no_targets(tmp_path, word, ignored):
    table = [[*row, "0"] for row in rows()]
    table[7][3] = word
    read = read_table(Section(ignore="bad"), TASK, write(tmp_path, table, header="cell,cycle,q_Ah,bad"))
    assert read.ignored == int(ignored)
    assert read.series[0].usable[7] == (not ignored)
    assert read.series[0].inputs[7, 0] == np.float32(table[7][2])


@pytest.mark.parametrize(("divide_by", "noted"), [(1.1, False), (0.0011, True), (1100.0, True), (1.0, False)])
def test_units_are_doubted_when_health_is_far_from_one(tmp_path, divide_by, noted):
    kinds = [kind for kind, _, _ in problems(tmp_path, rows(), Section(divide_by=divide_by))]
    assert kinds == ["units"] * noted


def test_row_order_does_not_matter_between_groups(tmp_path):
    a, b = rows(), rows(group="b", n=15)
    mixed = [row for pair in zip(a, b, strict=False) for row in pair] + b[12:]
    one, other = (read_table(Section(), TASK, write(tmp_path, table)) for table in (a + b, mixed))
    for first, second in zip(one.series, other.series, strict=True):
        assert first.group == second.group
        np.testing.assert_array_equal(first.inputs, second.inputs)


def with_text(table: list[list[Any]], at: list[int], column: int, text: str) -> list[list[Any]]:
    for i in at:
        table[i][column] = text
    return table


WIDE = ["the header has 3 fields, row 2 has 4", "and 7 more rows"]
# Each case: rows, header, section, and what the message must say.
BROKEN: dict[str, tuple[list[list[Any]], str, Data, list[str]]] = {
    "missing column": (rows(), "cell,cycle,Q_ah", Section(), ["no column 'q_Ah'", "did you mean 'Q_ah'"]),
    "two missing": (rows(), "id,n,q_Ah", Section(), ["'cell'", "'cycle'"]),
    "semicolons": ([["a;1;1"]], "cell;cycle;q_Ah", Section(), ["header has one column"]),
    "column twice": ([[*r, 1] for r in rows()], "cell,cycle,q_Ah,q_Ah", Section(), ["'q_Ah' is there 2 times"]),
    "header only": ([], "cell,cycle,q_Ah", Section(), ["no rows"]),
    "blank rows only": ([["", "", ""]], "cell,cycle,q_Ah", Section(), ["no rows"]),
    "text in numbers": (
        with_text(rows(), [1, 2, 3, 4, 5, 6], 2, "broken"),
        "cell,cycle,q_Ah",
        Section(),
        ["'q_Ah' is not a number in 6 rows", "row 3 ('broken')", "row 7", ", ..."],
    ),
    "decimal comma": (with_text(rows(), [2], 2, '"0,998"'), "cell,cycle,q_Ah", Section(), ["row 4 ('0,998')"]),
    "fraction in order": (with_text(rows(), [2], 1, "2.5"), "cell,cycle,q_Ah", Section(), ["whole", "row 4 ('2.5')"]),
    "no order": (
        with_text(rows(), [2], 1, ""),
        "cell,cycle,q_Ah",
        Section(),
        ["'cycle' is not a whole", "row 4 (empty)"],
    ),
    "huge order": (with_text(rows(), [2], 1, "1e300"), "cell,cycle,q_Ah", Section(), ["'cycle' is not a whole"]),
    "no group": (with_text(rows(), [2], 0, ""), "cell,cycle,q_Ah", Section(), ["'cell' is empty in 1 row: row 4"]),
    "all short": (rows(9), "cell,cycle,q_Ah", Section(), ["10 consecutive rows", "longest has 9"]),
    "too many fields everywhere": (
        [[*r, 1] for r in rows()],
        "cell,cycle,q_Ah",
        Section(),
        WIDE,
    ),
    "too many fields": (
        [*rows(), ["a", 13, 1, 1]],
        "cell,cycle,q_Ah",
        Section(),
        ["the header has 3 fields, row 14"],
    ),
    "flag": ([[*r, "maybe"] for r in rows(3)], "cell,cycle,q_Ah,bad", Section(ignore="bad"), ["neither true", "maybe"]),
    "two columns wrong": (
        with_text(with_text(rows(), [3], 2, "x"), [4], 1, "y"),
        "cell,cycle,q_Ah",
        Section(),
        ["'cycle' is not a number", "row 6 ('y')", "'q_Ah' is not a number", "row 5 ('x')"],
    ),
    "group in two splits": (
        [[*r, "train" if i < 6 else "test"] for i, r in enumerate(rows())],
        "cell,cycle,q_Ah,part",
        Section(split=ColumnSplit(column="part", train="train", test="test", val=0.2)),
        ["'a' is in several splits", "row 8"],
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_unusable_table_is_one_clear_error(tmp_path, case):
    table, header, section, words = BROKEN[case]
    with pytest.raises(DataError) as caught:
        read_table(section, TASK, write(tmp_path, table, header))
    for word in words:
        assert word in str(caught.value)
    assert "t.csv" in str(caught.value) or "group" in str(caught.value)


def test_every_hundredth_second_is_not_a_gap_but_a_hint(tmp_path):
    with pytest.raises(DataError) as caught:
        read_table(Section(), TASK, write(tmp_path, [[g, 10 * n, q] for g, n, q in rows(40)]))
    assert "usually rises by 10" in str(caught.value.hint)


def _truncated_gzip(path: Path) -> None:
    path.write_bytes(gzip.compress(b"cell,cycle,q_Ah\n" + bytes(range(32, 120)) * 900)[:60])


UNREADABLE = {
    "absent.csv": (lambda path: None, "does not exist"),
    "empty.csv": (lambda path: path.write_bytes(b""), "is empty"),
    "folder.csv": (lambda path: path.mkdir(), "is a folder"),
    "table.xlsx": (lambda path: path.write_bytes(b"PK"), "type of file"),
    "latin.csv": (lambda path: path.write_bytes("cell,cycle,q_Ah\nZelle ß,1,1\n".encode("latin-1")), "not UTF-8"),
    "cut.csv.gz": (_truncated_gzip, "cannot be read"),
    "plain.csv.gz": (lambda path: path.write_bytes(b"cell,cycle,q_Ah\n"), "cannot be read"),
    "text.parquet": (lambda path: path.write_bytes(b"cell,cycle,q_Ah\n"), "cannot be read"),
    "binary.csv": (lambda path: path.write_bytes(bytes(range(256))), "not UTF-8"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_unreadable_file_is_one_clear_error(tmp_path, name):
    make, words = UNREADABLE[name]
    make(tmp_path / name)
    with pytest.raises(DataError, match=words) as caught:
        read_table(Section(table=name), TASK, tmp_path)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_near_file_name_is_suggested(tmp_path):
    write(tmp_path, rows())
    with pytest.raises(DataError) as caught:
        read_table(Section(table="tt.csv"), TASK, tmp_path)
    assert caught.value.hint == "did you mean 't.csv'?"


def test_dates_in_parquet_are_refused(tmp_path):
    import pandas as pd

    frame = pd.DataFrame(rows(), columns=["cell", "cycle", "q_Ah"])
    frame["cycle"] = pd.date_range("2024-01-01", periods=len(frame))
    frame.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match="'cycle' holds dates or times; .* every: 1s"):
        read_table(Section(table="t.parquet"), TASK, tmp_path)


def test_group_names_from_parquet_integers_are_text(tmp_path):
    import pandas as pd

    frame = pd.DataFrame(rows(), columns=["cell", "cycle", "q_Ah"]).assign(cell=7.0)
    frame.to_parquet(tmp_path / "t.parquet")
    assert read_table(Section(table="t.parquet"), TASK, tmp_path).groups == ("7",)


def test_units_come_from_names():
    names = ("discharge_capacity_Ah", "temperature_C", "internal_resistance_ohm", "is_outlier", "V")
    assert [unit_of(name) for name in names] == ["Ah", "C", "ohm", "", ""]


def test_section_without_ignore_or_split_column_reads_three_columns(tmp_path):
    write(tmp_path, [[*row, "text"] for row in rows()], header="cell,cycle,q_Ah,comment")
    assert len(read_table(Section(), TASK, tmp_path).series) == 1


MEASURED = Path(__file__).parent.parent.parent / "shared" / "data"


@pytest.mark.parametrize(
    ("name", "divide_by", "rows", "groups", "left_out"),
    [("severson", 1.1, 59_218, 83, {("short", "b2c1")}), ("xjtu", 2.0, 11_041, 31, set())],
)
def test_measured_cells_are_read_without_surprises(name, divide_by, rows, groups, left_out):
    path = MEASURED / f"{name}.csv.gz"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    size = 100 if name == "severson" else 50
    section = Section(
        table=str(path),
        series="cell_id",
        inputs=["discharge_capacity_Ah"],
        divide_by=divide_by,
        ignore="is_outlier",
        window=size,
    )
    table = read_table(section, forecast("discharge_capacity_Ah", size), path.parent)
    assert (table.rows, len(table.groups)) == (rows, groups)
    assert {(one.kind, one.group) for one in table.problems} == left_out
    assert len(table.series) == groups, "no gaps"
    assert 0 < table.ignored < 0.01 * rows
