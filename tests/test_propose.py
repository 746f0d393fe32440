"""Configurations proposed for tables: they are accepted, and say what a person would."""

import gzip
from pathlib import Path

import pytest

from edgekd.contracts.config import load_config
from edgekd.contracts.errors import DataError
from edgekd.contracts.examples import TASKS, example
from edgekd.contracts.task import TASKS as SECTIONS
from edgekd.data.prepared import plan
from edgekd.data.propose import propose
from edgekd.data.table import BUILT_IN

TABLES = {"forecast": "sample", "remaining": "sample", "estimate": "sample_charge", "classify": "sample_motion"}
WANTED = {
    "forecast": {"series": "cell_id", "order": "cycle", "ignore": "is_outlier", "group": "cell_id", "every": None},
    "remaining": {"series": "cell_id", "order": "cycle", "ignore": "is_outlier"},
    "estimate": {"series": "run", "order": "second", "every": 2.0},
    "classify": {"series": "recording", "order": "sample", "group": "person", "inputs": ["ax_g", "ay_g", "az_g"]},
}


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_an_example_that_its_table_fits(task: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(example(task, "x"))
    config = load_config(tmp_path / "x.yaml")
    assert config.task.kind == task and set(TASKS) == set(SECTIONS)
    parts = plan(config).description.parts
    assert all(part.windows > 100 for part in (parts.train, parts.val, parts.test))


@pytest.mark.parametrize("task", TASKS)
def test_proposals_for_the_built_in_tables(task: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(gzip.decompress(BUILT_IN[TABLES[task]].read_bytes()))
    (tmp_path / "x.yaml").write_text(propose(tmp_path / "t.csv", task, "x"))
    config = load_config(tmp_path / "x.yaml")
    assert {key: getattr(config.data, key) for key in WANTED[task]} == WANTED[task]
    assert config.task.kind == task
    assert plan(config).description.parts.train.windows > 100


REFUSED = {
    "nothing rises": ("a,b\n" + "x,1\ny,5\n" * 50, "no column rises steadily"),
    "empty": ("", "cannot be read"),
    "no rows": ("a,b\n", "no rows"),
    "no labels": ("s,o,q\n" + "".join(f"a,{i},{i % 7}\n" for i in range(50)), "no column that classify"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_tables_that_nothing_can_be_proposed_for(name: str, tmp_path: Path) -> None:
    text, words = REFUSED[name]
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match=words):
        propose(tmp_path / "t.csv", "classify", "x")
