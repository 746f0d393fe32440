"""Boards that wait in a bootloader without a serial port: as a drive that takes UF2 files, or as a plain USB device."""

import shutil
import string
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edgekd.contracts.board import Board
from edgekd.contracts.errors import BoardUnreachable

INFO = "INFO_UF2.TXT"
"""File on every UF2 drive (https://github.com/microsoft/uf2)."""


@dataclass(frozen=True)
class Drive:
    """A mounted UF2 drive and what it says it is, `RPI-RP2`."""

    path: Path
    board_id: str


def mount_points() -> list[Path]:
    """Where drives are mounted on this computer."""
    if sys.platform == "linux":
        lines = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
        fields = [line.split(" ") for line in lines if line.startswith("/dev/")]
        return [Path(field[1].replace("\\040", " ")) for field in fields if len(field) > 1]
    if sys.platform == "darwin":
        return sorted(Path("/Volumes").glob("*"))
    return [Path(f"{letter}:\\") for letter in string.ascii_uppercase]


def uf2_drives(mounts: Iterable[Path] | None = None) -> list[Drive]:
    """The UF2 drives among the mounted ones."""
    drives = []
    for mount in mount_points() if mounts is None else mounts:
        try:
            lines = (mount / INFO).read_text(encoding="ascii", errors="replace").splitlines()
        except OSError:
            continue
        ids = [line.partition(":")[2].strip() for line in lines if line.lower().startswith("board-id:")]
        drives.append(Drive(mount, ids[0] if ids else ""))
    return drives


def usb_ids_present(devices: Path = Path("/sys/bus/usb/devices")) -> set[str]:
    """vendor:product of every USB device, where the system tells (Linux); serial ports or not."""
    ids = set()
    for device in devices.glob("*"):
        try:
            ids.add(f"{(device / 'idVendor').read_text().strip()}:{(device / 'idProduct').read_text().strip()}")
        except OSError:
            continue
    return ids


def drive_of(board: Board, drives: Iterable[Drive]) -> Drive | None:
    """The drive that this board is. BoardUnreachable when there are several."""
    matching = [drive for drive in drives if board.uf2_board_id and drive.board_id == board.uf2_board_id]
    if len(matching) > 1:
        places = ", ".join(str(drive.path) for drive in matching)
        raise BoardUnreachable(f"{len(matching)} drives are a {board.title}: {places}", hint="leave one connected")
    return matching[0] if matching else None


def waits_without_port(board: Board, present: set[str]) -> bool:
    """Whether the board's bootloader is connected as a USB device without a serial port."""
    return any(usb_id in present for usb_id in board.usb_ids[1:])


def copy_to_drive(image: Path, drive: Drive) -> None:
    """Copy a .uf2 file; the board starts it, and the drive goes away. BoardUnreachable when it cannot be written."""
    try:
        shutil.copyfile(image, drive.path / image.name)
    except OSError as error:
        if (drive.path / INFO).exists():  # otherwise it has rebooted already
            raise BoardUnreachable(
                f"{drive.path} cannot be written: {error.strerror}", hint="unplug the board, and plug it in again"
            ) from None
