"""Finding boards, and arduino-cli's calls and messages, with a stand-in that plays back what the real one prints."""

import errno
import os
from pathlib import Path

import arduino_stand_in as cli
import pytest
import yaml

from edgekd.contracts.board import board_names, load_board
from edgekd.contracts.errors import BoardUnreachable, ConfigError, DoesNotFit, EdgekdError, ToolMissing
from edgekd.deploy import arduino
from edgekd.deploy.bootloaders import uf2_drives, usb_ids_present
from edgekd.deploy.flash import compile_only, flash, how_to_copy, plan
from edgekd.deploy.ports import Port, check_access, find_port, port_error

NANO = load_board("nano33ble")
KNOWN = [load_board(name) for name in board_names()]


class Quiet:
    """Progress that remembers what was started."""

    def __init__(self) -> None:
        self.started: list[str] = []

    def start(self, what: str, total: int) -> None:
        self.started.append(what)

    def advance(self, done: int) -> None: ...
    def finish(self) -> None: ...
    def kept(self, what: str) -> None: ...


@pytest.fixture
def port(tmp_path: Path) -> Port:
    """A file in place of a device that can be opened."""
    (tmp_path / "ttyACM0").touch()
    return Port(str(tmp_path / "ttyACM0"), "2341:805a", "F00D", "Nano 33 BLE")


@pytest.fixture
def sketch(tmp_path: Path) -> Path:
    folder = tmp_path / "firmware" / "battery_tflm"
    folder.mkdir(parents=True)
    (folder / "battery_tflm.ino").write_text("#include <Chirale_TensorFlowLite.h>\nvoid setup() {}\nvoid loop() {}\n")
    (folder / "model_data.h").write_text("// data\n")
    return folder


def run(tmp_path: Path, sketch: Path, ports: list[Port], monkeypatch: pytest.MonkeyPatch, **answers: tuple[int, str]):  # type: ignore[no-untyped-def]
    tool = cli.install(tmp_path / "bin", **answers)
    monkeypatch.setenv("PATH", str(tool), prepend=os.pathsep)
    said: list[str] = []
    progress = Quiet()
    done = flash(
        sketch,
        NANO,
        tmp_path / "boards",
        port=None,
        progress=progress,
        on_output=said.append,
        ports=lambda: ports,
        drives=list,
        usb_ids=set,
    )
    return done, said, progress, cli.calls(tool)


def test_a_sketch_is_staged_compiled_and_uploaded(
    tmp_path: Path, sketch: Path, port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, said, progress, calls = run(tmp_path, sketch, [port], monkeypatch)
    staged = tmp_path / "boards" / "battery_tflm"
    build = str(tmp_path / "boards" / "build")
    assert calls == [
        ["compile", "--json", "--profile", "nano33ble", "--output-dir", build, str(staged)],
        ["upload", "--json", "--profile", "nano33ble", "--port", port.device, "--input-dir", build, str(staged)],
    ]
    assert (staged / "model_data.h").read_text() == "// data\n"
    assert done.size == arduino.Size(flash_bytes=98_344, ram_bytes=46_120)
    assert "flash    98,344 of   983,040 bytes (10.0%), with the core" in said
    assert "RAM      46,120 of   262,144 bytes (17.6%), without stack and heap" in said
    assert progress.started == ["compiling for Arduino Nano 33 BLE", f"uploading to {port.device}"]
    assert not list(sketch.glob("sketch.yaml"))


def test_versions_are_pinned(sketch: Path) -> None:
    text = arduino.project_file(NANO, arduino.used_libraries(sketch))
    assert yaml.safe_load(text) == {
        "profiles": {
            "nano33ble": {
                "fqbn": "arduino:mbed_nano:nano33ble",
                "platforms": [{"platform": "arduino:mbed_nano (4.2.1)"}],
                "libraries": ["Chirale_TensorFLowLite (2.0.0)"],
            }
        },
        "default_profile": "nano33ble",
    }
    teensy = yaml.safe_load(arduino.project_file(load_board("teensy40"), ()))["profiles"]["teensy40"]
    assert teensy["platforms"][0]["platform_index_url"].startswith("https://www.pjrc.com/")
    assert "libraries" not in teensy


@pytest.mark.parametrize("board", [one for one in KNOWN if one.fqbn], ids=lambda one: one.name)
def test_every_board_with_an_fqbn_has_a_core(board) -> None:  # type: ignore[no-untyped-def]
    assert f"fqbn: {board.fqbn}" in arduino.project_file(board, ())


def test_a_board_without_a_core_is_refused() -> None:
    with pytest.raises(ConfigError, match="board 'host' has no Arduino core"):
        arduino.project_file(load_board("host"), ())


def test_without_arduino_cli_three_commands_install_it(
    tmp_path: Path, sketch: Path, port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match="arduino-cli is not installed") as caught:
        flash(sketch, NANO, tmp_path, port=None, progress=Quiet(), ports=lambda: [port], drives=list, usb_ids=set)
    hint = caught.value.hint or ""
    assert hint.count("\n") == 4  # three, and one for the library
    assert "install.sh" in hint
    assert "arduino-cli core install arduino:mbed_nano@4.2.1" in hint
    assert "arduino-cli lib install Chirale_TensorFLowLite@2.0.0" in hint
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(("board", "told"), [("nano33ble", 0), ("rp2040_pico", 1), ("teensy40", 1)])
def test_a_board_that_a_library_leaves_out_is_told_before_anything_is_done(
    board: str, told: int, tmp_path: Path, sketch: Path
) -> None:
    notes = [line for line in plan(sketch, load_board(board), tmp_path, None) if line.startswith("note: ")]
    assert len(notes) == told
    assert all("the architecture of" in line and "the native sketch does" in line for line in notes)


def test_a_dry_run_prints_and_does_nothing(tmp_path: Path, sketch: Path) -> None:
    said = plan(sketch, NANO, tmp_path / "boards", "/dev/ttyACM3")
    assert "fqbn: arduino:mbed_nano:nano33ble" in said[0]
    assert said[1].startswith("arduino-cli compile --json --profile nano33ble")
    assert "--port /dev/ttyACM3" in said[2]
    assert not (tmp_path / "boards").exists()


@pytest.mark.parametrize(
    ("answer", "error", "message", "hint"),
    [
        (cli.TOO_BIG, DoesNotFit, r"too large: 1,682,551 bytes of flash, .* has 983,040$", "smaller candidate"),
        (cli.RAM_OVERFLOW, DoesNotFit, "too large", "smaller candidate"),
        (cli.NO_CORE, ToolMissing, "core of Arduino Nano 33 BLE is not installed", "core install arduino:mbed_nano@"),
        (cli.NO_LIBRARY, ToolMissing, "library with Chirale_TensorFlowLite.h", "lib install Chirale_TensorFLowLite@"),
        (cli.BROKEN, EdgekdError, r"failed:\n  battery_native.ino:3:14: error: 'missing'", ""),
    ],
)
def test_what_can_go_wrong_when_compiling(  # type: ignore[no-untyped-def]
    tmp_path: Path, sketch: Path, port: Port, monkeypatch: pytest.MonkeyPatch, answer, error, message, hint
) -> None:
    with pytest.raises(error, match=message) as caught:
        run(tmp_path, sketch, [port], monkeypatch, compile=(1, answer))
    assert hint in (caught.value.hint or "")
    assert [call[0] for call in cli.calls(tmp_path / "bin")] == ["compile"]


def test_what_the_core_lets_pass_is_compared_with_the_board_file(
    tmp_path: Path, sketch: Path, port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DoesNotFit, match="1,682,551 bytes of flash"):
        run(tmp_path, sketch, [port], monkeypatch, compile=(0, cli.TOO_BIG))


@pytest.mark.parametrize(
    ("answer", "message", "hint"),
    [
        (cli.NO_BOOTLOADER, "did not start its bootloader", "twice quickly"),
        (cli.DENIED, "no permission to use", "dialout"),
        (cli.BUSY, "in use by another program", "close serial monitors"),
        ("something else\n", "uploading to .* failed:\n  something else", "cable"),
    ],
)
def test_what_can_go_wrong_when_uploading(  # type: ignore[no-untyped-def]
    tmp_path: Path, sketch: Path, port: Port, monkeypatch: pytest.MonkeyPatch, answer, message, hint
) -> None:
    with pytest.raises(BoardUnreachable, match=message) as caught:
        run(tmp_path, sketch, [port], monkeypatch, upload=(1, answer))
    assert hint in (caught.value.hint or "")
    assert caught.value.exit_code == 6


def test_no_board() -> None:
    with pytest.raises(BoardUnreachable, match="^no Arduino Nano 33 BLE is connected$") as caught:
        find_port(NANO, [], KNOWN)
    assert "cable" in (caught.value.hint or "")
    keyboard = Port("/dev/ttyACM7", "046d:c31c")
    with pytest.raises(BoardUnreachable, match="connected; other USB devices: /dev/ttyACM7"):
        find_port(NANO, [keyboard, Port("/dev/ttyS0")], KNOWN)


def test_two_boards() -> None:
    two = [Port(f"/dev/ttyACM{n}", "2341:805a", f"S{n}") for n in range(2)]
    with pytest.raises(BoardUnreachable, match=r"2 boards are .*ttyACM0 \(serial S0\), /dev/ttyACM1 \(serial S1\)"):
        find_port(NANO, two, KNOWN)
    assert find_port(NANO, two, KNOWN, "/dev/ttyACM1") == two[1]


def test_another_board() -> None:
    pico = Port("/dev/ttyACM0", "2e8a:00c0")
    for wanted in (None, "/dev/ttyACM0"):
        with pytest.raises(BoardUnreachable, match="is a Raspberry Pi Pico .*, not Arduino Nano") as caught:
            find_port(NANO, [pico], KNOWN, wanted)
        assert "board: rp2040_pico" in (caught.value.hint or "")


def test_a_port_that_is_not_there() -> None:
    with pytest.raises(BoardUnreachable, match="there is no port /dev/none") as caught:
        find_port(NANO, [Port("/dev/ttyACM0", "2341:805a")], KNOWN, "/dev/none")
    assert caught.value.hint == "ports: /dev/ttyACM0"


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.EACCES, "no permission"),
        (errno.EBUSY, "in use"),
        (errno.ENODEV, "disappeared"),
        (errno.EINVAL, "Invalid argument"),
    ],
)
def test_errors_of_ports(monkeypatch: pytest.MonkeyPatch, number: int, message: str) -> None:
    def fail(*_: object) -> int:
        raise OSError(number, "")

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(BoardUnreachable, match=message):
        check_access("/dev/ttyACM0")
    assert port_error("x", number).hint


PICO, TEENSY = load_board("rp2040_pico"), load_board("teensy40")


def plain_sketch(tmp_path: Path) -> Path:
    folder = tmp_path / "firmware" / "battery_native"
    folder.mkdir(parents=True)
    (folder / "battery_native.ino").write_text("void setup() {}\nvoid loop() {}\n")
    return folder


def built(tmp_path: Path, *suffixes: str) -> None:
    """What a compiler would have left."""
    (tmp_path / "boards" / "build").mkdir(parents=True)
    for suffix in suffixes:
        (tmp_path / "boards" / "build" / f"battery_native.ino{suffix}").write_bytes(suffix.encode())


def test_the_drive_of_a_bootloader_is_found_and_the_image_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = cli.install(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(tool), prepend=os.pathsep)
    pico, other = tmp_path / "RPI-RP2", tmp_path / "FEATHER"
    for drive, board_id in ((pico, "RPI-RP2"), (other, "SAMD51")):
        drive.mkdir()
        (drive / "INFO_UF2.TXT").write_text(f"UF2 Bootloader v3.0\r\nModel: x\r\nBoard-ID: {board_id}\r\n")
    drives = uf2_drives([pico, other, tmp_path / "not there", tmp_path])
    assert [drive.board_id for drive in drives] == ["RPI-RP2", "SAMD51"]
    built(tmp_path, ".bin", ".uf2", ".with_bootloader.uf2")
    done = flash(
        plain_sketch(tmp_path), PICO, tmp_path / "boards", port=None, progress=Quiet(), ports=list,
        drives=lambda: drives, usb_ids=set,
    )  # fmt: skip
    assert done.port is None
    assert (pico / "battery_native.ino.uf2").read_bytes() == b".uf2"
    assert not (other / "battery_native.ino.uf2").exists()
    assert [call[0] for call in cli.calls(tool)] == ["compile"]


def test_a_bootloader_without_a_port_is_found_by_its_usb_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = cli.install(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(tool), prepend=os.pathsep)
    device = tmp_path / "usb" / "1-1"
    device.mkdir(parents=True)
    (device / "idVendor").write_text("16c0\n")
    (device / "idProduct").write_text("0478\n")
    done = flash(
        plain_sketch(tmp_path), TEENSY, tmp_path / "boards", port=None, progress=Quiet(), ports=list, drives=list,
        usb_ids=lambda: usb_ids_present(tmp_path / "usb"),
    )  # fmt: skip
    assert done.port is None
    compiled, uploaded = cli.calls(tool)
    assert uploaded[0] == "upload"
    assert "--port" not in uploaded


def test_without_a_board_the_hint_fits_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(cli.install(tmp_path / "bin")), prepend=os.pathsep)
    for board, words in ((PICO, "hold BOOTSEL"), (TEENSY, "press the button once"), (NANO, "twice quickly")):
        with pytest.raises(BoardUnreachable, match="is connected") as caught:
            flash(
                plain_sketch(tmp_path / board.name), board, tmp_path / "boards", port=None, progress=Quiet(),
                ports=list, drives=list, usb_ids=set,
            )  # fmt: skip
        assert words in (caught.value.hint or "")
    assert not cli.calls(tmp_path / "bin")


def test_compile_only_needs_no_board_and_says_how_to_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = cli.install(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(tool), prepend=os.pathsep)
    built(tmp_path, ".bin", ".uf2", ".elf")
    done = compile_only(plain_sketch(tmp_path), PICO, tmp_path / "boards", progress=Quiet())
    lines = how_to_copy(done)
    assert [Path(line).suffix for line in lines[:2]] == [".uf2", ".bin"]
    assert lines[2:] == [
        "copy battery_native.ino.uf2 to the drive RPI-RP2",
        f"bootloader of Raspberry Pi Pico: {PICO.bootloader}",
    ]
    assert [call[0] for call in cli.calls(tool)] == ["compile"]


def test_a_port_that_changes_while_uploading_is_followed(
    tmp_path: Path, sketch: Path, port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEKD_TEST_PORT_AFTER", '{"address": "/dev/ttyACM1", "protocol": "serial"}')
    done, said, _, _ = run(tmp_path, sketch, [port], monkeypatch)
    assert done.port == Port("/dev/ttyACM1", port.usb_id, port.serial, port.title)
    assert "Arduino Nano 33 BLE is at /dev/ttyACM1 now" in said


def test_messages_are_asked_for_in_english(
    tmp_path: Path, sketch: Path, port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    run(tmp_path, sketch, [port], monkeypatch)
    assert cli.locales(tmp_path / "bin") == [{"LC_ALL": "C", "LANG": "C", "ARDUINO_LOCALE": "en"}] * 2


def test_an_arduino_cli_without_json_is_too_old(
    tmp_path: Path, sketch: Path, port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = cli.install(tmp_path / "bin")
    (tool / "arduino-cli").write_text("#!/bin/sh\necho Error: unknown flag: --json >&2\nexit 1\n")
    monkeypatch.setenv("PATH", str(tool), prepend=os.pathsep)
    with pytest.raises(ToolMissing, match="older than 1.0"):
        flash(sketch, NANO, tmp_path, port=None, progress=Quiet(), ports=lambda: [port], drives=list, usb_ids=set)


@pytest.mark.parametrize("usb_id", ["2341:015a", "2341:025a"])
def test_other_ids_of_the_nano_are_known(usb_id: str) -> None:
    assert find_port(NANO, [Port("/dev/ttyACM0", usb_id)], KNOWN).device == "/dev/ttyACM0"


@pytest.mark.parametrize("product", ["374b", "3744", "3748", "374e", "374f", "3752", "3753"])
def test_every_st_link_is_known(product: str) -> None:
    nucleo = load_board("nucleo_f446re")
    assert find_port(nucleo, [Port("/dev/ttyACM0", f"0483:{product}")], KNOWN).device == "/dev/ttyACM0"
