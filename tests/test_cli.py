import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import small_run
from heard_signals import hear_signals
from operator_cases import MAKERS

from edgekd.cli.options import length_of_time
from edgekd.contracts.errors import ConfigError, DataError
from edgekd.program.reader import read_tflite

EDGEKD = [sys.executable, "-m", "edgekd"]


def edgekd(*arguments: str, **options: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*EDGEKD, *arguments], capture_output=True, text=True, **options)  # type: ignore[call-overload,no-any-return]


def test_help_loads_no_framework() -> None:
    code = (
        "import sys; sys.argv = ['edgekd', '--help']\n"
        "from edgekd.cli import main\n"
        "main()\n"
        "heavy = {'torch', 'tensorflow', 'onnx', 'onnxruntime', 'optuna', 'numpy', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    for command in ("init", "check", "compress", "report", "predict", "compare", "boards"):
        assert command in result.stdout


def test_help_is_quick() -> None:
    """In seconds of the processor: what it takes on a machine that does nothing else."""
    times = []
    for _ in range(3):
        begun = os.times()
        edgekd("--help")
        ended = os.times()
        times.append(ended.children_user + ended.children_system - begun.children_user - begun.children_system)
    assert 0 < min(times) < 0.6


def test_the_template_is_a_configuration_that_check_accepts(tmp_path: Path) -> None:
    result = edgekd("init", "My Battery.yaml", cwd=tmp_path)
    assert result.returncode == 0
    result = edgekd("check", "My Battery.yaml", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("My Battery.yaml: no mistakes")
    assert "48 groups" in result.stdout
    assert "train" in result.stdout
    assert "name: my_battery" not in result.stdout
    assert "name: my_battery" in edgekd("check", "My Battery.yaml", "--full", cwd=tmp_path).stdout


def test_boards_as_table_and_json() -> None:
    assert "nano33ble" in edgekd("boards").stdout
    known = {one["name"]: one for one in json.loads(edgekd("boards", "--json").stdout)}
    assert known["nano33ble"]["sketch_flash_bytes"] == 983_040


@pytest.mark.heavy
def test_ctrl_c_says_what_is_kept(tmp_path: Path) -> None:
    path = small_run.write(tmp_path, teacher="{kind: gru, hidden: 32, members: 8, epochs: 1000}")
    command = [*EDGEKD, "compress", str(path), "--out", str(tmp_path / "out")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=hear_signals)
    while not (tmp_path / "out" / "data").exists() and process.poll() is None:
        time.sleep(0.2)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, message = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "finished pieces are kept" in message
    assert "Traceback" not in message


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is not there")
def test_output_that_cannot_be_written() -> None:
    with open("/dev/full", "w") as full:
        result = subprocess.run([*EDGEKD, "boards", "--json"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 1
    assert "No space left on device" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_closed_pipe_is_quiet() -> None:
    read, write = os.pipe()
    os.close(read)
    result = subprocess.run([*EDGEKD, "boards", "--json"], stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert result.stderr == ""


def test_bugs_ask_to_be_reported(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['edgekd', 'boards']\n"
        "import edgekd.contracts.board, edgekd.cli\n"
        "edgekd.contracts.board.board_names = lambda: 1 / 0\n"
        "edgekd.cli.main()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 70
    assert "internal error: ZeroDivisionError" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("2h", 7200)])
def test_lengths_of_time_are_read(text: str, seconds: float) -> None:
    assert length_of_time(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "m", "10x", "-5m", "1.5h"])
def test_other_lengths_of_time_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="no length of time"):
        length_of_time(text)


def test_help_is_short_and_long() -> None:
    assert edgekd("-h").stdout == edgekd("--help").stdout
    assert edgekd("emulate", "-h").stdout == edgekd("emulate", "--help").stdout != ""


@pytest.mark.parametrize("name", ["foo", "foo.yaml", "foo.yml"])
def test_init_adds_the_suffix(name: str, tmp_path: Path) -> None:
    result = edgekd("init", name, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert re.search(r"^name: foo\b", (tmp_path / (name if "." in name else "foo.yaml")).read_text(), re.MULTILINE)
    assert edgekd("init", name, cwd=tmp_path).returncode == 2


def test_the_home_folder_is_expanded_where_the_shell_leaves_it(tmp_path: Path) -> None:
    home = os.environ | {"HOME": str(tmp_path)}
    assert edgekd("init", "~/foo", env=home).returncode == 0
    assert (tmp_path / "foo.yaml").is_file()
    result = edgekd("emulate", "~/none", env=home)
    assert (result.returncode, result.stderr.splitlines()[0]) == (
        2,
        f"edgekd: {tmp_path}/none: No such file or directory",
    )
    assert edgekd("init", "~no-such-user/foo", env=home).returncode == 2


def test_check_json(tmp_path: Path) -> None:
    path = small_run.write(tmp_path)
    found = json.loads(edgekd("check", str(path), "--json").stdout)
    assert found["ok"] and found["config"]["name"] == "small"
    assert found["plan"]["data"]["groups"] == 10
    path.write_text(path.read_text().replace("rank: 2", "rank: two"))
    result = edgekd("check", str(path), "--json")
    assert result.returncode == 2
    found = json.loads(result.stdout)
    assert not found["ok"]
    assert "students.rank" in "\n".join(found["problems"])


@pytest.mark.parametrize(
    "words",
    [
        ["check", "none"],
        ["compress", "none"],
        ["front", "none"],
        ["report", "none"],
        ["predict", ".", "none"],
        ["compare", "none", "."],
        ["codegen", "none", "--out", "x"],
        ["emulate", "none"],
        ["verify", "none"],
        ["flash", "none"],
        ["validate", "none"],
        ["monitor", "none"],
        ["stream", "none", "--group", "a"],
    ],
    ids=lambda words: words[0],
)
def test_what_is_not_there_is_told_before_anything_is_loaded(words: list[str]) -> None:
    code = (
        "import sys\n"
        "from edgekd.cli import main\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    assert not {'torch', 'tensorflow', 'onnx', 'optuna', 'numpy', 'pandas', 'yaml'} & set(sys.modules)\n"
    )
    result = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert result.returncode == 2, result.stderr
    assert result.stderr.startswith("edgekd: none: No such file or directory\n  hint: ")


@pytest.mark.parametrize("words", [["boards"], ["boards", "--json"], ["--help"], ["--version"]])
def test_closed_standard_output_is_no_error(words: list[str]) -> None:
    closed = partial(os.close, 1)
    result = subprocess.run([*EDGEKD, *words], stderr=subprocess.PIPE, text=True, preexec_fn=closed)
    assert (result.returncode, result.stderr) == (0, "")
    read, write = os.pipe()
    os.close(read)
    result = subprocess.run([*EDGEKD, *words], stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (result.returncode, result.stderr) == (0, "")


def test_files_are_not_written_into_closed_streams(tmp_path: Path) -> None:
    """With its standard streams closed, the first file that a process opens would become its output."""
    path = small_run.write(tmp_path)

    def close_all() -> None:
        for number in range(3):
            os.close(number)

    result = subprocess.run([*EDGEKD, "check", str(path), "--full"], preexec_fn=close_all)
    assert result.returncode == 0
    assert "mistakes" not in path.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_stop_as_ctrl_c_does(number: signal.Signals) -> None:
    code = (
        "import os, sys, edgekd.contracts.board\n"
        f"edgekd.contracts.board.board_names = lambda: os.kill(os.getpid(), {int(number)}) or []\n"
        "sys.argv = ['edgekd', 'boards']\n"
        "from edgekd.cli import main\n"
        "main()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, preexec_fn=hear_signals)
    assert result.returncode == 130
    assert "finished pieces are kept" in result.stderr


@pytest.mark.parametrize("name", [".", "..", "/", ""])
def test_init_wants_the_name_of_a_file(name: str, tmp_path: Path) -> None:
    result = edgekd("init", name, cwd=tmp_path)
    assert result.returncode == 2, result.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_compiler_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(MAKERS["ADD", "int8"](np.random.default_rng(0), "int8"))
    assert edgekd("codegen", "model.tflite", "--out", "code", cwd=tmp_path).returncode == 0
    result = edgekd("emulate", "code", "--compiler", "tcc", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (2, "edgekd: unknown compiler 'tcc'\n  hint: gcc or zig\n")


def damaged_windows() -> dict[str, bytes]:
    """Files that are not windows, or not any more."""
    array, several, objects = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.save(array, np.zeros((3, 4), np.int8))
    np.savez(several, a=np.zeros((3, 4), np.int8))
    np.savez(objects, a=np.array([{}], dtype=object))
    header = array.getvalue()
    return {
        "empty": b"",
        "text": b"1,2,3\n",
        "cut array": header[:-5],
        "cut header": header[:20],
        "cut archive": several.getvalue()[:-30],
        "objects": objects.getvalue(),
        "huge": header.replace(b"(3, 4)", b"(9999999999999, 4)").replace(b" " * 12, b"", 1),
        "damaged archive": several.getvalue()[:60] + b"\xff" * 40 + several.getvalue()[100:],
    }


@pytest.mark.parametrize("name", damaged_windows())
def test_windows_that_cannot_be_read(name: str, tmp_path: Path) -> None:
    from edgekd.program.graph_inputs import load_windows

    program = read_tflite(MAKERS["ADD", "int8"](np.random.default_rng(0), "int8"))
    (tmp_path / "windows").write_bytes(damaged_windows()[name])
    with pytest.raises(DataError) as caught:
        load_windows(tmp_path / "windows", program)
    assert "unsafe" not in str(caught.value)
