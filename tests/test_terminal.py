"""Names from tables, models and folders reach the terminal as text; files that programs read keep the original."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import small_run
import yaml
from typer.testing import CliRunner

from edgekd import progress
from edgekd.cli import app
from edgekd.cli.output import show_tables

ESCAPES = "\x1b]0;title\x07\x1b[31m"
MARKS = "\u202egnp.\u2066x"
NAME = f"q{ESCAPES}{MARKS}[/red][bold]"
SHOWN = r"q\x1b]0;title\x07\x1b[31m\u202egnp.\u2066x[/red][bold]"
CELL = f"cell{ESCAPES}{MARKS}"


def edgekd(*words: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run([sys.executable, "-m", "edgekd", *words], cwd=cwd, capture_output=True, text=True)
    assert done.returncode != 70, done.stderr
    return done


def assert_safe(text: str) -> None:
    assert all(character.isprintable() or character == "\n" for character in text), ascii(text)


@pytest.fixture(params=["cells.csv", "cells.parquet"])
def hostile(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A configuration whose target column and groups have names that would change the terminal."""
    path = small_run.write(tmp_path)
    config = yaml.safe_load(path.read_text())
    table = pd.read_csv(tmp_path / "cells.csv").rename(columns={"discharge_capacity_Ah": NAME})
    table["cell_id"] = CELL + table["cell_id"]
    config["data"]["table"] = request.param
    config["data"]["inputs"] = [NAME]
    config["task"]["forecast"] = NAME
    path.write_text(yaml.dump(config, allow_unicode=False))
    if request.param.endswith("csv"):
        table.to_csv(tmp_path / request.param, index=False)
    else:
        table.to_parquet(tmp_path / request.param, index=False)
    return path


def test_check_shows_names_as_text_and_json_keeps_them(hostile: Path) -> None:
    done = edgekd("check", str(hostile), "--full", cwd=hostile.parent)
    assert done.returncode == 0, done.stderr
    assert_safe(done.stdout + done.stderr)
    whole = json.loads(edgekd("check", str(hostile), "--json", cwd=hostile.parent).stdout)
    assert whole["config"]["data"]["inputs"] == [NAME]


def test_mistakes_show_names_as_text(hostile: Path) -> None:
    for old, new in (("inputs:", "inputs: [none]\n  old:"), ("val: 0.2", "val: 0.99")):
        broken = hostile.with_name("broken.yaml")
        broken.write_text(hostile.read_text().replace(old, new))
        done = edgekd("check", str(broken), cwd=hostile.parent)
        assert done.returncode == 2
        assert_safe(done.stdout + done.stderr)


def test_a_report_shows_names_as_text(finished_run: Path, tmp_path: Path) -> None:
    shutil.copytree(finished_run / "out" / "report", tmp_path / "run" / "report")
    file = tmp_path / "run" / "report" / "report.json"
    changed = file.read_text().replace("discharge_capacity_Ah", json.dumps(NAME)[1:-1])
    file.write_text(changed)
    for words in (["report", "run"], ["front", "run"], ["compare", "run", "run"]):
        done = edgekd(*words, cwd=tmp_path)
        assert_safe(done.stdout + done.stderr)
        assert done.returncode in (0, 2), done.stderr
    whole = json.loads(edgekd("report", "run", "--json", cwd=tmp_path).stdout)
    assert whole["config"]["data"]["inputs"] == [NAME]


def test_tables_take_no_markup_and_no_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=NAME)
    table.add_column(NAME)
    table.add_row(NAME)
    table.add_row(Text(NAME))
    show_tables([table])
    shown = capsys.readouterr().out
    assert_safe(shown)
    assert shown.count("[bold]") == 4


def test_progress_shows_names_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.show() as lines:
        lines.start(NAME, 1)
        lines.finish()
        lines.kept(NAME)
        lines.note(NAME)
    shown = capsys.readouterr().err
    assert_safe(shown)
    assert shown.count(SHOWN) == 3


def test_files_named_with_escapes_are_shown_as_text(tmp_path: Path) -> None:
    done = edgekd("compress", f"{ESCAPES}.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert_safe(done.stderr)
    result = CliRunner().invoke(app, ["init", str(tmp_path / f"{ESCAPES[:4]}.yaml")])
    assert result.exit_code == 0
    assert_safe(result.stdout)
