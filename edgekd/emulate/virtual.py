"""A board that is not there: a sketch in the emulator behind a pseudo-terminal, which other programs open as a port.

    with VirtualBoard(Sketch(image, counting=True)) as board:
        board.port                       # as /dev/pts/3
        board.serve(lambda: False)       # until stopped

The sketch's own setup() and loop() run. The board's time passes with the cycles they take, and with the computer's
while nothing is to be done; the emulator is slower than the chip, so a busy board never has to wait for the clock.
"""

from __future__ import annotations

import contextlib
import math
import os
import random
import select
import time
import tty
from collections.abc import Callable, Sequence
from typing import Self

from edgekd.emulate.sketch import Sketch

TURN_S = 0.02
"""How often loop() runs when nothing comes in."""
BACKLOG_BYTES = 1 << 16
"""What waits for a program that does not read; more is lost."""


class VirtualBoard:
    """A board with faults on demand.

    noise: share of the bytes, each way, that arrive as another byte. resets: power is lost and comes back when so many
    bytes have been received in all. Both are the same each time for one seed. It is lost every `reset_every_s`, too.
    """

    def __init__(
        self,
        sketch: Sketch,
        *,
        noise: float = 0.0,
        resets: Sequence[int] = (),
        reset_every_s: float = math.inf,
        seed: int = 0,
    ) -> None:
        """Open the pseudo-terminal; the board is off until `serve`."""
        self.sketch = sketch
        self.noise = noise
        self.damaged = 0
        """Bytes that were changed."""
        self._resets = sorted(resets)
        self._reset_every_s = reset_every_s
        self._received = 0
        self._random = random.Random(seed)
        self._pending = bytearray()
        self._host, self._device = os.openpty()
        tty.setraw(self._device)
        os.set_blocking(self._host, False)
        self.port = os.ttyname(self._device)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._host)
        os.close(self._device)

    @property
    def resets_left(self) -> int:
        """How many of `resets` have not happened yet."""
        return len(self._resets)

    def serve(self, stopped: Callable[[], bool]) -> None:
        """Switch on and run until `stopped()`."""
        self._say(self.sketch.setup().encode("latin-1"))
        due = time.monotonic() + self._reset_every_s
        while not stopped():
            begun = time.monotonic()
            if begun >= due:
                due = begun + self._reset_every_s
                self.power_cycle()
            select.select([self._host], [self._host] if self._pending else [], [], TURN_S)
            self.sketch.pass_time(1e3 * (time.monotonic() - begun))
            try:
                self._take(os.read(self._host, 1024))
            except BlockingIOError:
                self._take(b"")
            self._send()

    def power_cycle(self) -> None:
        """Lose power: what was on its way is lost, and the sketch starts again."""
        self._pending.clear()
        self.sketch.reset()
        self._say(self.sketch.setup().encode("latin-1"))

    def _take(self, data: bytes) -> None:
        while self._resets and self._received + len(data) >= self._resets[0]:
            part = self._resets.pop(0) - self._received
            self._run(data[:part])
            data = data[part:]
            self.power_cycle()
        self._run(data)

    def _run(self, data: bytes) -> None:
        self._received += len(data)
        if not self.sketch.halted:
            self._say(self.sketch.exchange(self._disturb(data)))

    def _say(self, data: bytes) -> None:
        self._pending += self._disturb(data)
        del self._pending[:-BACKLOG_BYTES]

    def _disturb(self, data: bytes) -> bytes:
        if not self.noise:
            return data
        out = bytearray(data)
        for i in range(len(out)):
            if self._random.random() < self.noise:
                out[i] ^= self._random.randrange(1, 256)
                self.damaged += 1
        return bytes(out)

    def _send(self) -> None:
        with contextlib.suppress(BlockingIOError):
            del self._pending[: os.write(self._host, self._pending[:4096])]
