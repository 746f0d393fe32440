"""The host's end of the serial line: requests with tags and checksums, asked again until they are answered.

The line may lose, change and make up characters. What `ask` returns was sent by the board in answer to this request.
"""

from __future__ import annotations

import errno
import re
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from edgekd.contracts.errors import BoardUnreachable
from edgekd.contracts.text import printable
from edgekd.deploy.ports import CABLE, port_error

BAUD = 115200
LEAST_ATTEMPTS, GIVE_UP_S = 60, 10.0
"""A board is given up after at least so many requests without an answer, and so long; a silent one after so long."""
FIRST_TIMEOUT_S, LEAST_TIMEOUT_S = 2.0, 0.05
RECONNECT_S = 10.0
"""How long a port may be away."""
LONGEST_LINE = 1 << 16
"""Bytes without an end of line that are still one line."""
PATIENCE = 4
"""A request is lost when it takes this many times what recent ones took."""


class Serial(Protocol):
    """What is used of pyserial's Serial."""

    timeout: float | None

    def read(self, size: int = 1) -> bytes:
        """Read at most `size` bytes."""

    def write(self, data: bytes) -> int | None:
        """Write bytes."""

    def close(self) -> None:
        """Close the port."""

    @property
    def in_waiting(self) -> int:
        """Number of bytes that can be read at once."""


@dataclass(kw_only=True)
class LinkStats:
    """What the line and the board did wrong, all of it survived."""

    requests: int = 0
    unanswered: int = 0
    """Requests that were sent again: they or their answers were lost or damaged."""
    damaged: int = 0
    """Lines received with a wrong checksum or none."""
    resets: int = 0
    """Times the board started again."""
    reloads: int = 0
    """Times the samples were sent once more because the board had others."""


@dataclass(frozen=True)
class Reply:
    """One answer: its first word, `key=value` pairs, and the whole text without tag and checksum."""

    word: str
    values: dict[str, str]
    text: str

    def state(self) -> tuple[int, str]:
        """How many samples the board has, and their digest; (-1, "") in an answer that does not say."""
        samples = self.number("samples")
        return -1 if samples is None else samples, self.values.get("digest", "")

    def number(self, key: str) -> int | None:
        """The count under `key`, None when there is none of at most ten digits."""
        text = self.values.get(key, "")
        return int(text) if re.fullmatch(r"[0-9]{1,10}", text) else None


@dataclass
class Link:
    """A serial line with a board of the protocol in firmware/sketch/edgekd_protocol.h."""

    serial: Serial
    device: str
    stats: LinkStats = field(default_factory=LinkStats)
    reopen: Callable[[], Serial] | None = None
    """Opens the port again; BoardUnreachable when it cannot be."""
    _tag: int = 0
    _rest: bytes = b""
    _slowest_s: float = FIRST_TIMEOUT_S / PATIENCE
    _complaint: str = ""
    _silent: bool = False
    _boot: str = ""

    def request(self, text: str) -> Reply:
        """Send a request until it is answered; it must be one that may be carried out twice.

        BoardUnreachable when nothing answers.
        """
        begun = time.monotonic()
        attempt = silent = 0
        while time.monotonic() < begun + GIVE_UP_S or silent < attempt < LEAST_ATTEMPTS:
            reply = self.try_request(text, patience=min(2**attempt, 8))
            if reply is not None:
                return reply
            attempt += 1
            silent = silent + 1 if self._silent else 0
        complaint = f"; it says: {printable(self._complaint)}" if self._complaint else ""
        raise BoardUnreachable(
            f"the board at {self.device} does not answer{complaint}", hint=f"edgekd flash it; {CABLE}"
        )

    def try_request(self, request: str, *, patience: int = 1) -> Reply | None:
        """Send a request once. None when no answer came: whether it was carried out is not known."""
        self._tag = self._tag % 999_999_999 + 1
        self.stats.requests += 1
        begun = time.monotonic()
        # An empty line ends what a damaged request may have left.
        self._write(("\n" if patience > 1 else "") + checked(f"@{self._tag} {request}") + "\n")
        timeout = min(FIRST_TIMEOUT_S, max(LEAST_TIMEOUT_S, PATIENCE * self._slowest_s) * patience)
        reply = self._await(f"@{self._tag} ", begun + timeout)
        if reply is None:
            self.stats.unanswered += 1
            return None
        self._slowest_s = max(0.9 * self._slowest_s, time.monotonic() - begun)
        self._count_reset(reply.values.get("boot", self._boot))
        return reply

    def line(self, deadline: float) -> str | None:
        """The next line that the board sends, or None when the time (of time.monotonic) is over.

        What goes on for longer than LONGEST_LINE is given back in pieces of that length.
        """
        while b"\n" not in self._rest[:LONGEST_LINE] and len(self._rest) < LONGEST_LINE:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._rest += self._read(left)
        line, _, rest = self._rest[:LONGEST_LINE].partition(b"\n")
        self._rest = rest + self._rest[LONGEST_LINE:]
        return line.rstrip(b"\r").decode("latin-1")

    def close(self) -> None:
        """Give the port back."""
        self.serial.close()

    def _await(self, tag: str, deadline: float) -> Reply | None:
        """The answer with this tag; None when time is over, or a damaged line says that it was lost."""
        while True:
            line = self.line(deadline)
            if line is None:
                self._silent = True
                return None
            self._silent = False
            text = verified(line)
            if text is None:
                self.stats.damaged += 1
                return None
            if text.startswith(tag):
                return parse(text.removeprefix(tag))
            if text.startswith("error: "):
                self._complaint = text.removeprefix("error: ")
                return None

    def _count_reset(self, boot: str) -> None:
        self.stats.resets += self._boot not in ("", boot)
        self._boot = boot

    def _read(self, seconds: float) -> bytes:
        try:
            self.serial.timeout = seconds
            return self.serial.read(1) + self.serial.read(self.serial.in_waiting)
        except OSError as error:
            self._reconnect(error)
            return b""

    def _write(self, text: str) -> None:
        try:
            self.serial.write(text.encode("ascii"))
        except OSError as error:
            self._reconnect(error)

    def _reconnect(self, error: OSError) -> None:
        """Open the port again: a board whose USB is its own takes it away when it resets."""
        end = time.monotonic() + RECONNECT_S
        self.serial.close()
        while self.reopen is not None and time.monotonic() < end:
            time.sleep(0.2)
            try:
                self.serial = self.reopen()
                return
            except BoardUnreachable:
                continue
        raise port_error(self.device, error.errno or errno.EIO) from None


def open_link(device: str) -> Link:
    """Open a port for this program alone. BoardUnreachable when it cannot be."""
    return Link(_open(device), device, reopen=lambda: _open(device))


def _open(device: str) -> Serial:
    import serial

    try:
        opened: Any = serial.Serial(device, BAUD, timeout=FIRST_TIMEOUT_S, write_timeout=10, exclusive=True)
        opened.reset_input_buffer()
    except OSError as error:
        raise port_error(device, error.errno) from None
    return opened


def checked(text: str) -> str:
    """The text with its checksum."""
    return f"{text} *{zlib.crc32(text.encode('ascii')):08X}"


def verified(line: str) -> str | None:
    """The text of a line whose checksum is right, else None."""
    text, star, checksum = line.rpartition(" *")
    return text if star and checksum == f"{zlib.crc32(text.encode('latin-1')):08X}" else None


def parse(text: str) -> Reply:
    """Take an answer apart."""
    word, _, rest = text.partition(" ")
    pairs = (pair.split("=", 1) for pair in rest.split(" ") if "=" in pair)
    return Reply(word, {key: value for key, value in pairs}, text)
