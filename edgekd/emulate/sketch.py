r"""Run an Arduino sketch on the emulated board: setup() and loop(), with text going in and out of Serial.

    sketch = Sketch(compile_sketch(Path("firmware/battery_native"), load_board("nano33ble"), Path("build/sketch.elf")))
    sketch.setup()                      # what setup() printed, for instance "self-test PASS: ..."
    sketch.send("1.07\n1.069\n")        # what loop() answered

Libraries other than edgekd's own files are not there: this is for sketches that need none.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgekd.board import Board, resource
from edgekd.emulate.compiler import CXX_SUFFIXES, Compiler, Image, Profile, compile_image
from edgekd.emulate.machine import Machine
from edgekd.errors import ConfigError, EdgekdError

SETUP, LOOP, HALT, SERIAL = "edgekd_sketch_setup", "edgekd_sketch_loop", "edgekd_sketch_halt", "edgekd_serial"
PRINT_BYTES = 1 << 16
"""Most that one call may print."""
WAIT_MS = 10_000
"""Most that one call may wait: a sketch that waits for longer has stopped doing anything else."""


def compile_sketch(
    folder: Path, board: Board, out: Path, *, profile: Profile = "speed", compiler: Compiler | None = None
) -> Image:
    """Compile the .ino, .cpp and .c files of a sketch folder. ConfigError when there is no .ino among them."""
    sources = sorted(path for path in folder.iterdir() if path.suffix in (*CXX_SUFFIXES, ".c"))
    if not any(path.suffix == ".ino" for path in sources):
        raise ConfigError(f"{folder} holds no sketch (.ino)", hint="name the folder that `edgekd compress` wrote")
    layer = resource("firmware") / "harness" / "arduino"
    return compile_image(
        [*sources, layer / "arduino.cpp"],
        [folder, layer],
        board,
        out,
        entries=(SETUP, LOOP, HALT, SERIAL),
        profile=profile,
        compiler=compiler,
    )


class Sketch:
    """A sketch on a board that was just reset. `halted`: it waits for ever, as sketches do after a failure."""

    def __init__(self, image: Image, *, counting: bool = False) -> None:
        """Load the image. counting: keep what each call costs, in `machine.last`."""
        self.machine = Machine(image, counting=counting)
        self.halted = False
        self._in = self._out = 0

    def setup(self) -> str:
        """Set up; return what was printed."""
        return self._call(SETUP, "")

    def send(self, text: str) -> str:
        """Put text on the line, call loop() until all of it was read, and return what was printed."""
        return self._call(LOOP, text)

    def _call(self, function: str, text: str) -> str:
        if self.halted:
            raise EdgekdError(
                "the sketch has halted", hint="read what it printed; make a new Sketch to reset the board"
            )
        if len(text) > PRINT_BYTES:
            raise EdgekdError(f"{len(text):,} characters at once, {PRINT_BYTES:,} at most", hint="send fewer lines")
        if not self._out:
            self._in, self._out = self.machine.alloc(PRINT_BYTES), self.machine.alloc(PRINT_BYTES)
        self.machine.write(self._in, text.encode("ascii"))
        pointers = [self._in, self._in + len(text), self._out, self._out + PRINT_BYTES, 0, WAIT_MS]
        self.machine.write(SERIAL, np.array(pointers, dtype=np.uint32))
        try:
            self.machine.call(function)
        except EdgekdError as error:
            if f"in {HALT}+" not in str(error):
                raise
            self.halted = True
        end = int(np.frombuffer(self.machine.read(SERIAL), dtype=np.uint32)[2])
        return self.machine.read(self._out, end - self._out).decode("latin-1").replace("\r\n", "\n")
