"""A search by several processes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import small_run
from small_run import Log, files, without_times

from edgekd.contracts.config import load_config
from edgekd.pipeline.stages import compress

SMALL = {
    "teacher": "{kind: mlp, hidden: 4, members: 1, epochs: 1}",
    "students": "{kinds: [mlp, tcn], hidden: [4, 8], rank: 2, epochs: 1}",
    "search": "{candidates: 6, generation: 4, refine: 1, refine_epochs: 1, refine_seeds: 2, ablate: 0}",
}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one process."""
    folder = tmp_path_factory.mktemp("alone")
    compress(load_config(small_run.write(folder, **SMALL)), folder / "out", Log())
    return folder / "out"


@pytest.mark.heavy
def test_two_processes_make_what_one_makes(alone: Path, tmp_path: Path) -> None:
    compress(load_config(small_run.write(tmp_path, **SMALL)), tmp_path / "out", Log(), workers=2)
    assert files(tmp_path / "out") == files(alone)
    assert without_times(tmp_path / "out") == without_times(alone)


@pytest.mark.heavy
def test_a_model_that_was_removed_is_made_again(alone: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(alone, tmp_path / "out")
    name = json.loads((alone / "report" / "report.json").read_text())["chosen"]["name"]
    shutil.rmtree(tmp_path / "out" / "models" / name)
    compress(load_config(small_run.write(tmp_path, **SMALL)), tmp_path / "out", Log())
    assert files(tmp_path / "out") == files(alone)


@pytest.mark.heavy
def test_search_goes_on_only_when_told_to(alone: Path, tmp_path: Path) -> None:
    config = small_run.write(tmp_path, **SMALL)
    words = [sys.executable, "-m", "edgekd", "search", str(config), "--workers", "1"]
    found = subprocess.run([*words, "--out", str(alone)], capture_output=True, text=True)
    assert found.returncode == 2 and "--resume goes on" in found.stderr
    found = subprocess.run([*words, "--out", str(tmp_path / "new"), "--resume"], capture_output=True, text=True)
    assert found.returncode == 2 and "holds no search" in found.stderr
    found = subprocess.run([*words, "--out", str(alone), "--resume"], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert "val MAE" in found.stdout and "edgekd compress" in found.stdout
