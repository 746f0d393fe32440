"""From a sketch folder to a running board: find the port, compile, compare with the board's memory, upload."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekd.contracts.board import Board, board_names, load_board
from edgekd.deploy import arduino
from edgekd.deploy.ports import Port, check_access, find_port, in_bootloader, list_ports
from edgekd.run import Progress


@dataclass(frozen=True, kw_only=True)
class Flashed:
    """Where the sketch went, and what it takes there."""

    port: Port
    size: arduino.Size
    board: Board

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
    return [*notes, f"copy {sketch} to {staged}, with sketch.yaml:\n    {project}", *text]


def flash(
    sketch: Path,
    board: Board,
    folder: Path,
    *,
    port: str | None,
    progress: Progress,
    said: Callable[[str], None] = lambda line: None,
    ports: Callable[[], Sequence[Port]] = list_ports,
) -> Flashed:
    """Put a sketch on the board: staged and compiled below `folder`, then uploaded. said: told what is going on.

    Nothing is compiled before arduino-cli and exactly one board are there, nothing uploaded that is too large.
    Raises ToolMissing, BoardUnreachable, DoesNotFit and EdgekdError, each with what to do.
    """
    arduino.find_cli(board, arduino.used_libraries(sketch))
    for line in arduino.unsupported_libraries(sketch, board):
        said(f"note: {line}")
    found = find_port(board, ports(), [load_board(name) for name in board_names()], port)
    check_access(found.device)
    if in_bootloader(board, found):
        said(f"{board.title} at {found.device} is in its bootloader")
    staged = arduino.stage(sketch, board, folder)
    progress.start(f"compiling for {board.title}", 1)
    size = arduino.compile_sketch(staged, board, said)
    progress.finish()
    done = Flashed(port=found, size=size, board=board)
    for line in done.summary():
        said(line)
    progress.start(f"uploading to {found.device}", 1)
    arduino.upload(staged, board, found.device, said)
    progress.finish()
    return done
