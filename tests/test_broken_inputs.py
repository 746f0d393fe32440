"""What can be wrong with what a user hands in: one clear message, the documented exit code, no traceback."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import small_run

from edgekd import cli

Change = Callable[[str], str]


def line(key: str, value: str) -> Change:
    """Replace the value of a key of the configuration, whatever its section."""

    def change(text: str) -> str:
        lines = [f"{one.split(key + ':')[0]}{key}: {value}" if f"{key}:" in one else one for one in text.splitlines()]
        return "\n".join(lines) + "\n"

    return change


def add(text: str) -> Change:
    return lambda config: config + text


def drop(key: str) -> Change:
    return lambda config: "\n".join(one for one in config.splitlines() if not one.strip().startswith(key + ":")) + "\n"


def task(text: str) -> Change:
    return line("task", f"{{{text}}}")


# name: (change of the configuration, parts of the message)
CONFIGS: dict[str, tuple[Change, list[str]]] = {
    "empty file": (lambda _: "", ["small.yaml is empty"]),
    "only a comment": (lambda _: "# nothing\n", ["is empty"]),
    "a list": (lambda _: "- name\n", ["1:1: must be `key: value` lines"]),
    "not yaml": (lambda _: "name: [a\nboard: b", ["not valid YAML"]),
    "tab": (lambda text: text.replace("  table", "\ttable"), ["not valid YAML", "spaces, not with tabs"]),
    "unknown key": (add("bugdet: {flash_bytes: 1}\n"), ["bugdet: unknown key, did you mean 'budget'?"]),
    "unknown inner key": (line("window", "50\n  widow: 3"), ["data.widow: unknown key, did you mean 'window'?"]),
    "key twice": (add("name: again\n"), ["name: the key occurs twice"]),
    "missing section": (lambda _: "name: small\n", ["data: required key is missing"]),
    "missing key": (drop("order"), ["data.order: required key is missing"]),
    "no value": (line("order", ""), ["data.order", "got None"]),
    "bad name": (line("name", "Small Run"), ["name", "got 'Small Run'"]),
    "unknown board": (add("board: nano33\n"), ["unknown board 'nano33', did you mean 'nano33ble'?"]),
    "window a text": (line("window", "fifty"), ["data.window", "got 'fifty'"]),
    "window a float": (line("window", "50.5"), ["data.window", "got 50.5"]),
    "window too short": (line("window", "3"), ["data.window", "greater than or equal to 5"]),
    "patch does not divide": (line("window", "52"), ["patch: 5 does not divide window 52"]),
    "even level": (line("stride", "25\n  level: 8"), ["data.level: 8 must be odd"]),
    "horizon zero": (task("forecast: a, horizon: 0"), ["task.horizon", "got 0"]),
    "stride zero": (line("stride", "0"), ["data.stride", "got 0"]),
    "divide by zero": (line("divide_by", "0"), ["data.divide_by", "greater than 0"]),
    "divide by infinity": (line("divide_by", ".inf"), ["data.divide_by", "finite"]),
    "divide by NaN": (line("divide_by", ".nan"), ["data.divide_by"]),
    "no inputs": (line("inputs", "[]"), ["data.inputs", "at least 1"]),
    "input twice": (line("inputs", "[a, a]"), ["data.inputs", "has an entry twice"]),
    "fraction above one": (line("split", "{val: 1.5, test: 0.2}"), ["data.split.val", "less than 1", "got 1.5"]),
    "nothing to train on": (line("split", "{val: 0.5, test: 0.5}"), ["val + test is 1"]),
    "split key": (line("split", "{val: 0.2, tset: 0.2}"), ["data.split.tset", "did you mean 'test'?"]),
    "unknown kind": (
        line("students", "{kinds: [lstm]}"),
        ["students.kinds.0", "'cfc', 'gru', 'liquid', 'mlp' or 'tcn'", "'lstm'"],
    ),
    "no units": (line("students", "{hidden: [0]}"), ["students.hidden.0", "got 0"]),
    "unknown loss": (line("distill", "{stage1: mse}"), ["distill.stage1", "'output_l1'", "got 'mse'"]),
    "sparsity one": (line("compress", "{sparsity: [1.0]}"), ["compress.sparsity.0", "less than 1"]),
    "bits": (line("compress", "{activation_bits: [12]}"), ["compress.activation_bits.0", "8 or 16", "got 12"]),
    "no candidates": (line("search", "{candidates: 0}"), ["search.candidates", "got 0"]),
    "negative seed": (line("search", "{seed: -1}"), ["search.seed", "got -1"]),
    "yes is text": (line("teacher", "{members: yes}"), ["teacher.members", "got 'yes'"]),
    "no such table": (line("table", "cell.csv"), ["'", "cell.csv' does not exist", "did you mean 'cells.csv'?"]),
    "table a folder": (line("table", "."), ["is a folder"]),
    "unknown file type": (line("table", "small.yaml"), ["type of file is not known"]),
    "no such column": (task("forecast: capacity, horizon: 20"), ["no column 'capacity'"]),
    "no such flag": (line("ignore", "bad"), ["'bad'"]),
    "no such split column": (line("split", "{column: part}"), ["'part'"]),
    "no group with that value": (line("split", "{column: cell_id, train: x, test: y}"), ["no group has 'x'"]),
    "window longer than the data": (line("window", "1000"), ["1020 consecutive rows", "longest has 300"]),
    "empty test part": (line("split", "{val: 0.2, test: 0.001}"), ["test would be empty: of 10 groups"]),
    "impossible budget": (add("budget: {flash_bytes: 0}\n"), ["budget.flash_bytes", "got 0"]),
}


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit code and what is printed on standard error."""
    import sys

    before = sys.argv
    sys.argv = ["edgekd", *arguments]
    try:
        cli.main()
        code = 0
    except SystemExit as stop:
        code = int(stop.code or 0)
    finally:
        sys.argv = before
    return code, capsys.readouterr().err


@pytest.mark.parametrize("name", CONFIGS)
def test_a_broken_configuration_or_table_reference(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = small_run.write(tmp_path)
    change, parts = CONFIGS[name]
    path.write_text(change(path.read_text()))
    code, message = run(capsys, "check", str(path))
    assert code == 2, message
    assert message.startswith("edgekd: ")
    assert "Traceback" not in message
    for part in parts:
        assert part in message


def test_every_mistake_is_reported_at_once_in_the_order_of_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = small_run.write(tmp_path)
    text = path.read_text()
    for change in (line("name", "Small"), line("window", "3"), add("extra: 1\n")):
        text = change(text)
    path.write_text(text)
    code, message = run(capsys, "check", str(path))
    assert code == 2
    lines = [one.split(".yaml:")[1] for one in message.splitlines() if ".yaml:" in one]
    assert [int(one.split(":")[0]) for one in lines] == sorted(int(one.split(":")[0]) for one in lines)
    assert "3 mistakes in the configuration" in message
    assert lines[0].startswith("1:7: name:")


TABLES: dict[str, tuple[Change, list[str]]] = {
    "empty": (lambda _: "", ["cells.csv' is empty"]),
    "only a header": (lambda text: text.splitlines()[0] + "\n", ["no rows"]),
    "a text in a number": (lambda text: text.replace("\n", ",\n", 0).replace(",1,", ",one,", 1), ["'cycle'", "row 2"]),
    "a missing column": (lambda text: text.replace("discharge_capacity_Ah", "capacity", 1), ["discharge_capacity_Ah"]),
    "ragged": (lambda text: text + "a,b,c,d,e,f,g,h,i,j\n", ["the header has 6 fields, row 3002 has 10"]),
    "constant": (
        lambda text: (
            "cell_id,cycle,discharge_capacity_Ah,is_outlier\n"
            + "".join(f"c{i},{n},1.0,0\n" for i in range(10) for n in range(1, 200))
        ),
        ["'discharge_capacity_Ah' is 1 in every training window"],
    ),
    "too short": (lambda text: "\n".join(text.splitlines()[:40]) + "\n", ["70 consecutive rows"]),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_broken_table(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = small_run.write(tmp_path)
    change, parts = TABLES[name]
    table = tmp_path / "cells.csv"
    table.write_text(change(table.read_text()))
    code, message = run(capsys, "compress", str(path), "--out", str(tmp_path / "out"))
    assert code == 2, message
    assert "Traceback" not in message
    for part in parts:
        assert part in message
    assert not (tmp_path / "out" / "data").exists()


def test_arguments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = small_run.write(tmp_path)
    assert run(capsys, "compress") == (2, "edgekd: Missing argument 'NAME.yaml'.\n  hint: edgekd --help\n")
    assert run(capsys, "frobnicate")[0] == 2
    code, message = run(capsys, "init", str(path))
    assert code == 2
    assert "exists and is left as it is" in message
    code, message = run(capsys, "check", str(tmp_path / "none.yaml"))
    assert code == 2
    assert "none.yaml: No such file or directory" in message
    code, message = run(capsys, "report", str(tmp_path))
    assert code == 2
    assert "is this the folder of a finished run?" in message


@pytest.mark.skipif(os.getuid() == 0 and not shutil.which("setpriv"), reason="setpriv is not installed")
def test_a_folder_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = small_run.write(tmp_path)
    (tmp_path / "file").write_text("in the way")
    code, message = run(capsys, "compress", str(path), "--out", str(tmp_path / "file" / "out"))
    assert code == 1
    assert "cannot write" in message
    assert "Not a directory" in message
