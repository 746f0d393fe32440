"""A run folder: finished pieces are kept under their final names, whatever happens; nothing half-written ever is."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Protocol, Self

from edgekd import __version__
from edgekd.contracts.errors import DataError, EdgekdError

MANIFEST = "manifest.json"
_UNFINISHED = ".unfinished-"
_DISK = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENOTDIR)
)
"""Errors of the disk and of permissions; of others, as a file that is not found, the code that met them is to blame."""


class Progress(Protocol):
    """Told how far a run is. `start` names a piece of work of `total` steps, `advance` says how many are done."""

    def start(self, what: str, total: int) -> None: ...
    def advance(self, done: int) -> None: ...
    def finish(self) -> None: ...
    def kept(self, what: str) -> None: ...
    def note(self, text: str) -> None: ...


class Run:
    """The folder of one run, locked while it is open; processes started by its owner join it.

    manifest.json holds, for each finished piece, the key it was made from, its files with their sizes in bytes, and
    the seconds it took.
    """

    def __init__(self, folder: Path, progress: Progress, *, join: bool = False) -> None:
        self.folder, self.progress, self._join = folder, progress, join
        self._lock: IO[str] | None = None
        self._used: set[str] = set()

    def __enter__(self) -> Self:
        if self._join:
            return self
        with _storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = (self.folder / ".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise EdgekdError(
                f"{self.folder} is in use by another edgekd", hint="wait for it, or use another --out"
            ) from None
        for left in list(self.folder.rglob(f"{_UNFINISHED}*")):
            _remove(left)
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock:
            self._lock.close()

    def piece(
        self, name: str, key: Any, build: Callable[[Path], None], *, steps: int = 1, needs: tuple[str, ...] = ()
    ) -> Path:
        """The folder `name` below the run, built by `build(empty folder)` unless it is there for the same key.

        key: whatever the result depends on, as JSON; `needs` names pieces it is made from. A piece appears under its
        name only when it is complete.
        """
        final = self.folder / name
        digest = self._digest(name, key, needs)
        self._used.add(name)
        found = self._manifest().get(name, {})
        if final.is_dir() and found.get("key") == digest and found.get("files") == _sizes(final):
            self.progress.kept(name)
            return final
        begun = time.monotonic()
        self.progress.start(name, steps)
        with _storage_errors(self.folder, _DISK, hint="what is finished is kept; run the same command again"):
            unfinished, old = (final.with_name(f"{_UNFINISHED}{word}-{final.name}") for word in ("new", "old"))
            _remove(unfinished)
            unfinished.mkdir(parents=True)
            build(unfinished)
            _sync(unfinished)
            self._record(name, None)
            _remove(old)
            if final.exists():
                final.rename(old)
            unfinished.rename(final)
            _sync_one(final.parent)
            _remove(old)
            seconds = round(time.monotonic() - begun, 3)
            self._record(name, {"key": digest, "files": _sizes(final), "seconds": seconds})
        self.progress.finish()
        return final

    def holds(self, name: str) -> bool:
        """Whether the piece is there and whole, whatever it was made from."""
        return self._manifest().get(name, {}).get("files") == _sizes(self.folder / name)

    def seconds(self) -> dict[str, float]:
        """How long each piece asked for so far took, in the run that made it."""
        return {name: entry["seconds"] for name, entry in sorted(self._manifest().items()) if name in self._used}

    def _digest(self, name: str, key: Any, needs: tuple[str, ...]) -> str:
        manifest = self._manifest()
        inputs = {other: manifest[other]["key"] for other in needs}
        text = json.dumps([__version__, name, key, inputs], sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def _manifest(self) -> dict[str, Any]:
        path = self.folder / MANIFEST
        if not path.exists():
            return {}
        found = read_json(path)
        if not isinstance(found, dict) or not all(isinstance(entry, dict) for entry in found.values()):
            raise _damaged(path, "it does not hold the pieces of a run")
        return found

    def _record(self, name: str, entry: dict[str, Any] | None) -> None:
        with (self.folder / ".manifest.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            manifest = self._manifest()
            manifest.pop(name, None)
            write_json(self.folder / MANIFEST, manifest | ({name: entry} if entry else {}))


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a file so that its name always holds either the old or the whole new content, also after a crash."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    unfinished = path.with_name(f"{_UNFINISHED}{path.name}")
    with _storage_errors(path):
        try:
            with unfinished.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            with contextlib.suppress(OSError):
                unfinished.unlink()


def write_json(path: Path, value: Any) -> None:
    """Canonical JSON: sorted keys, no NaN. Written atomically."""
    write_atomic(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file of a run. DataError when it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}", hint="is this the folder of a finished run?") from None
    except (ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from None


def _damaged(path: Path, why: str) -> DataError:
    return DataError(f"{path} is damaged: {why}", hint="remove it and run edgekd compress again")


def _sizes(folder: Path) -> dict[str, int]:
    """Bytes of every file below `folder`, by its name: enough to see that one was removed or cut."""
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def _remove(path: Path) -> None:
    """Remove a file, or a folder with all in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Have the disk hold every file of `folder` before its name appears."""
    for path in (folder, *folder.rglob("*")):
        _sync_one(path)


def _sync_one(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _storage_errors(path: Path, among: frozenset[int] | None = None, *, hint: str | None = None) -> Iterator[None]:
    """A full disk or a folder that cannot be written is the user's to solve: say which. Other errors pass."""
    try:
        yield
    except EdgekdError:
        raise
    except Exception as error:
        number = _error_number(error)
        if number is None or (among and number not in among):
            raise
        where = getattr(error, "filename", None) or path
        raise EdgekdError(f"cannot write {where}: {os.strerror(number)}", hint=hint) from error


def _error_number(error: Exception) -> int | None:
    """Number of a failed system call; safetensors, written in Rust, has it in the text only."""
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else None
