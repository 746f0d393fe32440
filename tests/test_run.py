import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from edgekd.contracts.errors import DataError, EdgekdError
from edgekd.run import MANIFEST, Pieces, Run, read_json, write_atomic, write_files, write_json


class Quiet:
    def start(self, what: str, total: int) -> None: ...

    def advance(self, done: int) -> None: ...

    def finish(self) -> None: ...

    def kept(self, what: str) -> None: ...

    def made(self, what: str, seconds: float) -> None: ...

    def note(self, text: str) -> None: ...


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


def test_seconds_are_of_the_pieces_this_run_uses(tmp_path: Path) -> None:
    with Run(tmp_path, Quiet()) as run:
        run.piece("a", 1, write("one"))
        run.piece("b", 1, write("one"))
    with Run(tmp_path, Quiet()) as run:
        run.piece("b", 1, refuse)
        assert list(run.seconds()) == ["b"]


@pytest.mark.parametrize("damage", ["removed", "cut", "folder removed"])
def test_a_piece_that_was_damaged_is_built_again(tmp_path: Path, damage: str) -> None:
    with Run(tmp_path, Quiet()) as run:
        path = run.piece("a", 1, write("one")) / "x"
        if damage == "cut":
            path.write_text("o")
        else:
            path.unlink()
        if damage == "folder removed":
            path.parent.rmdir()
        assert (run.piece("a", 1, write("one")) / "x").read_text() == "one"


def test_a_piece_may_take_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("in the way")
    with Run(tmp_path, Quiet()) as run:
        assert (run.piece("a", 1, write("one")) / "x").read_text() == "one"


def test_left_over_files_and_folders_are_removed(tmp_path: Path) -> None:
    (tmp_path / "models" / ".unfinished-gru").mkdir(parents=True)
    (tmp_path / "models" / ".unfinished-gru" / "x").write_text("half")
    (tmp_path / ".unfinished-manifest.json").write_text("{")
    with Run(tmp_path, Quiet()):
        assert not list(tmp_path.rglob(".unfinished-*"))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}', "\0", "[" * 100_000])
def test_a_damaged_manifest_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with Run(tmp_path, Quiet()) as run, pytest.raises(DataError, match=r"manifest\.json is damaged"):
        run.piece("a", 1, write("one"))


def test_a_bug_in_a_build_is_not_called_a_problem_of_the_disk(tmp_path: Path) -> None:
    with Run(tmp_path, Quiet()) as run:
        with pytest.raises(FileNotFoundError):
            run.piece("a", 1, lambda folder: (folder / "none" / "x").write_text("") and None)
        with pytest.raises(ZeroDivisionError):
            run.piece("a", 1, lambda folder: print(1 / 0))


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
    """In a process that may write 10 kB per file; safetensors has errors of its own."""
    code = f"""
import resource, signal
from pathlib import Path
import numpy, safetensors.numpy
from edgekd.contracts.errors import EdgekdError
from edgekd.run import Run
class Quiet:
    def __getattr__(self, name): return lambda *a: None
def tensors(folder):
    safetensors.numpy.save_file({{"a": numpy.zeros(50_000)}}, folder / "x")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
with Run(Path({str(tmp_path)!r}), Quiet()) as run:
    run.piece("small", 1, lambda folder: (folder / "x").write_bytes(bytes(5_000)))
    for build in (lambda folder: (folder / "x").write_bytes(bytes(50_000)), tensors):
        try:
            run.piece("large", 1, build)
        except EdgekdError as error:
            print(error, error.hint)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = result.stdout.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert line.startswith("cannot write")
        assert line.endswith("File too large what is finished is kept; run the same command again")
    assert (tmp_path / "small" / "x").stat().st_size == 5_000
    assert not (tmp_path / "large").exists()


def test_a_folder_without_permission_is_said() -> None:
    """As a user that may only read: root may write everywhere."""
    code = """
import os, sys
from pathlib import Path
from edgekd.contracts.errors import EdgekdError
from edgekd.run import Run, write_atomic
if os.getuid() == 0:
    os.setuid(65534)
for use in (lambda path: Run(path, None).__enter__(), lambda path: write_atomic(path, "text")):
    try:
        use(Path(sys.argv[1]) / "out")
    except EdgekdError as error:
        print(error)
"""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o555)
        command = [sys.executable, "-c", code, folder]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = result.stdout.splitlines()
    assert [line.rsplit(": ")[-1] for line in lines] == ["Permission denied"] * 2
    assert all(line.startswith(f"cannot write {folder}/") for line in lines)


FILES, PIECES = 5, 60


def _work(folder: Path) -> None:
    def slow(text: str):  # type: ignore[no-untyped-def]
        def build(piece: Path) -> None:
            for i in range(FILES):
                (piece / f"{i}").write_text(text * 1000)

        return build

    with Run(folder, Quiet()) as run:
        for i in range(PIECES):
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
        assert all(len(list(path.iterdir())) == FILES for path in finished)
        if (tmp_path / "manifest.json").exists():
            assert set(Pieces(tmp_path).manifest()) <= {path.name for path in finished}
    _work(tmp_path)
    assert len(list(tmp_path.glob("p*"))) == PIECES


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


def test_files_are_written_into_folders_that_are_made(tmp_path: Path) -> None:
    write_files(tmp_path / "a" / "b", {"one.h": "1\n", "sub/two.bin": b"\0\1"})
    assert (tmp_path / "a/b/one.h").read_text() == "1\n"
    assert (tmp_path / "a/b/sub/two.bin").read_bytes() == b"\0\1"
    assert (tmp_path / "a/b/one.h").stat().st_mode & 0o777 == 0o644


def test_a_failure_leaves_the_folder_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path, {"one.h": "old"})
    real, opened = os.fdopen, []

    def full_disk(handle: int, mode: str) -> object:
        opened.append(handle)
        if len(opened) == 2:
            os.close(handle)
            raise OSError(28, "No space left on device")
        return real(handle, mode)

    monkeypatch.setattr(os, "fdopen", full_disk)
    with pytest.raises(EdgekdError, match="No space left on device"):
        write_files(tmp_path, {"one.h": "new", "two.h": "new"})
    assert [path.name for path in tmp_path.iterdir()] == ["one.h"]
    assert (tmp_path / "one.h").read_text() == "old"


def test_a_file_in_the_way_of_the_folder_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(EdgekdError, match=r"cannot write .*out"):
        write_files(tmp_path / "out", {"one.h": "1"})
