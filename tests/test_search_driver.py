"""The driver with work that sleeps, fails and dies."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_run import Log

from edgekd.contracts.errors import DoesNotFit, EdgekdError
from edgekd.run import Run
from edgekd.search.driver import Driver, Job
from edgekd.search.executor import Executor, InProcess, LocalPool

pytestmark = pytest.mark.heavy
WORK = "order_work:start"


def executor(folder: Path, processes: int) -> Executor:
    folder.mkdir(exist_ok=True)
    data = (str(folder),)
    return InProcess(WORK, data) if processes == 1 else LocalPool(WORK, data, processes)


def task(name: int, kind: str = "slow", **more: object) -> Job:
    return Job(piece=f"p{name}", kind=kind, key=[name], arguments=(name,), **more)  # type: ignore[arg-type]


def drive(folder: Path, tasks: list[Job], processes: int = 2) -> Log:
    log, workers = Log(), executor(folder.with_name(f"{folder.name}-workers"), processes)
    try:
        with Run(folder, log) as run:
            Driver(run, workers).make(tasks)
    finally:
        workers.stop()
    return log


def pieces(folder: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in folder.glob("*/x")}


def chained() -> list[Job]:
    """Six tasks, each followed by one that needs it."""
    return [task(n, followed_by=(task(10 + n, needs=(f"p{n}",)),)) for n in range(6)]


def test_any_number_of_processes_makes_the_same_pieces(tmp_path: Path) -> None:
    for processes in (1, 3):
        drive(tmp_path / str(processes), chained(), processes)
    assert pieces(tmp_path / "1") == pieces(tmp_path / "3")
    assert pieces(tmp_path / "1")["p13"] == b"133"
    assert len(list((tmp_path / "3-workers").glob("worker-*"))) == 3


def test_what_is_kept_is_not_made_again(tmp_path: Path) -> None:
    drive(tmp_path / "run", chained(), 1)
    log = drive(tmp_path / "run", chained(), 1)
    assert log.built == []
    assert len(log.skipped) == 12


def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    log = drive(tmp_path / "run", [task(n, "die once") for n in range(2)] + [task(n) for n in range(2, 6)])
    assert sorted(pieces(tmp_path / "run")) == [f"p{n}" for n in range(6)]
    assert any("a worker process ended" in note for note in log.notes)


def test_workers_that_always_die_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(EdgekdError, match=r"p\d: a worker process ended 3 times") as caught:
        drive(tmp_path / "run", [task(1, "die")])
    assert "memory" in str(caught.value.hint)


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_ends_the_run_with_its_own_message(tmp_path: Path, processes: int) -> None:
    begun = time.monotonic()
    with pytest.raises(DoesNotFit, match="1 does not fit") as caught:
        drive(tmp_path / "run", [task(1, "refuse"), task(2, "endless")], processes)
    assert caught.value.hint == "try less"
    assert time.monotonic() - begun < 20


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(what: object, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():  # type: ignore[operator]
            return True
        time.sleep(0.05)
    return False


DRIVE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import test_search_driver as tests
if __name__ == "__main__":
    tests.drive(Path(sys.argv[1]), [tests.task(n, "endless") for n in range(2)])
"""


def test_workers_end_when_the_driver_is_gone(tmp_path: Path) -> None:
    script = tmp_path / "drive.py"
    script.write_text(DRIVE)
    process = subprocess.Popen([sys.executable, script, tmp_path / "run", Path(__file__).parent])
    try:
        workers = tmp_path / "run-workers"
        assert until(lambda: len(list(workers.glob("worker-*"))) == 2, 60)
        pids = [int(path.name.partition("-")[2]) for path in workers.glob("worker-*")]
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        assert until(lambda: not any(map(alive, pids)), 3)
    finally:
        process.kill()
        process.wait()


def test_a_worker_killed_from_outside_is_replaced(tmp_path: Path) -> None:
    import threading

    folder = tmp_path / "run-workers"

    def kill_one() -> None:
        assert until(lambda: list(folder.glob("worker-*")), 60)
        os.kill(int(next(folder.glob("worker-*")).name.partition("-")[2]), signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    drive(tmp_path / "run", [task(n) for n in range(8)])
    killer.join()
    assert len(pieces(tmp_path / "run")) == 8
