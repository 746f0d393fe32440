r"""Run an Arduino sketch on the emulated board: setup() and loop(), with text going in and out of Serial.

    sketch = Sketch(compile_sketch(Path("firmware/battery_native"), load_board("nano33ble"), Path("build/sketch.elf")))
    sketch.setup()                      # what setup() printed, for instance "self-test PASS: ..."
    sketch.send("1.07\n1.069\n")        # what loop() answered

Libraries other than edgekd's own are not there: this is for sketches that need none.
"""

from __future__ import annotations

from pathlib import Path

from edgekd.contracts.board import Board, resource
from edgekd.contracts.errors import ConfigError, EdgekdError
from edgekd.contracts.sketchbook import sketch_files
from edgekd.emulate.compiler import CXX_SUFFIXES, Compiler, Image, Profile, compile_image
from edgekd.emulate.machine import Machine

SETUP, LOOP = "edgekd_sketch_setup", "edgekd_sketch_loop"
PRINT_BYTES = 1 << 16
"""Most that one call may print."""
WAIT_MS = 10_000
"""Most that one call may wait: a sketch that waits for longer has stopped doing anything else."""

SERIAL, NVMC, DWT = 0x50001000, 0x4001E000, 0xE0001000
"""Pages of the devices a sketch sees: firmware/harness/arduino, the nRF52840's flash controller, the cycle counter."""
RECEIVED, READ, WRITE, MICROSECONDS, MILLISECONDS, WAIT, LOOK = range(0, 28, 4)
ICACHECNF, CYCCNT = 0x540, 0x4
MBED_LOOK_MS = 1
"""What `if (Serial)` takes on Arduino's mbed cores: USBCDC::operator bool() waits for it."""


def compile_sketch(
    folder: Path, board: Board, out: Path, *, profile: Profile = "speed", compiler: Compiler | None = None
) -> Image:
    """Compile the .ino, .cpp and .c files of a sketch folder, with edgekd's libraries beside it that it includes.

    ConfigError when there is no .ino among them.
    """
    files = sketch_files(folder)
    sources = [path for path in files if path.suffix in (*CXX_SUFFIXES, ".c")]
    if not any(path.suffix == ".ino" for path in sources):
        raise ConfigError(f"{folder} holds no sketch (.ino)", hint="name the folder that `edgekd compress` wrote")
    layer = resource("firmware") / "harness" / "arduino"
    return compile_image(
        [*sources, layer / "arduino.cpp"],
        [*dict.fromkeys(path.parent for path in files), layer],
        board,
        out,
        entries=(SETUP, LOOP),
        flags=("-DEDGEKD_HARNESS", *([f"-D{board.arduino_macro}"] if board.arduino_macro else [])),
        profile=profile,
        compiler=compiler,
    )


class Sketch:
    """A sketch on a board that was just reset. `halted`: it waits for ever, as sketches do after a failure;
    `stack_bytes`: the deepest its stack has been (with counting=True).

    Time passes with the cycles that the sketch takes (with counting=False: a millisecond with each look at the clock),
    when it waits, and by `pass_time`.
    """

    def __init__(self, image: Image, *, counting: bool = False) -> None:
        """Load the image. counting: keep what each call costs, in `machine.last`."""
        self.machine = Machine(image, counting=counting)
        self._waits_to_look = ":mbed_" in image.board.fqbn
        self.machine.map_device(SERIAL, self._read, self._write)
        self.machine.map_device(NVMC, lambda offset: self._nvmc.get(offset, 0), self._write_nvmc)
        self.machine.map_device(DWT, self._read_dwt, lambda offset, value: None)
        self._clear()

    def reset(self) -> None:
        """Power-cycle the board: nothing is left but the program. Time starts again."""
        self.machine.reset()
        self._clear()

    @property
    def instruction_cache(self) -> bool:
        """Whether the sketch has switched on the nRF52840's cache."""
        return bool(self._nvmc.get(ICACHECNF, 0) & 1)

    def setup(self) -> str:
        """Set up; return what was printed."""
        return self._call(SETUP, "")

    def send(self, text: str) -> str:
        """Put text on the line, call loop() until all of it was read, and return what was printed."""
        return self._call(LOOP, text)

    def exchange(self, data: bytes) -> bytes:
        """The same with bytes; `setup` has run before."""
        return self._run(LOOP, data)

    def pass_time(self, ms: float) -> None:
        """Let time pass outside the sketch."""
        self._ms += ms

    @property
    def ms(self) -> float:
        """The board's time since reset."""
        running = self.machine.cycles_so_far() if self._running and self.machine.counting else 0
        return self._ms + 1e3 * (self._cycles + running) / self.machine.board.clock_hz

    @property
    def awake_ms(self) -> float:
        """How much of that time the core has computed and not slept (with counting=True)."""
        return 1e3 * self._cycles / self.machine.board.clock_hz

    def _clear(self) -> None:
        self.halted = self._running = False
        self.stack_bytes = 0
        self._in, self._out = bytearray(), bytearray()
        self._nvmc: dict[int, int] = {}
        self._ms, self._cycles, self._end_ms = 0.0, 0, 0.0

    def _call(self, function: str, text: str) -> str:
        if len(text) > PRINT_BYTES:
            raise EdgekdError(f"{len(text):,} characters at once, {PRINT_BYTES:,} at most", hint="send fewer lines")
        return self._run(function, text.encode("ascii")).decode("latin-1").replace("\r\n", "\n")

    def _run(self, function: str, data: bytes) -> bytes:
        if self.halted:
            raise EdgekdError(
                "the sketch has halted", hint="read what it printed; make a new Sketch to reset the board"
            )
        self._in += data
        self._out.clear()
        self._end_ms = self.ms + WAIT_MS
        self._running = True
        try:
            self.machine.call(function)
        finally:
            self._running = False
        if self.machine.counting:
            self._cycles += self.machine.cycles_so_far()
            self.stack_bytes = max(self.stack_bytes, self.machine.last.stack_bytes)
        return bytes(self._out)

    def _halt(self) -> None:
        self.halted = True
        self.machine.stop()

    def _read(self, offset: int) -> int:
        if offset == RECEIVED:
            return len(self._in)
        if offset == READ:
            return self._in.pop(0) if self._in else 0
        if offset in (MICROSECONDS, MILLISECONDS):
            self._wait(0 if self.machine.counting else 1)
            return int(self.ms if offset == MILLISECONDS else 1e3 * self.ms) & 0xFFFFFFFF
        return 0

    def _write(self, offset: int, value: int) -> None:
        if offset == WAIT:
            self._wait(value)
        if offset == LOOK and self._waits_to_look:
            self._wait(MBED_LOOK_MS)
        if offset == WRITE and not self.halted:
            self._out.append(value)
            if len(self._out) == PRINT_BYTES:
                self._halt()

    def _wait(self, ms: int) -> None:
        self._ms += ms
        if self.ms > self._end_ms:
            self._halt()

    def _write_nvmc(self, offset: int, value: int) -> None:
        self._nvmc[offset] = value

    def _read_dwt(self, offset: int) -> int:
        running = self.machine.cycles_so_far() if self.machine.counting else 0
        return (self._cycles + running) & 0xFFFFFFFF if offset == CYCCNT else 0
