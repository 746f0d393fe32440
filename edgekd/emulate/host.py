"""Run generated C on this computer: compile it to a shared library and call it with NumPy buffers."""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.errors import EdgekdError, ToolMissing
from edgekd.emulate.compiler import _run

FLAGS = ("-O2", "-ffp-contract=off", "-fPIC", "-shared")


@functools.cache
def find_host_compiler() -> tuple[str, ...]:
    """Return the command of the first of cc, gcc, clang and `python -m ziglang cc`. ToolMissing when there is none."""
    for name in ("cc", "gcc", "clang"):
        path = shutil.which(name)
        if path:
            return (path,)
    if importlib.util.find_spec("ziglang"):
        return (sys.executable, "-m", "ziglang", "cc")
    raise ToolMissing("no C compiler for this computer is installed", hint="pip install ziglang")


class HostLibrary:
    """C functions compiled for this computer, called like those of a `Machine`.

        library = HostLibrary([Path("model.c")], [Path("include")], Path("build"))
        status = library.call("model_run", x, y)         # arrays are passed as pointers and written in place

    A wild pointer in the C code ends this process: run untrusted code on a `Machine` first.
    """

    def __init__(
        self,
        sources: Sequence[Path],
        include: Sequence[Path],
        folder: Path,
        *,
        flags: Sequence[str] = (),
        compiler: Sequence[str] | None = None,
    ) -> None:
        """Compile the sources into a library in `folder`. EdgekdError with the compiler's first messages."""
        folder.mkdir(parents=True, exist_ok=True)
        command = compiler or find_host_compiler()
        # A fresh name each time: the dynamic loader returns the old library for a path that it has already loaded.
        with tempfile.TemporaryDirectory(dir=folder, prefix="host-", ignore_cleanup_errors=True) as build:
            path = Path(build) / "host.so"
            _run(
                [*command, *FLAGS, *flags, *(f"-I{directory}" for directory in include), *map(str, sources)]
                + ["-o", str(path)],
                what=f"{', '.join(source.name for source in sources)} for this computer",
            )
            self._library = ctypes.CDLL(str(path))

    def call(self, symbol: str, *args: int | float | NDArray[np.generic]) -> int:
        """Call a function and return its 32-bit result (arbitrary for a void function).

        args: int for any integer of up to 32 bits, float for float32, a C-contiguous array for a pointer.
        """
        try:
            function = getattr(self._library, symbol)
        except AttributeError:
            raise EdgekdError(f"the host library has no function '{symbol}'") from None
        function.restype = ctypes.c_int32
        return int(function(*map(_argument, args)))

    def write(self, symbol: str, data: bytes | NDArray[np.generic]) -> None:
        """Overwrite the first bytes of a global variable."""
        raw = bytes(np.ascontiguousarray(data)) if isinstance(data, np.ndarray) else data
        ctypes.memmove(self._address(symbol), raw, len(raw))

    def read(self, symbol: str, size: int) -> bytes:
        """Read the first `size` bytes of a global variable."""
        return ctypes.string_at(self._address(symbol), size)

    def _address(self, symbol: str) -> int:
        try:
            return ctypes.addressof(ctypes.c_uint8.in_dll(self._library, symbol))
        except ValueError:
            raise EdgekdError(f"the host library has no variable '{symbol}'") from None


def _argument(value: int | float | NDArray[np.generic]) -> object:
    if isinstance(value, np.ndarray):
        if not value.flags.c_contiguous:
            raise ValueError("arrays passed to C must be C-contiguous")
        return ctypes.c_void_p(value.ctypes.data)
    if isinstance(value, float):
        return ctypes.c_float(value)
    return ctypes.c_uint32(value & 0xFFFFFFFF)
