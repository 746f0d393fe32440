"""A model on a board: samples in, integers and forecast out, over a line that may lose anything.

    device = Device(open_link("/dev/ttyACM0"))
    device.reset()
    device.push(window)                  # float32 [T, F] in physical units
    device.read().forecast               # float32 [O]

No answer is accepted unless it carries the digest of exactly the samples that were pushed.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.errors import BoardUnreachable, Disagreement
from edgekd.contracts.text import printable
from edgekd.deploy.link import Link

F32 = NDArray[np.float32]
State = tuple[int, str]
PROTOCOL = "2"
POWERED_UP: State = (0, "00000000")
MARKS = 99_999
"""Numbers that the digest may start from. A board that starts from 0 has lost power."""
LINE_CHARS = 64
"""Of samples in one request: short lines survive a bad cable more often."""
VALUES_PER_LINE = 8
TRANSFERS, RELOADS = 60, 200


@dataclass(frozen=True, kw_only=True)
class DeviceInfo:
    """What a board says about itself."""

    name: str
    candidate: str
    version: str
    sha256: str
    board: str
    inputs: int
    outputs: int
    window: int
    passed: bool
    """Whether its last self-test found every stored window equal."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What came out: integers int32 [O], forecast float32 [O]; its cycles, or `us` without a counter."""

    integers: NDArray[np.int32]
    forecast: F32
    cycles: int | None
    us: int | None


class Device:
    """A board that is connected. `losses` of the link counts what went wrong."""

    def __init__(self, link: Link) -> None:
        """Ask the board what it is. Disagreement when its self-test has failed."""
        self.link = link
        link.request("state")  # a short answer, which names the boot: resets are counted from here on
        self.about = self._about()
        if not self.about.passed:
            difference = printable(link.request("selftest").text.removeprefix("error: "))
            raise Disagreement(f"the board at {link.device} says: {difference}", hint="edgekd flash it again")
        self._history = np.empty((0, self.about.inputs), dtype=np.float32)
        self._mark = 0
        self._state = POWERED_UP

    def reset(self) -> None:
        """Forget all samples."""
        self._history = self._history[:0]
        self._clear()

    def push(self, samples: F32) -> None:
        """Send samples [N, F], in order. Each has arrived, as it is, when this returns."""
        if samples.ndim != 2 or samples.shape[1] != self.about.inputs:
            raise ValueError(f"samples are {list(samples.shape)}, expected [N, {self.about.inputs}]")
        for chunk in _chunks(samples):
            self._history = np.concatenate([self._history, chunk])[-self.about.window :]
            if not self._transfer(chunk):
                self._reload()

    def read(self) -> Prediction:
        """Run the model on the samples so far and fetch what came out."""
        for _ in range(RELOADS):
            answer = self._read()
            if answer is not None:
                return answer
            self._reload()
        raise self._hopeless()

    def _about(self) -> DeviceInfo:
        reply = self.link.request("info")
        sizes = [reply.number(key) for key in ("inputs", "outputs", "window")]
        texts = [reply.values.get(key, "") for key in ("name", "candidate", "version", "sha256", "board")]
        verdict = {"PASS": True, "FAIL": False}.get(reply.values.get("selftest", ""))
        if reply.values.get("protocol") != PROTOCOL or verdict is None or None in sizes or 0 in sizes or "" in texts:
            raise self._other_protocol()
        inputs, outputs, window = (size or 0 for size in sizes)
        name, candidate, version, sha256, board = map(printable, texts)
        return DeviceInfo(
            name=name, candidate=candidate, version=version, sha256=sha256, board=board,
            inputs=inputs, outputs=outputs, window=window, passed=verdict,
        )  # fmt: skip

    def _other_protocol(self) -> BoardUnreachable:
        return BoardUnreachable(
            f"the board at {self.link.device} speaks another protocol", hint="edgekd flash it with this version"
        )

    def _clear(self) -> None:
        self._mark = self._mark % MARKS + 1
        self._state = 0, f"{self._mark:08X}"
        for _ in range(TRANSFERS):
            if self.link.request(f"reset {self._mark}").state() == self._state:
                return
        raise self._hopeless()

    def _transfer(self, chunk: F32) -> bool:
        """Send a few samples. False when the board has others than it should have: it was reset, or heard noise."""
        before, after = self._state, _advance(self._state, chunk)
        for _ in range(TRANSFERS):
            reply = self.link.try_request("sample " + ";".join(_text(row) for row in chunk))
            state = (reply or self.link.request("state")).state()
            if state == after:
                self._state = after
                return True
            if state not in (before, (-1, "")):
                return False
        raise self._hopeless()

    def _reload(self) -> None:
        """Send the last window's samples again."""
        for _ in range(RELOADS):
            self.link.stats.reloads += 1
            self._clear()
            if all(self._transfer(chunk) for chunk in _chunks(self._history)):
                return
        raise self._hopeless()

    def _read(self) -> Prediction | None:
        predicted = self.link.request("predict")
        if predicted.state() != self._state:
            return None
        integers = self._values("integers")
        forecast = self._values("forecast") if integers is not None else None
        if integers is None or forecast is None:
            return None
        try:
            return Prediction(
                integers=np.array([int(text) for text in integers], dtype=np.int32),
                forecast=np.array([np.float32(text) for text in forecast], dtype=np.float32),
                cycles=predicted.number("cycles"),
                us=predicted.number("us"),
            )
        except (ValueError, OverflowError):
            raise self._other_protocol() from None

    def _values(self, word: str) -> list[str] | None:
        """All values of one kind; None when they are of other samples."""
        lines: list[str] = []
        for first in range(0, self.about.outputs, VALUES_PER_LINE):
            reply = self.link.request(f"{word} {first}")
            values = reply.values.get("values", "").split(",")
            if reply.state() != self._state or len(values) != min(VALUES_PER_LINE, self.about.outputs - first):
                return None
            lines += values
        return lines

    def _hopeless(self) -> BoardUnreachable:
        return BoardUnreachable(
            f"the line to {self.link.device} is too bad: samples do not arrive", hint="try another cable or USB port"
        )


def _chunks(samples: F32) -> list[F32]:
    """Parts whose text is about one line long."""
    if not len(samples):
        return []
    longest = max(len(_text(row)) + 1 for row in samples)
    rows = max(1, LINE_CHARS // longest)
    return [samples[at : at + rows] for at in range(0, len(samples), rows)]


def _text(row: F32) -> str:
    """Nine significant digits read back as the same float32."""
    return ",".join("nan" if math.isnan(value) else f"{value:.9g}" for value in row)


def _advance(state: State, samples: F32) -> State:
    """The board's state after it has taken samples [N, F]."""
    values = np.where(np.isnan(samples), np.float32(np.nan), samples).astype("<f4")
    return state[0] + len(samples), f"{zlib.crc32(values.tobytes(), int(state[1], 16)):08X}"
