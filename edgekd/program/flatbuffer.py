"""Read flatbuffers without trusting them: every offset and length is checked against the file before it is used.

Format: https://flatbuffers.dev/internals/. Only forward offsets exist, and every vector must fit the file, so neither
cycles nor allocations beyond the file's own size are possible.
"""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.errors import ModelError

_FORMATS = {"int8": "<b", "uint8": "<B", "bool": "<?", "int32": "<i", "uint32": "<I", "float32": "<f", "uint64": "<Q"}


@dataclass(frozen=True)
class FlatbufferTable:
    """One table of a flatbuffer. Fields are read by their number in the schema; an absent one gives the default."""

    content: bytes
    start: int
    what: str

    def scalar(self, field: int, kind: str, default: float = 0) -> int | float | bool:
        """A number stored in the table itself."""
        at = self._field(field)
        return default if at is None else _unpack(self.content, at, _FORMATS[kind], self.what)

    def integer(self, field: int, kind: str = "int32", default: int = 0) -> int:
        """Read an integer field; `default` where it is absent."""
        return int(self.scalar(field, kind, default))

    def table(self, field: int, what: str) -> "FlatbufferTable | None":
        """A table the field points to, or None."""
        at = self._field(field)
        return None if at is None else FlatbufferTable(self.content, self._follow(at), what)

    def tables(self, field: int, what: str) -> list["FlatbufferTable"]:
        """A vector of tables."""
        at = self._field(field)
        if at is None:
            return []
        start, count = self._vector(at, 4)
        return [FlatbufferTable(self.content, self._follow(start + 4 * i), f"{what} {i}") for i in range(count)]

    def array(self, field: int, dtype: str) -> NDArray[Any] | None:
        """A vector of numbers, not copied; None when absent."""
        at = self._field(field)
        if at is None:
            return None
        start, count = self._vector(at, np.dtype(dtype).itemsize)
        return np.frombuffer(self.content, np.dtype(dtype).newbyteorder("<"), count, start)

    def text(self, field: int) -> str:
        """A string, '' when absent."""
        data = self.array(field, "uint8")
        return "" if data is None else data.tobytes().decode("utf-8", errors="replace")

    def _field(self, field: int) -> int | None:
        """Where the field is stored, or None: the table starts with the distance back to its vtable."""
        vtable = self.start - int(_unpack(self.content, self.start, "<i", self.what))
        size = int(_unpack(self.content, vtable, "<H", self.what))
        slot = 4 + 2 * field
        if slot + 2 > size:
            return None
        offset = int(_unpack(self.content, vtable + slot, "<H", self.what))
        return self.start + offset if offset else None

    def _follow(self, at: int) -> int:
        distance = int(_unpack(self.content, at, "<I", self.what))
        if distance == 0:
            raise ModelError(f"{self.what}: an offset at byte {at} points to itself")
        return at + distance

    def _vector(self, at: int, item_bytes: int) -> tuple[int, int]:
        start = self._follow(at)
        count = int(_unpack(self.content, start, "<I", self.what))
        if count * item_bytes > len(self.content) - start - 4:
            raise ModelError(
                f"{self.what}: {count} items of {item_bytes} bytes at byte {start} run past the end of file"
            )
        return start + 4, count


def root(content: bytes, what: str) -> FlatbufferTable:
    """The root table of a file."""
    return FlatbufferTable(content, int(_unpack(content, 0, "<I", what)), what)


def _unpack(content: bytes, at: int, form: str, what: str) -> int | float | bool:
    if at < 0 or at + struct.calcsize(form) > len(content):
        raise ModelError(
            f"{what}: offset {at} is outside the file of {len(content)} bytes", hint="is the file cut off?"
        )
    value: int | float | bool = struct.unpack_from(form, content, at)[0]
    return value
