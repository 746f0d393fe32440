"""Nothing leaves the computer, and nothing is written but where the user was told: seen from outside, by strace."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from guide_blocks import run_blocks
from operator_cases import MAKERS

from edgekd import environment

ROOT = Path(__file__).resolve().parent.parent
WRITES = re.compile(
    r'(?:openat\((?:AT_FDCWD|\d+)(?:<(?P<folder>[^>]*)>)?, |(?:open|creat|mkdir)\()"(?P<path>[^"]*)"(?P<rest>.*)'
)
LOOPBACK = ("127.", "::1", "::ffff:127.", "/")
TRACED = "trace=openat,open,creat,mkdir,rename,connect,sendto,sendmsg,bind,chdir"

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


def tracer(folder: Path) -> tuple[list[str], dict[str, str]]:
    """A program that writes what another one does into `folder`/trace, without a network where the system permits it,
    and the variables it is run with: a home folder and a folder for temporary files of its own.
    """
    for name in ("home", "tmp"):
        (folder / name).mkdir(exist_ok=True)
    alone = ["unshare", "-rn"]
    if not shutil.which("unshare") or subprocess.run([*alone, "true"], capture_output=True).returncode:
        alone = []
    strace = ["strace", "-f", "-qq", "-y", "-s", "4096", "-e", TRACED, "-e", "signal=none", "-o", str(folder / "trace")]
    if subprocess.run([*alone, *strace, "true"], capture_output=True).returncode:
        pytest.skip("tracing is not permitted here")
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "OMP_NUM_THREADS")}
    own = {"HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"), "PYTHONDONTWRITEBYTECODE": "1"}
    return [*alone, *strace], kept | own | {"PYTHONPATH": str(ROOT)}


def traced(folder: Path, *words: str) -> str:
    """What a command does, system call by system call."""
    under, environment = tracer(folder)
    command = [*under, sys.executable, "-m", "edgekd", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return (folder / "trace").read_text(errors="replace")


def written(trace: str, folder: Path) -> set[str]:
    """Files and folders that were made or opened for writing."""
    paths = set()
    for line in trace.splitlines():
        call = WRITES.search(line)
        opened = call and ("mkdir(" in line or "creat(" in line or re.search("O_WRONLY|O_RDWR|O_CREAT", call["rest"]))
        if call and opened and not re.search(r"= -1 ", line):
            paths.add(os.path.normpath(os.path.join(call["folder"] or folder, call["path"])))
    return paths


def beyond_loopback(trace: str) -> list[str]:
    """Calls that reach for another computer, or for a server of names."""
    calls = []
    for line in trace.splitlines():
        address = re.search(r'(?:inet_addr\(|inet_pton\(AF_INET6, )"([^"]*)"', line)
        if address and not address[1].startswith(LOOPBACK):
            calls.append(line)
    return calls


def check(trace: str, folder: Path, *allowed: str) -> None:
    assert any(path.startswith(str(folder / allowed[0])) for path in written(trace, folder))
    assert beyond_loopback(trace) == []
    places = tuple(str(folder / name) for name in (*allowed, "tmp", "home/.cache/edgekd"))
    devices = ("/dev/null", "/dev/tty", "/dev/shm/", "/proc/", "/dev/pts", "/dev/ptmx")
    others = {path for path in written(trace, folder) if not path.startswith((*places, *devices))}
    assert others - {str(folder / "home/.cache"), str(folder / "runs")} == set()


@pytest.mark.heavy
def test_the_guide_to_forecasts_calls_nobody_and_writes_into_the_run_folder(tmp_path: Path) -> None:
    under, environment = tracer(tmp_path)
    printed = run_blocks("forecast", tmp_path, under=under, environment=environment)
    assert "no mistakes" in printed and "val MAE" in printed
    assert (tmp_path / "runs/battery/report/report.html").is_file()
    check((tmp_path / "trace").read_text(errors="replace"), tmp_path, "runs/battery")


def test_a_forecast_calls_nobody_and_writes_one_file(finished_run: Path, tmp_path: Path) -> None:
    trace = traced(tmp_path, "predict", str(finished_run / "out"), str(finished_run / "cells.csv"), "--out", "out.csv")
    check(trace, tmp_path, ".unfinished-")


def test_generated_code_calls_nobody_and_is_all_that_is_written(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(MAKERS["ADD", "int8"](np.random.default_rng(0), "int8"))
    check(traced(tmp_path, "codegen", "model.tflite", "--out", "code"), tmp_path, "code")


def test_the_watch_sees_what_it_looks_for(tmp_path: Path) -> None:
    trace = (
        '1 connect(3<socket:[1]>, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.0.0.2")}, 16) = 0\n'
        '1 openat(AT_FDCWD</w>, "/etc/x", O_WRONLY|O_CREAT, 0666) = 3</etc/x>\n'
        '1 openat(AT_FDCWD</w>, "read", O_RDONLY) = 3</w/read>\n'
    )
    assert len(beyond_loopback(trace)) == 1
    assert written(trace, tmp_path) == {"/etc/x"}


def test_usage_is_not_reported_and_own_settings_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    monkeypatch.delenv("FLWR_TELEMETRY_ENABLED", raising=False)
    environment.switch_telemetry_off()
    assert (os.environ["RAY_USAGE_STATS_ENABLED"], os.environ["FLWR_TELEMETRY_ENABLED"]) == ("1", "0")


def test_the_cache_is_where_it_is_told_to_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("EDGEKD_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert environment.cache() == tmp_path / ".cache" / "edgekd"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert environment.cache() == tmp_path / "x" / "edgekd"
    monkeypatch.setenv("EDGEKD_CACHE", str(tmp_path / "own"))
    assert environment.cache() == tmp_path / "own"
