"""Text of generated C, and files on disk: literals, names, templates, and a folder that is never left half-written."""

import contextlib
import functools
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.errors import ConfigError, EdgekdError

LINE = 120
# Words of C and C++, and the functions every sketch has.
_TAKEN = {
    "alignas", "alignof", "and", "asm", "auto", "bool", "break", "case", "catch", "char", "class", "const",
    "constexpr", "continue", "default", "delete", "do", "double", "else", "enum", "explicit", "export", "extern",
    "false", "float", "for", "friend", "goto", "if", "inline", "int", "long", "mutable", "namespace", "new",
    "noexcept", "not", "nullptr", "operator", "or", "private", "protected", "public", "register", "restrict",
    "return", "short", "signed", "sizeof", "static", "struct", "switch", "template", "this", "throw", "true", "try",
    "typedef", "typeid", "typename", "union", "unsigned", "using", "virtual", "void", "volatile", "while", "xor",
    "loop", "main", "setup",
}  # fmt: skip


def identifier(name: str) -> str:
    """`name` as a C and C++ identifier in lower case, fit to be a prefix: other characters become '_'.

    'model_' comes before what starts with a digit, is a word of the language, or would look like edgekd's own names.
    """
    text = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    if not text or text[0].isdigit() or text in _TAKEN or text.startswith("edgekd"):
        text = f"model_{text}".rstrip("_")
    return text


def float_literal(value: float | np.float32) -> str:
    """A C literal that reads back as exactly this float32. EdgekdError for NaN and infinity, which C cannot write."""
    single = np.float32(value)
    if not np.isfinite(single):
        raise EdgekdError(f"{value} cannot be a constant of the firmware")
    text = f"{single:.9g}"
    return text + ("f" if "." in text or "e" in text else ".0f")


def array_literal(values: NDArray[Any], indent: int = 4) -> str:
    """The elements of an array in C order, separated by commas, in lines of at most 120 characters."""
    flat = np.asarray(values).reshape(-1)
    write = {"f": float_literal, "u": "{}u".format}.get(flat.dtype.kind, _integer_literal)
    return "\n".join(_lines((write(value) for value in flat), " " * indent))


def comment(text: str) -> str:
    """Text for the inside of a C comment: what would begin or end one, or the line, is taken apart."""
    return " ".join(text.replace("*/", "* /").replace("/*", "/ *").split())


def word(text: str) -> str:
    """Text as one word for a C string, at most 48 characters: letters, digits, dots and dashes; others become _."""
    return re.sub(r"[^A-Za-z0-9.-]", "_", text)[:48] or "_"


def render(template: str, **values: Any) -> str:
    """Fill a template of edgekd/codegen/templates; a name that is not in `values` is an error."""
    return _environment().get_template(template).render(**values)


def write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files (relative path -> content) into a folder; others in it stay. Equal files are not touched.

    All are written under temporary names first, so that a full disk leaves the folder as it was.
    Raises ConfigError when the folder cannot be written.
    """
    contents = {name: text.encode() if isinstance(text, str) else text for name, text in files.items()}
    with _storage_errors(folder), contextlib.ExitStack() as leftovers:
        folder.mkdir(parents=True, exist_ok=True)
        new = {name: content for name, content in contents.items() if not _holds(folder / name, content)}
        written = {name: _temporary(folder, content, leftovers) for name, content in new.items()}
        for name, path in written.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            path.replace(folder / name)


def _integer_literal(value: Any) -> str:
    # The smallest integers have no literal of their own type: -2147483648 is a negated long.
    return f"({value + 1} - 1)" if value in (-(2**31), -(2**63)) else str(int(value))


def _lines(items: Iterable[str], indent: str) -> Iterator[str]:
    line = indent
    for item in items:
        if len(line) + len(item) + 1 > LINE and line != indent:
            yield line.rstrip()
            line = indent
        line += f"{item}, "
    yield line.rstrip()


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters |= {
        "float": float_literal,
        "integer": _integer_literal,
        "array": array_literal,
        "comment": comment,
        "word": word,
    }
    return environment


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def _temporary(folder: Path, content: bytes, leftovers: contextlib.ExitStack) -> Path:
    """A new file in `folder`, removed when `leftovers` closes unless it was renamed by then."""
    handle, name = tempfile.mkstemp(prefix=".unfinished-", dir=folder)
    leftovers.callback(Path(name).unlink, missing_ok=True)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    os.chmod(name, 0o644)
    return Path(name)


@contextlib.contextmanager
def _storage_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(f"cannot write to {folder}: {error.strerror}", hint="choose another --out") from None
