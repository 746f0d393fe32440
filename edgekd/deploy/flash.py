"""From a sketch folder to a running board: find the port, compile, compare with the board's memory, upload."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgekd.contracts.board import Board, board_names, load_board
from edgekd.contracts.errors import BoardUnreachable, EdgekdError
from edgekd.deploy import arduino
from edgekd.deploy.bootloaders import Drive, copy_to_drive, drive_of, uf2_drives, usb_ids_present, waits_without_port
from edgekd.deploy.ports import Port, check_access, find_port, list_ports
from edgekd.run import Progress


@dataclass(frozen=True, kw_only=True)
class Flashed:
    """Where the sketch went, and what it takes there. port: None where none is known; images: what was compiled."""

    port: Port | None
    size: arduino.Size
    board: Board
    images: tuple[Path, ...] = ()

    def summary(self) -> list[str]:
        """Lines for people."""
        size, board = self.size, self.board
        return [
            f"flash {size.flash_bytes:>9,} of {board.sketch_flash_bytes:>9,} bytes"
            f" ({size.flash_bytes / board.sketch_flash_bytes:.1%}), with the core",
            f"RAM   {size.ram_bytes:>9,} of {board.ram_bytes:>9,} bytes ({size.ram_bytes / board.ram_bytes:.1%}),"
            " without stack and heap",
        ]


def plan(sketch: Path, board: Board, folder: Path, port: str | None) -> list[str]:
    """The commands that `flash` would run, as text; nothing is written, and no board is needed."""
    staged = folder / sketch.name
    device = port or "PORT"
    commands = [arduino.compile_command(staged, board), arduino.upload_command(staged, board, device)]
    text = [shlex.join(command) for command in commands]
    project = arduino.project_file(board, arduino.used_libraries(sketch)).rstrip().replace("\n", "\n    ")
    notes = [f"note: {line}" for line in arduino.unsupported_libraries(sketch, board)]
    return [*notes, f"copy {sketch} and its libraries to {staged}, with sketch.yaml:\n    {project}", *text]


def compile_only(
    sketch: Path,
    board: Board,
    folder: Path,
    *,
    progress: Progress,
    on_output: Callable[[str], None] = lambda line: None,
) -> Flashed:
    """Compile a sketch below `folder`; no board is needed. Raises ToolMissing, DoesNotFit and EdgekdError."""
    arduino.find_cli(board, arduino.used_libraries(sketch))
    for line in arduino.unsupported_libraries(sketch, board):
        on_output(f"note: {line}")
    staged = arduino.stage(sketch, board, folder)
    progress.start(f"compiling for {board.title}", 1)
    size = arduino.compile_sketch(staged, board, on_output)
    progress.finish()
    built = Flashed(port=None, size=size, board=board, images=tuple(arduino.images(staged)))
    for line in built.summary():
        on_output(line)
    return built


def how_to_copy(built: Flashed) -> list[str]:
    """What to do with the files of `compile_only`, for people."""
    lines = [f"compiled: {path}" for path in built.images]
    uf2 = [path for path in built.images if path.suffix == ".uf2"]
    if built.board.uf2_board_id and uf2:
        lines.append(f"copy {uf2[0].name} to the drive {built.board.uf2_board_id}")
    return [*lines, f"bootloader of {built.board.title}: {built.board.bootloader}"]


def flash(
    sketch: Path,
    board: Board,
    folder: Path,
    *,
    port: str | None,
    progress: Progress,
    on_output: Callable[[str], None] = lambda line: None,
    ports: Callable[[], Sequence[Port]] = list_ports,
    drives: Callable[[], Sequence[Drive]] = uf2_drives,
    usb_ids: Callable[[], set[str]] = usb_ids_present,
) -> Flashed:
    """Put a sketch on the board: staged and compiled below `folder`, then uploaded. on_output: told what is going on.

    Nothing is compiled before arduino-cli and exactly one board are there, nothing uploaded that is too large. A board
    may have a serial port, be the drive of its bootloader, or wait in a bootloader without a port.
    Raises ToolMissing, BoardUnreachable, DoesNotFit and EdgekdError, each with what to do.
    """
    arduino.find_cli(board, arduino.used_libraries(sketch))
    drive = drive_of(board, drives()) if port is None else None
    serial_port = None
    if drive is None:
        serial_port = _port(board, ports(), port, usb_ids)
    built = compile_only(sketch, board, folder, progress=progress, on_output=on_output)
    if drive is not None:
        uf2 = next((path for path in built.images if path.suffix == ".uf2"), None)
        if uf2 is None:
            raise EdgekdError(
                f"the core of {board.title} made no .uf2 file", hint="start the sketch that runs, then again"
            )
        progress.start(f"copying to {drive.path}", 1)
        copy_to_drive(uf2, drive)
        progress.finish()
        return built
    device = serial_port.device if serial_port else None
    progress.start(f"uploading to {device or 'the bootloader of ' + board.title}", 1)
    moved = arduino.upload(folder / sketch.name, board, device, on_output)
    progress.finish()
    if serial_port and moved and moved != serial_port.device:
        on_output(f"{board.title} is at {moved} now")
        return replace(built, port=Port(moved, serial_port.usb_id, serial_port.serial, serial_port.title))
    return replace(built, port=serial_port or (Port(moved) if moved else None))


def _port(board: Board, ports: Sequence[Port], wanted: str | None, usb_ids: Callable[[], set[str]]) -> Port | None:
    """The serial port of a board; None where it waits in a bootloader that has none."""
    try:
        serial_port = find_port(board, ports, [load_board(name) for name in board_names()], wanted)
    except BoardUnreachable:
        if wanted is None and waits_without_port(board, usb_ids()):
            return None
        raise
    check_access(serial_port.device)
    return serial_port
