"""Text of generated C: literals, comments, templates."""

import functools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.errors import EdgekdError
from edgekd.contracts.text import printable

LINE = 120
LONGEST_COMMENT = 4096
TemplateValues = dict[str, Any]
"""What a template asks for, by name."""


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
    """Text for the inside of a C comment, on one line.

    What would begin or end a comment is taken apart, and so are trigraphs; a backslash, which may continue a line,
    becomes a slash. What is not printable is shown as an escape.
    """
    line = printable(" ".join(text.split()), LONGEST_COMMENT).replace("\\", "/")
    for pair in ("*/", "/*", "??"):
        while pair in line:
            line = line.replace(pair, " ".join(pair))
    return line


def string_literal(text: str) -> str:
    """A C string literal of UTF-8 text. Bytes that are not plain ASCII letters or marks are octal escapes."""
    plain = "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\?' else f"\\{byte:03o}" for byte in text.encode()
    )
    return f'"{plain}"'


def word(text: str) -> str:
    """Text as one word for a C string, at most 48 characters: letters, digits, dots and dashes; others become _."""
    return re.sub(r"[^A-Za-z0-9.-]", "_", text)[:48] or "_"


def render(template: str, **values: Any) -> str:
    """Fill a template of edgekd/codegen/templates; a name that is not in `values` is an error."""
    return _environment().get_template(template).render(**values)


def _integer_literal(value: Any) -> str:
    # The smallest integers have no literal of their own type: -2147483648 is a negated long.
    if isinstance(value, str):
        return value
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
        "string": string_literal,
        "word": word,
    }
    return environment
