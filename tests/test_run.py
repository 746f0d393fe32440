import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgekd.errors import EdgekdError
from edgekd.run import Run, read_json, write_atomic, write_json


class Quiet:
    def start(self, what: str, total: int) -> None: ...

    def advance(self, done: int) -> None: ...

    def finish(self) -> None: ...

    def kept(self, what: str) -> None: ...


def write(text: str):  # type: ignore[no-untyped-def]
    def build(folder: Path) -> None:
        (folder / "x").write_text(text)

    return build


def refuse(folder: Path) -> None:
    raise AssertionError("built again")


def test_a_piece_is_built_once_and_again_when_its_key_changes(tmp_path: Path) -> None:
    with Run(tmp_path, Quiet()) as run:
        assert (run.piece("a/b", {"k": 1}, write("one")) / "x").read_text() == "one"
        assert (run.piece("a/b", {"k": 1}, refuse) / "x").read_text() == "one"
        assert (run.piece("a/b", {"k": 2}, write("two")) / "x").read_text() == "two"
    with Run(tmp_path, Quiet()) as run:
        run.piece("a/b", {"k": 2}, refuse)
        assert list(run.seconds()) == ["a/b"]


def test_a_piece_is_built_again_when_what_it_needs_was(tmp_path: Path) -> None:
    with Run(tmp_path, Quiet()) as run:
        run.piece("first", 1, write("one"))
        run.piece("second", 1, write("one"), needs=("first",))
        run.piece("second", 1, refuse, needs=("first",))
        run.piece("first", 2, write("two"))
        assert (run.piece("second", 1, write("two"), needs=("first",)) / "x").read_text() == "two"


def test_a_failed_piece_leaves_the_old_one_and_no_rest(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "x").write_text("half")
        raise EdgekdError("stop")

    with Run(tmp_path, Quiet()) as run:
        run.piece("a", 1, write("one"))
        with pytest.raises(EdgekdError, match="stop"):
            run.piece("a", 2, fail)
        assert (tmp_path / "a" / "x").read_text() == "one"
        run.piece("a", 1, refuse)
    with Run(tmp_path, Quiet()):
        assert not list(tmp_path.rglob(".unfinished-*"))


def test_a_second_process_is_told(tmp_path: Path) -> None:
    with Run(tmp_path, Quiet()), pytest.raises(EdgekdError, match="in use by another edgekd"):
        Run(tmp_path, Quiet()).__enter__()
    with Run(tmp_path, Quiet()):
        pass


def test_a_full_disk_is_said_and_what_is_finished_stays(tmp_path: Path) -> None:
    """In a process that may write 10 kB per file."""
    code = f"""
import resource, signal
from pathlib import Path
from edgekd.errors import EdgekdError
from edgekd.run import Run
class Quiet:
    def __getattr__(self, name): return lambda *a: None
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
with Run(Path({str(tmp_path)!r}), Quiet()) as run:
    run.piece("small", 1, lambda folder: (folder / "x").write_bytes(bytes(5_000)))
    try:
        run.piece("large", 1, lambda folder: (folder / "x").write_bytes(bytes(50_000)))
    except EdgekdError as error:
        print(error, error.hint)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "cannot write" in result.stdout
    assert "File too large" in result.stdout
    assert "kept" in result.stdout
    assert (tmp_path / "small" / "x").stat().st_size == 5_000
    assert not (tmp_path / "large").exists()


def _work(folder: Path) -> None:
    def slow(text: str):  # type: ignore[no-untyped-def]
        def build(piece: Path) -> None:
            for i in range(20):
                (piece / f"{i}").write_text(text * 1000)

        return build

    with Run(folder, Quiet()) as run:
        for i in range(200):
            run.piece(f"p{i}", i, slow(str(i)))


def test_killed_at_any_time_no_half_piece_has_its_final_name(tmp_path: Path) -> None:
    rng = random.Random(1)
    context = multiprocessing.get_context("fork")
    for _ in range(20):
        worker = context.Process(target=_work, args=(tmp_path,))
        worker.start()
        time.sleep(rng.uniform(0.0, 0.15))
        if worker.pid:
            os.kill(worker.pid, signal.SIGKILL)
        worker.join()
        finished = [path for path in tmp_path.glob("p*") if path.is_dir()]
        assert all(len(list(path.iterdir())) == 20 for path in finished)
        if (tmp_path / "manifest.json").exists():
            assert set(json.loads((tmp_path / "manifest.json").read_text())) <= {path.name for path in finished}
    _work(tmp_path)
    assert len(list(tmp_path.glob("p*"))) == 200


def test_files_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_json(path, {"b": 1, "a": [1.5, "ü"]})
    assert path.read_text() == '{\n "a": [\n  1.5,\n  "ü"\n ],\n "b": 1\n}\n'
    with pytest.raises(ValueError):
        write_json(path, {"a": float("nan")})
    assert read_json(path) == {"b": 1, "a": [1.5, "ü"]}
    with pytest.raises(EdgekdError, match="cannot write"):
        write_atomic(tmp_path / "none" / "x", "text")
    path.write_text("{")
    with pytest.raises(EdgekdError, match="is damaged"):
        read_json(path)
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]
