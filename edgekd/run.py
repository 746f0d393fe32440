"""A run folder: finished pieces are kept under their final names, whatever happens; nothing half-written ever is."""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Protocol, Self

from edgekd import __version__
from edgekd.errors import EdgekdError

MANIFEST = "manifest.json"
_UNFINISHED = ".unfinished-"


class Progress(Protocol):
    """Told how far a run is. `start` names a piece of work of `total` steps, `advance` says how many are done."""

    def start(self, what: str, total: int) -> None: ...
    def advance(self, done: int) -> None: ...
    def finish(self) -> None: ...
    def kept(self, what: str) -> None: ...


class Run:
    """The folder of one run, locked while it is open.

    manifest.json holds, for each finished piece, the key it was made from and the seconds it took.
    """

    def __init__(self, folder: Path, progress: Progress) -> None:
        self.folder, self.progress = folder, progress
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        with _storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = (self.folder / ".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise EdgekdError(
                f"{self.folder} is in use by another edgekd", hint="wait for it, or use another --out"
            ) from None
        for left in self.folder.rglob(f"{_UNFINISHED}*"):
            shutil.rmtree(left, ignore_errors=True)
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
        if self._manifest().get(name, {}).get("key") == digest and final.is_dir():
            self.progress.kept(name)
            return final
        begun = time.monotonic()
        self.progress.start(name, steps)
        with _storage_errors(self.folder):
            unfinished = final.parent / (_UNFINISHED + final.name)
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            build(unfinished)
            _sync(unfinished)
            self._record(name, None)
            shutil.rmtree(final, ignore_errors=True)
            unfinished.rename(final)
            self._record(name, {"key": digest, "seconds": round(time.monotonic() - begun, 3)})
        self.progress.finish()
        return final

    def seconds(self) -> dict[str, float]:
        """How long each finished piece took, in the run that made it."""
        return {name: entry["seconds"] for name, entry in sorted(self._manifest().items())}

    def _digest(self, name: str, key: Any, needs: tuple[str, ...]) -> str:
        manifest = self._manifest()
        inputs = {other: manifest[other]["key"] for other in needs}
        text = json.dumps([__version__, name, key, inputs], sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def _manifest(self) -> dict[str, Any]:
        path = self.folder / MANIFEST
        if not path.exists():
            return {}
        found: dict[str, Any] = read_json(path)
        return found

    def _record(self, name: str, entry: dict[str, Any] | None) -> None:
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
            unfinished.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Canonical JSON: sorted keys, no NaN. Written atomically."""
    write_atomic(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file of a run. EdgekdError when it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EdgekdError(f"{path}: {error.strerror}", hint="is this the folder of a finished run?") from None
    except ValueError as error:
        raise EdgekdError(f"{path} is damaged: {error}", hint="remove it and run edgekd compress again") from None


def _sync(folder: Path) -> None:
    """Have the disk hold every file of `folder` before its name appears."""
    for path in folder.rglob("*"):
        if path.is_file():
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


@contextlib.contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    """A full disk or a folder that cannot be written is the user's to solve: say which, and what is kept."""
    try:
        yield
    except OSError as error:
        where = error.filename or path
        raise EdgekdError(
            f"cannot write {where}: {error.strerror}",
            hint=f"finished pieces in {path} are kept; run the same command again",
        ) from error
