"""Cross-compile C for a board with arm-none-eabi-gcc or, where that is missing, with the ziglang wheel's clang.

    image = compile_image([Path("model.c")], [Path("include")], load_board("nano33ble"), Path("build/model.elf"),
                          entries=["model_run"])
    image.flash_bytes, image.static_ram_bytes, image.symbols["model_run"].size

No C library and no start-up code but edgekd's own is linked, so the sizes are those of the model and little else.
"""

from __future__ import annotations

import bisect
import functools
import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from edgekd.contracts.board import Board, resource
from edgekd.contracts.errors import ConfigError, DoesNotFit, EdgekdError, ToolMissing

Kind = Literal["gcc", "zig"]
Profile = Literal["speed", "arduino"]

COMMON_FLAGS = ("-ffp-contract=off", "-ffunction-sections", "-fdata-sections")
"""No contraction: a * b + c rounds twice, as in the reference. One section per symbol: unused ones are dropped."""

PROFILES: Mapping[Profile, tuple[str, ...]] = {
    "speed": ("-O2",),
    # What Arduino's mbed core passes (with its GCC 7; the optimizer here is the installed one's).
    "arduino": ("-Os", "-funsigned-char"),
}

CXX_SUFFIXES = (".cpp", ".cc", ".ino")
CXX_FLAGS = ("-x", "c++", "-std=gnu++14", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics")
"""As Arduino's cores: a sketch is C++ without exceptions and run-time types."""

_RAM_REGION_BYTES = 0x20000000
"""The Armv7-M memory map gives RAM a region of this size."""


@dataclass(frozen=True)
class Compiler:
    """A cross-compiler that is installed."""

    kind: Kind
    command: tuple[str, ...]
    version: str
    """Name and version, for people."""


@dataclass(frozen=True)
class Symbol:
    """A named piece of the image. `size` in bytes; `address` without the Thumb bit."""

    name: str
    address: int
    size: int
    is_function: bool


@dataclass(frozen=True)
class Image:
    """A linked program for one board.

    flash_bytes: what is written to flash (vector table, code, constants, initial values of .data).
    static_ram_bytes: .data and .bss. `symbols` has one entry per name; of equally named static symbols, one.
    """

    path: Path
    board: Board
    toolchain: Compiler
    profile: Profile
    flags: tuple[str, ...]
    flash_bytes: int
    static_ram_bytes: int
    hard_float: bool
    symbols: Mapping[str, Symbol]
    functions: tuple[Symbol, ...]
    """Every function, static ones included, by address."""
    segments: tuple[tuple[int, bytes], ...]
    """(load address, contents)."""

    @property
    def compiler(self) -> str:
        """Name and version of the compiler, for reports."""
        return self.toolchain.version

    def symbol(self, name: str) -> Symbol:
        """Find a symbol; EdgekdError with the nearest names when the linker did not keep one."""
        try:
            return self.symbols[name]
        except KeyError:
            raise EdgekdError(
                f"{self.path.name} has no symbol '{name}'",
                hint="name it in `entries`, or the linker drops it as unused",
            ) from None

    def function_at(self, address: int) -> Symbol | None:
        """Return the function that an address lies in."""
        index = bisect.bisect_right(self.functions, address, key=lambda function: function.address) - 1
        if index >= 0 and address < self.functions[index].address + max(self.functions[index].size, 2):
            return self.functions[index]
        return None

    def where(self, address: int) -> str:
        """Write an address as symbol+offset where it has a symbol."""
        function = self.function_at(address)
        if function is None:
            return f"0x{address:08x}"
        return f"{function.name}+0x{address - function.address:x}"


def find_compiler(board: Board, prefer: Kind | None = None) -> Compiler:
    """Return the preferred compiler, or the first one installed: GCC, then zig. ToolMissing when there is none."""
    if not board.emulated:
        raise ConfigError(f"board '{board.name}' is not emulated", hint="use edgekd.emulate.host.HostLibrary")
    if prefer not in (None, *get_args(Kind)):
        raise ConfigError(f"unknown compiler '{prefer}'", hint="gcc or zig")
    for kind in (prefer,) if prefer else get_args(Kind):
        compiler = _installed(kind)
        if compiler:
            return compiler
    missing = {"gcc": "arm-none-eabi-gcc", "zig": "the ziglang package", None: "a compiler for Cortex-M"}[prefer]
    raise ToolMissing(f"{missing} is not installed", hint="pip install ziglang, or apt install gcc-arm-none-eabi")


@functools.cache
def _installed(kind: Kind) -> Compiler | None:
    if kind == "gcc":
        path = shutil.which("arm-none-eabi-gcc")
        if path is None:
            return None
        version = subprocess.run([path, "-dumpfullversion"], capture_output=True, text=True, check=False).stdout.strip()
        return Compiler("gcc", (path,), f"arm-none-eabi-gcc {version}")
    if importlib.util.find_spec("ziglang") is None:
        return None
    from importlib.metadata import version as package_version

    return Compiler("zig", (sys.executable, "-m", "ziglang", "cc"), f"ziglang {package_version('ziglang')} clang")


def compile_image(
    sources: Sequence[Path],
    include: Sequence[Path],
    board: Board,
    out: Path,
    *,
    entries: Iterable[str] = (),
    flags: Sequence[str] = (),
    profile: Profile = "speed",
    compiler: Compiler | None = None,
) -> Image:
    """Compile and link C and C++ sources with edgekd's start-up code into `out`, an ELF file.

    A `.ld` file, and an object file per C++ source, are left beside it; `.ino` files get Arduino.h, as Arduino does.

    entries: functions (and variables) to keep although main() does not use them; `Machine.call` can call these.
    flags: appended last, so they win over the profile's.
    No C library is linked, only memcpy, memmove, memset, memcmp and the compiler's own arithmetic.

    Raises EdgekdError with the compiler's first messages, DoesNotFit when flash or RAM overflow, ToolMissing.
    """
    compiler = compiler or find_compiler(board)
    harness = resource("firmware") / "harness"
    out.parent.mkdir(parents=True, exist_ok=True)
    script = out.with_suffix(".ld")
    script.write_text(_linker_script(board, entries, harness), encoding="utf-8")
    all_flags = (*_machine_flags(compiler, board, profile), *PROFILES[profile], *COMMON_FLAGS, *flags)
    common = [*compiler.command, *all_flags, *_library_flags(compiler, harness), *(f"-I{folder}" for folder in include)]
    files = [_object(common, path, board, out) if path.suffix in CXX_SUFFIXES else path for path in sources]
    files += [harness / "startup.c", harness / "memory.c"]
    _run(
        [*common, *map(str, files), "-Wl,--gc-sections", "-T", str(script), "-o", str(out)]
        + (["-lgcc"] if compiler.kind == "gcc" else ["-Wl,--entry=Reset_Handler"]),
        what=f"{', '.join(path.name for path in sources) or 'the empty image'} for {board.name}",
    )
    image = _read(out, board, compiler, profile, all_flags)
    _check_fit(image)
    return image


def check_syntax(source: Path, include: Sequence[Path], board: Board) -> None:
    """Have a C source read by the board's compiler, without making code. EdgekdError with its first messages."""
    compiler = find_compiler(board)
    _run(
        [*compiler.command, *_machine_flags(compiler, board, "speed"), "-std=c99", "-fsyntax-only"]
        + [*_library_flags(compiler, resource("firmware") / "harness"), *(f"-I{folder}" for folder in include)]
        + [str(source)],
        what=f"{source.name} for {board.name}",
    )


def _object(common: Sequence[str], source: Path, board: Board, out: Path) -> Path:
    """Compile one C++ source; `-Werror` would not forgive its flags in a command that also has C sources."""
    target = out.with_name(f"{out.stem}.{source.name}.o")
    arduino = ["-include", "Arduino.h"] if source.suffix == ".ino" else []
    _run([*common, *CXX_FLAGS, *arduino, "-c", str(source), "-o", str(target)], what=f"{source.name} for {board.name}")
    return target


def empty_image(board: Board, out: Path, *, profile: Profile = "speed", compiler: Compiler | None = None) -> Image:
    """Link start-up code and an empty main(): what any image costs before it does something."""
    return compile_image([], [], board, out, profile=profile, compiler=compiler)


@functools.cache
def empty_flash_bytes(board: Board, profile: Profile, compiler: Compiler) -> int:
    """Flash of the empty image, linked once per process."""
    with tempfile.TemporaryDirectory(prefix="edgekd-") as folder:
        return empty_image(board, Path(folder) / "empty.elf", profile=profile, compiler=compiler).flash_bytes


def _machine_flags(compiler: Compiler, board: Board, profile: Profile) -> tuple[str, ...]:
    if compiler.kind == "zig":
        if profile == "arduino":
            raise ConfigError("the arduino profile needs GCC", hint="apt install gcc-arm-none-eabi")
        return (*board.cpu.zig, "-fomit-frame-pointer", "-fno-unwind-tables", "-g0")
    abi = ("softfp" if profile == "arduino" else "hard") if board.fpu else "soft"
    return (*board.cpu.gcc, "-mthumb", f"-mfloat-abi={abi}")


def _library_flags(compiler: Compiler, harness: Path) -> tuple[str, ...]:
    if compiler.kind == "gcc":
        return ("-nostartfiles", "-nostdlib")
    return ("-isystem", str(harness / "include"))


def _linker_script(board: Board, entries: Iterable[str], harness: Path) -> str:
    kept = " ".join(entries)
    return "\n".join(
        [
            f"edgekd_flash_origin = 0x{board.flash_origin:08x};",
            f"edgekd_ram_origin = 0x{board.ram_origin:08x};",
            f"edgekd_ram_bytes = 0x{board.ram_bytes:x};",
            f"EXTERN({kept})" if kept else "",
            (harness / "image.ld").read_text(encoding="utf-8"),
        ]
    )


def _run(command: Sequence[str], *, what: str) -> None:
    """Run a compiler; EdgekdError with its first error lines."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode == 0:
        return
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    first = [line for line in lines if re.search(r"\berror\b|undefined (reference|symbol)", line)] or lines
    shown = "\n  ".join(first[:5]) or f"exit status {done.returncode}"
    raise EdgekdError(f"compiling {what} failed:\n  {shown}")


def _read(path: Path, board: Board, compiler: Compiler, profile: Profile, flags: tuple[str, ...]) -> Image:
    from elftools.elf.constants import SH_FLAGS
    from elftools.elf.elffile import ELFFile

    with path.open("rb") as file:
        elf = ELFFile(file)
        segments = tuple(
            (segment["p_paddr"], segment.data()) for segment in elf.iter_segments("PT_LOAD") if segment["p_filesz"] > 0
        )
        allocated = [section for section in elf.iter_sections() if section["sh_flags"] & SH_FLAGS.SHF_ALLOC]
        in_ram = [section for section in allocated if 0 <= section["sh_addr"] - board.ram_origin < _RAM_REGION_BYTES]
        symbols = _symbols(elf)
    flash_end = max(address + len(data) for address, data in segments)
    return Image(
        path=path,
        board=board,
        toolchain=compiler,
        profile=profile,
        flags=flags,
        flash_bytes=flash_end - board.flash_origin,
        static_ram_bytes=sum(section["sh_size"] for section in in_ram),
        hard_float="-mfloat-abi=hard" in flags or "thumb-freestanding-eabihf" in flags,
        symbols={symbol.name: symbol for symbol in symbols},
        functions=tuple(sorted((s for s in symbols if s.is_function), key=lambda symbol: symbol.address)),
        segments=segments,
    )


def _symbols(elf: object) -> list[Symbol]:
    """Functions, variables and linker symbols; global ones last, so that they win over static ones of the same name."""
    table = elf.get_section_by_name(".symtab")  # type: ignore[attr-defined]
    symbols = []
    for entry in table.iter_symbols():
        kind, binding = entry["st_info"]["type"], entry["st_info"]["bind"]
        if not entry.name or entry.name.startswith("$") or entry["st_shndx"] == "SHN_UNDEF":
            continue
        if kind not in ("STT_FUNC", "STT_OBJECT", "STT_NOTYPE"):
            continue
        is_function = kind == "STT_FUNC"
        address = entry["st_value"] & ~1 if is_function else entry["st_value"]
        symbols.append((binding == "STB_LOCAL", Symbol(entry.name, address, entry["st_size"], is_function)))
    return [symbol for _, symbol in sorted(symbols, key=lambda pair: not pair[0])]


def _check_fit(image: Image) -> None:
    board = image.board
    if image.flash_bytes > board.sketch_flash_bytes:
        raise DoesNotFit(
            f"{image.path.name} needs {image.flash_bytes:,} bytes of flash, "
            f"{board.name} has {board.sketch_flash_bytes:,}",
            hint="a smaller or sparser candidate, 4-bit weights, or a larger board",
        )
    if image.static_ram_bytes >= board.ram_bytes:
        raise DoesNotFit(
            f"{image.path.name} needs {image.static_ram_bytes:,} bytes of RAM for its variables alone, "
            f"{board.name} has {board.ram_bytes:,} for variables and stack",
            hint="make constant tables const, so that they stay in flash, or choose a larger board",
        )
