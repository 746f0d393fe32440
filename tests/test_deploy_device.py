"""A model behind a serial line: the native sketch on the virtual board, with noise, resets, and a lying board."""

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from native_stand_in import OUTPUTS, WINDOW, vectors, windows, write_native_sketch

from edgekd.contracts.board import load_board
from edgekd.contracts.errors import BoardUnreachable, Disagreement
from edgekd.deploy.device import Device
from edgekd.deploy.link import Link, checked, open_link, verified
from edgekd.emulate.compiler import Image
from edgekd.emulate.sketch import Sketch, compile_sketch
from edgekd.emulate.virtual import VirtualBoard

pytest.importorskip("unicorn", reason="unicorn is not installed")
pytest.importorskip("serial", reason="pyserial is not installed")
pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    folder = tmp_path_factory.mktemp("native")
    return compile_sketch(write_native_sketch(folder, 8), load_board("nano33ble"), folder / "s.elf", profile="arduino")


@contextmanager
def running(image: Image, **faults: object) -> Iterator[VirtualBoard]:
    over = threading.Event()
    with VirtualBoard(Sketch(image, counting=True), **faults) as board:  # type: ignore[arg-type]
        thread = threading.Thread(target=board.serve, args=(over.is_set,))
        thread.start()
        try:
            yield board
        finally:
            over.set()
            thread.join()


@contextmanager
def connected(board: VirtualBoard) -> Iterator[Device]:
    link = open_link(board.port)
    try:
        yield Device(link)
    finally:
        link.close()


def check_windows(device: Device, count: int, seed: int) -> None:
    raw = windows(count, seed)
    expected = vectors(raw, 8)
    for i in range(count):
        device.reset()
        device.push(raw[i])
        answer = device.read()
        np.testing.assert_array_equal(answer.integers, expected.output[i])
        np.testing.assert_array_equal(answer.forecast, expected.forecast[i])
        assert answer.cycles and answer.us is None


def test_windows_are_equal_to_the_last_bit(image: Image) -> None:
    with running(image) as board, connected(board) as device:
        assert (device.about.name, device.about.board, device.about.outputs) == ("battery", "nano33ble", OUTPUTS)
        check_windows(device, 20, seed=3)
        losses = device.link.stats
        assert (losses.damaged, losses.resets, losses.reloads) == (0, 0, 0)


def test_missing_values_arrive_as_such(image: Image) -> None:
    raw = windows(1, seed=4)
    raw[0, 3, 1] = np.nan
    with running(image) as board, connected(board) as device:
        device.push(raw[0])
        np.testing.assert_array_equal(device.read().integers, vectors(raw, 8).output[0])


def test_noise_and_resets_are_survived_and_reported(image: Image) -> None:
    resets = (1_500, 6_000, 9_100, 20_000, 25_000)
    with running(image, noise=0.01, resets=resets, seed=1) as board, connected(board) as device:
        check_windows(device, 12, seed=5)
        losses = device.link.stats
        assert board.resets_left == 0
        assert losses.resets == 5
        assert losses.reloads >= 1
        assert losses.unanswered > 20
        assert losses.damaged > 20


def test_power_that_goes_again_and_again_is_counted(image: Image) -> None:
    with running(image, reset_every_s=0.4) as board, connected(board) as device:
        begun = time.monotonic()
        while time.monotonic() < begun + 1.5:
            check_windows(device, 2, seed=9)
        assert device.link.stats.resets >= 2


def test_a_stream_goes_on_after_a_reset(image: Image) -> None:
    raw = windows(3, seed=6).reshape(-1, 2)
    with running(image, resets=(2_000,)) as board, connected(board) as device:
        for t, sample in enumerate(raw):
            device.push(sample[None])
            if t + 1 >= WINDOW:
                expected = vectors(raw[None, t + 1 - WINDOW : t + 1], 8)
                np.testing.assert_array_equal(device.read().integers, expected.output[0])
        assert device.link.stats.resets == 1


def test_a_second_program_is_told_that_the_port_is_in_use(image: Image) -> None:
    with running(image) as board, connected(board), pytest.raises(BoardUnreachable, match="in use by another program"):
        open_link(board.port)


def test_a_failed_self_test_is_what_the_host_says(tmp_path: Path) -> None:
    import dataclasses

    right = vectors(windows(2, seed=1), 8)
    folder = write_native_sketch(tmp_path, 8, dataclasses.replace(right, output=right.output + np.int8(1)))
    failing = compile_sketch(folder, load_board("nano33ble"), tmp_path / "s.elf")
    with running(failing) as board, pytest.raises(Disagreement, match="self-test FAIL: window 0, output 0"):
        Device(open_link(board.port))


class Lying:
    """A board that answers every request at once, `answer(request)` with a right checksum."""

    timeout: float | None = 0

    def __init__(self, answer) -> None:  # type: ignore[no-untyped-def]
        self.answer = answer
        self.waiting = b""

    def read(self, size: int = 1) -> bytes:
        out, self.waiting = self.waiting[:size], self.waiting[size:]
        return out

    def write(self, data: bytes) -> int:
        for line in data.decode().splitlines():
            if line:
                tag, _, request = (verified(line) or "").partition(" ")
                self.waiting += f"{checked(f'{tag} {self.answer(request)}')}\r\n".encode()
        return len(data)

    def close(self) -> None: ...

    @property
    def in_waiting(self) -> int:
        return len(self.waiting)


def test_a_forecast_of_other_samples_is_never_accepted() -> None:
    about = "edgekd protocol=2 name=a candidate=b version=c sha256=d board=e inputs=1 outputs=1 window=5 selftest=PASS"

    def answer(request: str) -> str:
        if request in ("info", "state"):
            return about
        mark = request.removeprefix("reset ")
        return f"ok samples=0 digest={int(mark):08X}" if mark != request else "ok samples=5 digest=12345678"

    device = Device(Link(Lying(answer), "lying"))
    device.reset()
    with pytest.raises(BoardUnreachable, match="too bad"):
        device.push(np.ones((5, 1), dtype=np.float32))


def test_a_board_that_is_silent_is_given_up(image: Image) -> None:
    with VirtualBoard(Sketch(image)) as board, pytest.raises(BoardUnreachable, match="does not answer"):
        open_link(board.port).request("info")


class Unplugged(Lying):
    """A board whose port goes away at the third request, as it does when a board with its own USB resets."""

    def write(self, data: bytes) -> int:
        self.requests = getattr(self, "requests", 0) + 1
        if self.requests == 3:
            raise OSError(5, "Input/output error")
        return super().write(data)


def test_a_port_that_comes_back_is_opened_again() -> None:
    def answer(request: str) -> str:
        return "ok samples=0 digest=00000000 ms=1"

    opened: list[Lying] = []

    def reopen() -> Lying:
        opened.append(Lying(answer))
        return opened[-1]

    link = Link(Unplugged(answer), "gone", reopen=reopen)
    for _ in range(5):
        assert link.request("state").state() == (0, "00000000")
    assert len(opened) == 1
    with pytest.raises(BoardUnreachable, match="gone has disappeared"):
        lost = Link(Unplugged(answer), "gone")
        for _ in range(5):
            lost.request("state")


def test_another_protocol_is_told() -> None:
    with pytest.raises(BoardUnreachable, match="another protocol"):
        Device(Link(Lying(lambda request: "hello"), "other"))
