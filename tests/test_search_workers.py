"""Several processes on one search: in one run folder, and in folders of their own that meet in a database."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import small_run
from small_run import Log, files, without_times

from edgekd.contracts.config import load_config
from edgekd.pipeline.search import study_name
from edgekd.pipeline.stages import compress
from edgekd.search.trials import Trials

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


def test_two_processes_make_what_one_makes(alone: Path, tmp_path: Path) -> None:
    compress(load_config(small_run.write(tmp_path, **SMALL)), tmp_path / "out", Log(), workers=2)
    assert files(tmp_path / "out") == files(alone)
    assert without_times(tmp_path / "out") == without_times(alone)


def test_a_model_that_was_removed_is_made_again(alone: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(alone, tmp_path / "out")
    name = json.loads((alone / "report" / "report.json").read_text())["chosen"]["name"]
    shutil.rmtree(tmp_path / "out" / "models" / name)
    compress(load_config(small_run.write(tmp_path, **SMALL)), tmp_path / "out", Log())
    assert files(tmp_path / "out") == files(alone)


def searching(folder: Path, config: Path, url: str, *more: str, command: str = "search") -> list[str]:
    words = [sys.executable, "-m", "edgekd", command, str(config), "--out", str(folder), "--workers", "1"]
    return [*words, "--storage", url, "--artifacts", str(config.parent / "store"), *more]


def test_workers_on_a_database_survive_kills_and_end_as_one_would(
    alone: Path, tmp_path: Path, postgresql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, rng = small_run.write(tmp_path, **SMALL), random.Random(1)
    for kill in range(3):
        process = subprocess.Popen(
            searching(tmp_path / f"w{kill % 2}", config, postgresql),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        time.sleep(rng.uniform(6, 12))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    # The heartbeats of those that were killed are a minute from being missed: what waits for them need not, here.
    name = study_name(load_config(config))
    for study in (name, f"{name}/jobs"):
        Trials(postgresql, study, objectives=3 if study == name else 1).free(everything=True)
    both = [
        subprocess.Popen(
            searching(tmp_path / f"w{n}", config, postgresql, "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for n in range(2)
    ]
    found: list[Any] = []
    for one in both:
        out, err = one.communicate(timeout=300)
        assert one.returncode == 0, err.decode()
        found.append(json.loads(out))
    assert found[0] == found[1]
    trials = Trials(postgresql, name, objectives=3)
    done = [trial.user_attrs["name"] for trial in trials.study.trials if trial.state.name == "COMPLETE"]
    report = without_times(alone)
    assert sorted(done) == sorted(one["name"] for one in report["candidates"])
    subprocess.run(searching(tmp_path / "w1", config, postgresql, command="compress"), check=True, capture_output=True)
    theirs = without_times(tmp_path / "w1")
    for key in ("candidates", "chosen", "comparisons"):
        for one in [theirs[key], *(theirs[key] if isinstance(theirs[key], list) else [])]:
            if isinstance(one, dict):
                one.pop("artifact", None)
        assert theirs[key] == report[key]


def test_a_shared_storage_needs_a_store(tmp_path: Path) -> None:
    config = small_run.write(tmp_path, **SMALL)
    words = [sys.executable, "-m", "edgekd", "search", str(config), "--out", str(tmp_path / "out")]
    found = subprocess.run([*words, "--storage", "sqlite:///x.db"], capture_output=True, text=True)
    assert found.returncode == 2
    assert "needs a store for models" in found.stderr and "--artifacts" in found.stderr


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
