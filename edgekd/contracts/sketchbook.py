"""A sketchbook as Arduino knows it: a folder of sketches, and the libraries they share in `libraries/`."""

import re
from pathlib import Path

LIBRARIES = "libraries"
PROPERTIES = "library.properties"
_INCLUDE = re.compile(r"^\s*#\s*include\s*[<\"]([^>\"]+)[>\"]", re.MULTILINE)
_OWN = re.compile(r"^maintainer=edgekd$", re.MULTILINE)


def sketch_files(sketch: Path) -> list[Path]:
    """Files of a sketch and of edgekd's libraries beside it that it needs, sorted by name.

    As Arduino does, a library is taken as a whole when a file that is taken includes one of its headers. Libraries of
    others in the same sketchbook are left to Arduino.
    """
    libraries = [
        _files(properties.parent / "src")
        for properties in sorted((sketch.parent / LIBRARIES).glob(f"*/{PROPERTIES}"))
        if _OWN.search(properties.read_text(encoding="utf-8", errors="replace"))
    ]
    taken = _files(sketch)
    included = _included(taken)
    while needed := [files for files in libraries if included & {path.name for path in files}]:
        for files in needed:
            libraries.remove(files)
            taken += files
            included |= _included(files)
    return sorted(taken, key=lambda path: path.name)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []


def _included(files: list[Path]) -> set[str]:
    code = [path for path in files if path.suffix in (".ino", ".c", ".cpp", ".h")]
    return {name for path in code for name in _INCLUDE.findall(path.read_text(encoding="utf-8", errors="replace"))}
