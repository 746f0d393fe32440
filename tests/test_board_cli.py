"""From a run to a board on the command line: a virtual board is flashed, validated, fed and listened to."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import arduino_stand_in
import pytest
import small_run

pytest.importorskip("unicorn", reason="unicorn is not installed")
pytest.importorskip("serial", reason="pyserial is not installed")
pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed")

EDGEKD = [sys.executable, "-m", "edgekd"]


def edgekd(folder: Path, *arguments: str, path: str | None = None) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | ({"PATH": path} if path else {}) | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    return subprocess.run([*EDGEKD, *arguments], cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of one candidate, runs/small."""
    folder = tmp_path_factory.mktemp("run")
    students = "{kinds: [gru], hidden: [4], rank: 2, epochs: 2}"
    small_run.write(folder, students=students, search="{candidates: 1}")
    done = edgekd(folder, "compress", "small.yaml")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[str]:
    """Where a virtual board with that run's sketch is."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    command = [*EDGEKD, "flash", "runs/small", "--board", "virtual"]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        found = re.search(r"/dev/pts/\d+", said)
        assert found, said
        yield found[0]
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0


def test_validate(folder: Path, port: str) -> None:
    done = edgekd(folder, "validate", "runs/small", "--port", port, "--windows", "5", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["windows"], found["equal"], found["lost"], found["board"]) == (5, 5, 0, "nano33ble")
    assert 0.98 < found["ratio"] < 1.02
    assert json.loads((folder / "runs" / "small" / "boards" / "virtual.json").read_text()) == found
    said = edgekd(folder, "validate", "runs/small", "--port", port, "--windows", "2").stdout
    assert "2 equal to the last bit, 0 lost" in said


def test_stream_is_what_predict_says(folder: Path, port: str) -> None:
    group = (folder / "cells.csv").read_text().splitlines()[1].split(",")[0]
    command = ["stream", "cells.csv", "--run", "runs/small", "--group", group, "--port", port, "--every", "25"]
    done = edgekd(folder, *command)
    assert done.returncode == 0, done.stderr
    rows = [line.split(",") for line in done.stdout.splitlines()]
    said = edgekd(folder, "predict", "runs/small", "cells.csv").stdout.splitlines()[1:]
    expected = {line.split(",")[1]: line.split(",")[2:] for line in said if line.split(",")[0] == group}
    assert len(rows) >= 5
    assert all(row[1:] == expected[row[0]] for row in rows)
    missing = edgekd(folder, "stream", "cells.csv", "--run", "runs/small", "--group", "none", "--port", port)
    assert missing.returncode == 2
    assert "has no group 'none'" in missing.stderr


def test_monitor_ends_when_told(folder: Path, port: str) -> None:
    done = edgekd(folder, "monitor", "--port", port, "--seconds", "0.5")
    assert done.returncode == 0, done.stderr


def test_flash_without_arduino_cli_and_without_a_board(folder: Path, tmp_path: Path) -> None:
    done = edgekd(folder, "flash", "runs/small", path=str(tmp_path))
    assert done.returncode == 3
    assert "arduino-cli is not installed" in done.stderr
    tool = arduino_stand_in.install(tmp_path / "bin")
    done = edgekd(folder, "flash", "runs/small", path=f"{tool}{os.pathsep}{os.environ['PATH']}")
    assert done.returncode == 6
    assert "no Arduino Nano 33 BLE is connected" in done.stderr
    assert arduino_stand_in.calls(tool) == []


def test_flash_dry_run_and_a_sketch_that_is_not_there(folder: Path) -> None:
    done = edgekd(folder, "flash", "runs/small", "--dry-run")
    assert done.returncode == 0
    assert "arduino-cli upload --profile nano33ble" in done.stdout
    done = edgekd(folder, "flash", "runs/small", "--sketch", "other", "--dry-run")
    assert done.returncode == 2
    assert "sketches there: ble, native, stream, tflm" in done.stderr


def test_a_board_that_is_not_there(folder: Path) -> None:
    done = edgekd(folder, "validate", "runs/small", "--port", "/dev/none")
    assert done.returncode == 6
    assert "there is no port /dev/none" in done.stderr
