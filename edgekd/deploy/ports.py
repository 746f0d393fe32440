"""Which serial port a board is on: found by its USB id, and asked for before anything is compiled or sent."""

import errno
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgekd.contracts.board import Board
from edgekd.contracts.errors import BoardUnreachable

CABLE = "use a USB cable that carries data"


@dataclass(frozen=True)
class Port:
    """A serial port of this computer. `usb_id`: vendor:product in lower-case hex, empty for others than USB."""

    device: str
    usb_id: str = ""
    serial: str = ""
    """Serial number of the USB device."""
    title: str = ""


def start_bootloader(board: Board) -> str:
    """What to try when a board is not there or does not answer."""
    return f"{CABLE}; its bootloader: {board.bootloader}" if board.bootloader else CABLE


def list_ports() -> tuple[Port, ...]:
    """Serial ports that this computer has now."""
    from serial.tools import list_ports as system

    return tuple(
        Port(
            device=one.device,
            usb_id=f"{one.vid:04x}:{one.pid:04x}" if one.vid is not None else "",
            serial=one.serial_number or "",
            title=one.product or one.description or "",
        )
        for one in sorted(system.comports())
    )


def find_port(board: Board, ports: Sequence[Port], known: Iterable[Board], wanted: str | None = None) -> Port:
    """Return the port that the board is on, or check the one `wanted`.

    known: all boards, to name what is connected instead. BoardUnreachable when there is no such port, none that is
    this board's, or more than one.
    """
    owners = {usb_id: other for other in known for usb_id in other.usb_ids}
    if wanted is not None:
        return _wanted(board, ports, owners, wanted)
    matching = [port for port in ports if port.usb_id in board.usb_ids]
    if len(matching) == 1:
        return matching[0]
    if matching:
        places = ", ".join(f"{port.device} (serial {port.serial or 'unknown'})" for port in matching)
        raise BoardUnreachable(
            f"{len(matching)} boards are a {board.title}: {places}",
            hint=f"choose one, as in --port {matching[0].device}",
        )
    for port in ports:
        if port.usb_id in owners:
            raise _wrong(board, owners[port.usb_id], port)
    others = ", ".join(port.device for port in ports if port.usb_id)
    raise BoardUnreachable(
        f"no {board.title} is connected" + (f"; other USB devices: {others}" if others else ""),
        hint=start_bootloader(board),
    )


def _wanted(board: Board, ports: Sequence[Port], owners: dict[str, Board], wanted: str) -> Port:
    port = next((one for one in ports if one.device == wanted), None)
    if port is None:
        if not os.path.exists(wanted):
            known = ", ".join(one.device for one in ports) or "none"
            raise BoardUnreachable(f"there is no port {wanted}", hint=f"ports: {known}")
        return Port(wanted)
    if port.usb_id in owners and port.usb_id not in board.usb_ids:
        raise _wrong(board, owners[port.usb_id], port)
    return port


def _wrong(board: Board, other: Board, port: Port) -> BoardUnreachable:
    return BoardUnreachable(
        f"the board at {port.device} is a {other.title} ({other.name}), not {board.title} ({board.name})",
        hint=f"connect the {board.title}, or set `board: {other.name}` in the configuration and run edgekd compress",
    )


def check_access(device: str) -> None:
    """BoardUnreachable when this user, or anyone now, cannot open the port."""
    try:
        os.close(os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK))
    except OSError as error:
        raise port_error(device, error.errno) from None


def port_error(device: str, number: int | None) -> BoardUnreachable:
    """What a failed system call on a port means."""
    if number in (errno.EACCES, errno.EPERM):
        join = "sudo usermod -a -G dialout $USER, then log out and in again"
        return BoardUnreachable(
            f"no permission to use {device}", hint=join if sys.platform == "linux" else "use an account that may"
        )
    if number in (errno.EBUSY, errno.EAGAIN):
        return BoardUnreachable(
            f"{device} is in use by another program", hint="close serial monitors and the Arduino IDE; then again"
        )
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EIO):
        return BoardUnreachable(f"{device} has disappeared", hint=CABLE)
    return BoardUnreachable(f"{device}: {os.strerror(number or errno.EIO)}", hint="unplug the board and plug it in")
