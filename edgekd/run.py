"""A run folder: finished pieces are kept under their final names, whatever happens; nothing half-written ever is."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
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


Files = Mapping[str, bytes]
"""Content of files by their path below a folder."""


class Progress(Protocol):
    """Told how far a run is. `start` names a piece of work of `total` steps, `advance` says how many are done."""

    def start(self, what: str, total: int) -> None:
        """A piece of work of `total` steps begins."""

    def advance(self, done: int) -> None:
        """So many of its steps are done."""

    def finish(self) -> None:
        """It is done."""

    def kept(self, what: str) -> None:
        """A piece was there already."""

    def made(self, what: str, seconds: float) -> None:
        """A piece was made in so many seconds."""

    def note(self, text: str) -> None:
        """Something worth a line."""


@dataclass(frozen=True, kw_only=True)
class MadeFrom:
    """What a piece depends on: digest of its key, and digests of the pieces it was made from, by name."""

    key: str
    made_from: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class PieceRecord(MadeFrom):
    """A finished piece in the manifest. files: SHA-256 by path; seconds it took; at: when, in seconds since 1970."""

    files: Mapping[str, str]
    seconds: float
    at: float


class Run:
    """The folder of one run, locked while it is open. One process writes it.

    manifest.json holds, for each finished piece, a digest of the key it was made from, the digests of the pieces it was
    made from, the SHA-256 of each of its files, the seconds it took and when it was done (seconds since 1970); and a
    digest of all this.
    """

    def __init__(self, folder: Path, progress: Progress) -> None:
        self.folder, self.progress = folder, progress
        self._lock: IO[str] | None = None
        self._used: set[str] = set()
        self._pieces = Pieces(folder)

    def __enter__(self) -> Self:
        with storage_errors(self.folder):
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

    def piece(self, name: str, key: Any, build: Callable[[Path], None], *, needs: tuple[str, ...] = ()) -> Path:
        """The folder `name` below the run, built by `build(empty folder)` unless it is there, unchanged, for the same
        key and made from the same files.

        key: whatever the result depends on, as JSON; `needs` names pieces it is made from. A piece appears under its
        name only when it is complete. DataError when a needed piece is not as it was made.
        """
        if self.keeps(name, key, needs):
            self.progress.kept(name)
            return self.folder / name
        begun = time.monotonic()
        self.progress.start(name, 1)
        self._install(name, self._made_from(name, key, needs), build, lambda: time.monotonic() - begun)
        self.progress.finish()
        return self.folder / name

    def keeps(self, name: str, key: Any, needs: tuple[str, ...] = ()) -> bool:
        """Whether a piece is there, unchanged, for this key and made from the needed pieces as they are now."""
        made_from = self._made_from(name, key, needs)
        entry = self._pieces.manifest().get(name)
        if entry is None:
            return False
        changes = self._pieces.changes(name)
        if changes:
            self.progress.note(f"{changes[0]} since it was made: {name} is made again")
        if changes or (entry.key, entry.made_from) != (made_from.key, made_from.made_from):
            return False
        self._used.add(name)
        return True

    def store(self, name: str, key: Any, files: Files, seconds: float, *, needs: tuple[str, ...] = ()) -> None:
        """Keep a piece that was made elsewhere, in so many seconds."""
        self._install(name, self._made_from(name, key, needs), partial(write_files, files=files), lambda: seconds)

    def files(self, name: str) -> dict[str, bytes]:
        """The content of every file of a finished piece, by its path in the piece. DataError when one was changed."""
        self._pieces.require(name)
        root = self.folder / name
        return {file: (root / file).read_bytes() for file in self._pieces.files(name)}

    def seconds(self) -> dict[str, float]:
        """How long each piece asked for so far took, in the run that made it."""
        entries = self._pieces.manifest()
        return {name: entry.seconds for name, entry in sorted(entries.items()) if name in self._used}

    def finished_at(self, name: str) -> float:
        """When a piece was done, in seconds since 1970."""
        return self._pieces.manifest()[name].at

    def _made_from(self, name: str, key: Any, needs: tuple[str, ...]) -> MadeFrom:
        """What a piece depends on, now."""
        self._pieces.require(*needs)
        text = json.dumps([__version__, name, key], sort_keys=True, allow_nan=False)
        digests = {other: self._pieces.digest(other) for other in needs}
        return MadeFrom(key=hashlib.sha256(text.encode()).hexdigest(), made_from=digests)

    def _install(
        self, name: str, made_from: MadeFrom, build: Callable[[Path], None], seconds: Callable[[], float]
    ) -> None:
        """Build a piece under another name, and give it its own when all is on the disk."""
        final = self.folder / name
        with storage_errors(self.folder, _DISK, hint="what is finished is kept; run the same command again"):
            unfinished, old = (final.with_name(f"{_UNFINISHED}{word}-{final.name}") for word in ("new", "old"))
            _remove(unfinished)
            unfinished.mkdir(parents=True)
            build(unfinished)
            _sync(unfinished)
            self._pieces.record(name, None)
            _remove(old)
            if final.exists():
                final.rename(old)
            unfinished.rename(final)
            _sync_one(final.parent)
            _remove(old)
            record = PieceRecord(
                key=made_from.key,
                made_from=made_from.made_from,
                files=self._pieces.files(name),
                seconds=round(seconds(), 3),
                at=round(time.time(), 3),
            )
            self._pieces.record(name, record)
        self._used.add(name)


class Pieces:
    """The finished pieces of a run's folder, as its manifest says them, and whether their files are those recorded.

    A file is read once in the life of this object, and again when its size or time of change differs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._hashes: dict[Path, tuple[int, int, str]] = {}
        self._entries: dict[str, PieceRecord] = {}
        self._read = (-1, -1)

    def manifest(self) -> dict[str, PieceRecord]:
        """What manifest.json says of each piece. DataError when it is damaged or was edited."""
        path = self.folder / MANIFEST
        try:
            about = path.stat()
        except FileNotFoundError:
            return {}
        if self._read == (about.st_size, about.st_mtime_ns):
            return self._entries
        content = read_json(path)
        hint = f"remove {path} and run edgekd compress again: it makes everything again"
        if not isinstance(content, dict) or not isinstance(content.get("pieces"), dict) or len(content) != 2:
            raise DataError(f"{path} is damaged, or of another edgekd: it does not hold the pieces of a run", hint=hint)
        if content.get("sha256") != _digest(content["pieces"]):
            raise DataError(f"{path} is damaged: it was changed since it was written", hint=hint)
        try:
            self._entries = {name: PieceRecord(**entry) for name, entry in content["pieces"].items()}
        except TypeError as error:
            raise DataError(f"{path} is damaged, or of another edgekd: {error}", hint=hint) from None
        self._read = (about.st_size, about.st_mtime_ns)
        return self._entries

    def record(self, name: str, entry: PieceRecord | None) -> None:
        """Write down a finished piece, or that there is none of this name."""
        entries = {other: known for other, known in self.manifest().items() if other != name}
        if entry is None and len(entries) == len(self.manifest()):
            return
        entries |= {name: entry} if entry else {}
        pieces = {other: asdict(known) for other, known in entries.items()}
        write_json(self.folder / MANIFEST, {"pieces": pieces, "sha256": _digest(pieces)})

    def files(self, name: str) -> dict[str, str]:
        """SHA-256 of every file of a piece that is there, by its path below the piece."""
        root = self.folder / name
        return {
            path.relative_to(root).as_posix(): self._sha256(path) for path in sorted(root.rglob("*")) if path.is_file()
        }

    def digest(self, name: str) -> str:
        """One digest of all recorded files of a piece: what a piece made from it depends on."""
        return _digest(self.manifest()[name].files)

    def changes(self, name: str) -> list[str]:
        """What is not as it was when the piece was made, as sentences; none when nothing was changed."""
        entry = self.manifest().get(name)
        if entry is None:
            return [f"{name} is not finished"]
        recorded, there = entry.files, self.files(name)
        words = {file: "was removed" for file in recorded.keys() - there.keys()}
        words |= {file: "was added" for file in there.keys() - recorded.keys()}
        words |= {file: "was changed" for file in there.keys() & recorded.keys() if there[file] != recorded[file]}
        return [f"{name}/{file} {words[file]}" for file in sorted(words)]

    def require(self, *names: str) -> None:
        """DataError when one of these pieces is not as it was when it was made."""
        for name in names:
            changes = self.changes(name)
            if changes:
                raise DataError(
                    f"{self.folder / changes[0]} since it was made",
                    hint=f"edgekd check {self.folder} names all that was changed, edgekd compress makes it again",
                )

    def check(self) -> list[str]:
        """Everything in the folder that is not as it was made, or that stands for what is not there any more."""
        entries = self.manifest()
        changes = [change for name in sorted(entries) for change in self.changes(name)]
        for name, entry in sorted(entries.items()):
            for other, digest in entry.made_from.items():
                if other not in entries or self.digest(other) != digest:
                    changes.append(f"{name} was made from another {other}")
        return changes

    def _sha256(self, path: Path) -> str:
        about = path.stat()
        size, changed, digest = self._hashes.get(path, (-1, -1, ""))
        if (size, changed) != (about.st_size, about.st_mtime_ns):
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            self._hashes[path] = (about.st_size, about.st_mtime_ns, digest)
        return digest


def _digest(value: Any) -> str:
    """SHA-256 of a value as canonical JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, allow_nan=False).encode()).hexdigest()


def write_files(folder: Path, files: Mapping[str, str | bytes], *, sync: bool = False) -> None:
    """Write files (relative path -> content) into a folder, which is made; others stay, equal ones are not touched.

    All are written under temporary names first, so that a full disk leaves the folder as it was; with `sync` each name
    holds the old or the whole new content also when the machine loses power. EdgekdError when that cannot be done.
    """
    contents = {name: text.encode() if isinstance(text, str) else text for name, text in files.items()}
    with storage_errors(folder), contextlib.ExitStack() as leftovers:
        folder.mkdir(parents=True, exist_ok=True)
        new = {name: content for name, content in contents.items() if not _holds(folder / name, content)}
        written = {name: _temporary(folder, content, leftovers, sync) for name, content in new.items()}
        for name, path in written.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            path.replace(folder / name)


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write one file, whose folder exists, so that its name always holds the old or the whole new content."""
    with storage_errors(path):
        path.parent.stat()
    write_files(path.parent, {path.name: content}, sync=True)


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


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def _temporary(folder: Path, content: bytes, leftovers: contextlib.ExitStack, sync: bool) -> Path:
    """A new file in `folder`, removed when `leftovers` closes unless it was renamed by then."""
    handle, name = tempfile.mkstemp(prefix=_UNFINISHED, dir=folder)
    leftovers.callback(Path(name).unlink, missing_ok=True)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        if sync:
            file.flush()
            os.fsync(file.fileno())
    os.chmod(name, 0o644)
    return Path(name)


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
def storage_errors(path: Path, among: frozenset[int] | None = None, *, hint: str | None = None) -> Iterator[None]:
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
    match = re.search(r"\(os error (\d+)\)", str(error))
    return int(match[1]) if match else None
