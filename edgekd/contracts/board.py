"""Boards: what a target has and costs, read from boards/*.yaml; and where the files shipped beside the code are."""

from __future__ import annotations

import dataclasses
import difflib
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edgekd.contracts.core import CORES, HOST, Core
from edgekd.contracts.errors import ConfigError, EdgekdError
from edgekd.contracts.yamlfile import Document, Position, read_yaml


@dataclass(frozen=True, kw_only=True)
class Board:
    """One target. Every number's source is a comment in its YAML file; `host` has only `name`, `title` and `core`."""

    name: str
    title: str
    core: str
    clock_hz: int = 0
    flash_origin: int = 0
    """First address of a sketch (after a bootloader, where there is one)."""
    flash_bytes: int = 0
    """Of the whole chip."""
    sketch_flash_bytes: int = 0
    """What a sketch may use: the limit for an image."""
    ram_origin: int = 0
    ram_bytes: int = 0
    flash_wait_states: int = 0
    """Extra cycles of an access that reaches the flash itself."""
    flash_line_bytes: int = 4
    """Bytes that one such access brings."""
    code_cache_bytes: int = 0
    data_cache_bytes: int = 0
    active_current_ma: float = 0.0
    supply_v: float = 0.0
    fqbn: str = ""
    """Arduino's fully qualified board name."""
    usb_ids: tuple[str, ...] = ()
    """vendor:product, lower-case hex: running a sketch first, then its bootloaders, or other debuggers it may have."""
    uf2_board_id: str = ""
    """What its bootloader's drive says it is; empty where the bootloader is no drive."""
    bootloader: str = ""
    """What a person does to start the bootloader, and sees then."""
    arduino_macro: str = ""
    """What its Arduino core defines when it compiles for this board."""
    timing_note: str = ""
    """What is loose in the timing model, to be printed next to every figure."""
    light_color: str = "#999999"
    """From here on: what its page and drawing say, made by scripts/draw_boards."""
    button: tuple[str, ...] = ()
    connect: str = ""
    expect: str = ""
    when_not_found: str = ""
    when_no_bootloader: str = ""
    when_no_permission: str = ""
    notes: str = ""
    more_faults: tuple[str, ...] = ()

    @property
    def emulated(self) -> bool:
        """Whether edgekd runs this board's machine code in the emulator."""
        return self.core != HOST

    @property
    def cpu(self) -> Core:
        """Its core. KeyError for `host`, which has none."""
        return CORES[self.core]

    @property
    def dsp(self) -> bool:
        """Whether the core has SMLAD and its kin."""
        return self.emulated and self.cpu.dsp

    @property
    def fpu(self) -> bool:
        """Whether the core adds and multiplies float32 in hardware."""
        return self.emulated and self.cpu.fpu


def resource(folder: Literal["firmware", "boards"]) -> Path:
    """Return the folder: inside the installed package, or beside the package in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for parent in (package, package.parent):
        if (parent / folder).is_dir():
            return parent / folder
    raise EdgekdError(f"edgekd's {folder}/ folder is missing beside {package}", hint="reinstall edgekd")


def board_names() -> tuple[str, ...]:
    """Names that `load_board` knows, sorted."""
    return tuple(sorted(path.stem for path in resource("boards").glob("*.yaml")))


@functools.cache
def load_board(name: str) -> Board:
    """Load a board by name, or from a file of your own when `name` ends in .yaml.

    Raises ConfigError for an unknown name, and for every unknown, missing or wrongly typed key of the file at once.
    """
    if name.endswith((".yaml", ".yml")):
        path = Path(name)
        if not path.is_file():
            raise ConfigError(f"board file {name} does not exist", hint=f"known boards: {', '.join(board_names())}")
    else:
        path = resource("boards") / f"{name}.yaml"
        if name not in board_names():
            close = difflib.get_close_matches(name, board_names(), n=1)
            meant = f", did you mean '{close[0]}'?" if close else ""
            raise ConfigError(f"unknown board '{name}'{meant}", hint=f"known boards: {', '.join(board_names())}")
    return _parse(path)


def _parse(path: Path) -> Board:
    document = read_yaml(path)
    if not isinstance(document.value, dict):
        raise ConfigError(f"{path}: must hold `key: value` lines", hint="copy a file of edgekd's boards/")
    problems, checked = _check(document)
    if problems:
        lines = [f"{line}:{column}: {what}" for (line, column), what in sorted(problems)]
        raise ConfigError("\n  ".join([f"{path}: {len(lines)} problem{'s' * (len(lines) > 1)}", *lines]))
    return Board(name=path.stem, **checked)


def _check(document: Document) -> tuple[list[tuple[Position, str]], dict[str, Any]]:
    """Return the problems found with their positions, and the values with their final types."""
    fields = {field.name: str(field.type) for field in dataclasses.fields(Board) if field.name != "name"}
    values: dict[str, Any] = document.value
    problems = [
        (document.position(path, key=True), f"{'.'.join(map(str, path))}: {what}") for path, what in document.problems
    ]
    checked = {}
    for key, value in values.items():
        if key not in fields:
            close = difflib.get_close_matches(str(key), fields, n=1)
            meant = f", did you mean '{close[0]}'?" if close else ""
            problems.append((document.position((key,), key=True), f"{key}: unknown key{meant}"))
            continue
        convert, wanted = _TYPES[fields[key]]
        try:
            checked[key] = convert(value)
        except (TypeError, ValueError):
            problems.append((document.position((key,)), f"{key}: must be {wanted} (got {value!r})"))
    core = checked.get("core")
    if core is not None and core not in (*CORES, HOST):
        problems.append(
            (document.position(("core",)), f"core: must be one of {', '.join((*CORES, HOST))} (got '{core}')")
        )
    needed = ["title", "core"] + ([] if core == HOST else _NEEDED_TO_EMULATE)
    problems += [((1, 1), f"{key}: required key is missing") for key in needed if key not in values]
    return problems, checked


_NEEDED_TO_EMULATE = [
    "clock_hz", "flash_origin", "flash_bytes", "sketch_flash_bytes", "ram_origin", "ram_bytes",
    "active_current_ma", "supply_v",
]  # fmt: skip


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0 or value >= 2**32:
        raise ValueError
    return value


def _quantity(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e6:
        raise ValueError
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError
    return tuple(_text(item) for item in value)


_TYPES: dict[str, tuple[Any, str]] = {
    "int": (_count, "a whole number from 0 to 4294967295"),
    "float": (_quantity, "a number, 0 or more"),
    "str": (_text, "text"),
    "tuple[str, ...]": (_texts, "a list of texts"),
}
