"""From a run to a board on the command line: a virtual board is flashed, validated, fed and listened to."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import arduino_stand_in
import pytest
from processes import running
from typer.testing import CliRunner

from edgekd.cli import app
from edgekd.contracts.errors import BoardUnreachable, ConfigError, DataError
from edgekd.contracts.sketchbook import sketch_files

pytest.importorskip("unicorn", reason="unicorn is not installed")
pytest.importorskip("serial", reason="pyserial is not installed")
pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed")

EDGEKD = [sys.executable, "-m", "edgekd"]


def edgekd(folder: Path, *arguments: str, path: str | None = None) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | ({"PATH": path} if path else {}) | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    return subprocess.run([*EDGEKD, *arguments], cwd=folder, env=environment, capture_output=True, text=True)


def inside(*arguments: str) -> str:
    """What a command prints, run in this process, which has loaded everything."""
    result = CliRunner().invoke(app, list(arguments))
    if result.exception:
        raise result.exception
    return result.stdout


@pytest.fixture(scope="module")
def folder(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of its own, runs/small."""
    folder = tmp_path_factory.mktemp("run")
    shutil.copy(finished_run / "cells.csv", folder)
    shutil.copytree(finished_run / "out", folder / "runs" / "small")
    return folder


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[str]:
    """Where a virtual board with that run's sketch is."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    command = [*EDGEKD, "flash", "runs/small", "--board", "virtual"]
    with running(command, cwd=folder, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        found = re.search(r"/dev/pts/\d+", said)
        assert found, said
        yield found[0]
        process.terminate()
        assert process.wait(timeout=30) == 0


def test_validate(folder: Path, port: str) -> None:
    done = edgekd(folder, "validate", "runs/small", "--port", port, "--windows", "5", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["windows"], found["equal"], found["lost"], found["board"]) == (5, 5, 0, "nano33ble")
    assert 0.98 < found["ratio"] < 1.02
    assert json.loads((folder / "runs" / "small" / "boards" / "virtual.json").read_text()) == found
    said = inside("validate", str(folder / "runs" / "small"), "--port", port, "--windows", "2")
    assert "2 equal to the last bit, 0 lost" in said
    assert re.search(r"^  [\d,]+ cycles measured, [\d,]+ predicted$", said, re.MULTILINE)
    assert found["ms_measured"] == pytest.approx(found["cycles_measured"] / 64e3, rel=1e-3)


def test_validate_has_a_virtual_board_of_its_own(folder: Path) -> None:
    run = str(folder / "runs" / "small")
    threads = threading.active_count()
    said = inside("validate", run, "--board", "virtual", "--windows", "2")
    assert "2 equal to the last bit, 0 lost" in said
    assert threading.active_count() == threads
    for arguments in (["--board", "nano33ble"], ["--board", "virtual", "--port", "/dev/ttyACM0"]):
        with pytest.raises(ConfigError, match="validate takes --board virtual or a port"):
            inside("validate", run, *arguments)


def test_a_virtual_board_needs_no_framework_and_little_memory(folder: Path) -> None:
    code = (
        "import re, sys; from pathlib import Path; from edgekd.deploy.run_model import choose;"
        "from edgekd.pipeline.on_board import virtual_board;"
        "board = virtual_board(choose(Path('runs/small'))); board.__enter__();"
        "loaded = {'torch', 'tensorflow', 'pandas', 'optuna', 'onnx', 'onnxruntime', 'matplotlib'} & set(sys.modules);"
        "print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1], *loaded)"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True)
    kilobytes, *loaded = done.stdout.split()
    assert not loaded
    assert int(kilobytes) < 250_000


def test_what_was_measured_on_a_board_corrects_estimates_for_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    boards = folder / "runs" / "small" / "boards"
    boards.mkdir(exist_ok=True)
    for serial, board, ratio in (("A1B2", "nano33ble", 1.5), ("C3D4", "teensy40", 3.0), ("E5F6", "nano33ble", None)):
        line = dict.fromkeys(("requests", "unanswered", "damaged", "resets", "reloads"), 0)
        known = {"windows": 1, "equal": 1, "lost": 0, "line": line, "candidate": "gru4_w8a8_s00"}
        (boards / f"{serial}.json").write_text(json.dumps(known | {"serial": serial, "board": board, "ratio": ratio}))
    try:
        for one in json.loads(inside("front", "runs/small", "--json")):
            assert one["ms_on"]["A1B2"] == pytest.approx(1.5 * one["ms"], rel=1e-3)
            assert not {"C3D4", "E5F6"} & set(one["ms_on"])
        assert "ms on A1B2" in inside("front", "runs/small")
        said = inside("emulate", "runs/small")
        assert "ms on your board A1B2" in said and "C3D4" not in said
        other = inside("emulate", "runs/small", "--board", "teensy40")
        assert "ms on your board C3D4" in other and "A1B2" not in other
    finally:
        for serial in ("A1B2", "C3D4", "E5F6"):
            (boards / f"{serial}.json").unlink()


def test_stream_is_what_predict_says(folder: Path, port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    group = (folder / "cells.csv").read_text().splitlines()[1].split(",")[0]
    command = ["stream", "cells.csv", "--run", "runs/small", "--group", group, "--port", port, "--every", "25"]
    rows = [line.split(",") for line in inside(*command).splitlines()]
    said = inside("predict", "runs/small", "cells.csv").splitlines()[1:]
    expected = {line.split(",")[1]: line.split(",")[2:] for line in said if line.split(",")[0] == group}
    assert len(rows) >= 5
    assert all(row[1:] == expected[row[0]] for row in rows)
    with pytest.raises(DataError, match="has no series 'none'"):
        inside("stream", "cells.csv", "--run", "runs/small", "--group", "none", "--port", port)


def test_stream_finds_the_run_that_the_board_carries(
    folder: Path, port: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = (folder / "cells.csv").read_text().splitlines()[1].split(",")[0]
    command = ["stream", str(folder / "cells.csv"), "--group", group, "--port", port, "--every", "200"]
    monkeypatch.chdir(folder)
    assert len(inside(*command).splitlines()) == 2
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="there is no finished run below runs/"):
        inside(*command)


def test_monitor_ends_when_told(folder: Path, port: str) -> None:
    done = edgekd(folder, "monitor", "--port", port, "--seconds", "0.5")
    assert done.returncode == 0, done.stderr
    done = edgekd(folder, "monitor", "runs/small", "--port", port, "--seconds", "0.5", "--plot", "live.html")
    assert done.returncode == 0, done.stderr
    assert "small on Arduino Nano 33 BLE" in (folder / "live.html").read_text()
    with pytest.raises(BoardUnreachable, match="monitor has to know the port"):
        inside("monitor")


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
    assert "arduino-cli upload --json --profile nano33ble" in done.stdout
    assert "- ArduinoBLE (1.3.7)" in inside("flash", str(folder / "runs/small"), "--sketch", "ble", "--dry-run")
    done = edgekd(folder, "flash", "runs/small", "--sketch", "other", "--dry-run")
    assert done.returncode == 2
    assert "sketches there: ble, native, stream, tflm" in done.stderr


def test_a_board_that_is_not_there(folder: Path) -> None:
    done = edgekd(folder, "validate", "runs/small", "--port", "/dev/none")
    assert done.returncode == 6
    assert "there is no port /dev/none" in done.stderr


def test_flash_of_a_candidate(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    name = json.loads(Path("runs/small/report/report.json").read_text())["chosen"]["name"]
    assert name in inside("flash", "runs/small", "--model", name, "--dry-run")
    with pytest.raises(ConfigError, match="the run has no candidate 'other'"):
        inside("flash", "runs/small", "--model", "other", "--dry-run")
    with pytest.raises(ConfigError, match="no library for the ble sketch"):
        inside("flash", "runs/small", "--board", "virtual", "--sketch", "ble")


def test_flash_dry_run_loads_no_framework(folder: Path) -> None:
    code = (
        "import sys; from edgekd.cli import app; app(sys.argv[1:], standalone_mode=False);"
        "print([name for name in ('torch', 'onnx', 'tensorflow', 'optuna', 'pandas') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, "flash", "runs/small", "--dry-run"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


@pytest.mark.parametrize("kind", ["stream", "ble"])
def test_the_example_of_a_sensor_goes_into_the_sketch(folder: Path, tmp_path: Path, kind: str) -> None:
    """As the page of the board says: copied over it; every file then compiles."""
    sketch = next((folder / "runs" / "small" / "firmware").glob(f"*/small_{kind}"))
    sketchbook = shutil.copytree(sketch.parent, tmp_path / "mine")
    copy = sketchbook / sketch.name
    for path in (sketchbook / "libraries" / "edgekd" / "extras" / "ina219").iterdir():
        shutil.copy(path, copy)
    headers = Path(__file__).parent / "firmware" / "arduino"
    flags = ["-Wall", "-Wextra", "-Wconversion", "-Wdouble-promotion", "-Werror", "-fsyntax-only", "-I", str(headers)]
    flags += [flag for library in (sketchbook / "libraries").iterdir() for flag in ("-I", str(library / "src"))]
    for path in sketch_files(copy):
        if path.suffix in (".c", ".cpp", ".ino"):
            language = "c" if path.suffix == ".c" else "c++"
            done = subprocess.run(["g++", *flags, "-x", language, path], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
