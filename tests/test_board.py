"""Boards: every shipped file is whole, and every mistake in a file of your own is reported at once."""

import re

import pytest

from edgekd.contracts.board import board_names, load_board, resource
from edgekd.contracts.errors import ConfigError

GOOD = (resource("boards") / "nano33ble.yaml").read_text()


def test_every_shipped_board_loads_and_its_numbers_have_sources():
    assert set(board_names()) >= {"host", "nano33ble", "nucleo_f446re", "rp2040_pico", "teensy40"}
    for name in board_names():
        board = load_board(name)
        assert (board.name, board.emulated) == (name, name != "host")
        lines = (resource("boards") / f"{name}.yaml").read_text().splitlines()
        for line in lines:
            assert not re.match(r"\w+: +[\d.]", line) or "#" in line, f"{name}: no source given for {line}"
        if board.emulated:
            assert 0 < board.sketch_flash_bytes <= board.flash_bytes
            assert board.clock_hz > 1e6 and board.active_current_ma > 0 and board.supply_v > 0
            assert board.timing_note, "what is loose is said"
            for usb in board.usb_ids:
                assert len(usb) == 9 and usb == usb.lower() and usb[4] == ":"


def test_nano33ble_is_as_documented():
    board = load_board("nano33ble")
    assert (board.core, board.clock_hz, board.flash_origin) == ("cortex-m4f", 64_000_000, 0x10000)
    assert (board.sketch_flash_bytes, board.ram_bytes) == (983_040, 262_144)
    assert board.fqbn == "arduino:mbed_nano:nano33ble" and board.usb_ids[:2] == ("2341:805a", "2341:005a")
    assert board.dsp and board.fpu
    pico = load_board("rp2040_pico")
    assert not pico.dsp and not pico.fpu


def test_board_of_your_own(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD.replace("64000000", "48000000"))
    board = load_board(str(path))
    assert (board.name, board.clock_hz) == ("mine", 48_000_000)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            ("clock_hz:", "clok_hz:"),
            ["2 problems", "clok_hz: unknown key, did you mean 'clock_hz'?", "clock_hz: required"],
        ),
        (("262144", "-5"), ["1 problem\n", "ram_bytes: must be a whole number from 0 to 4294967295 (got -5)"]),
        (("262144", "many"), ["ram_bytes: must be a whole number", "(got 'many')"]),
        (("262144", "true"), ["ram_bytes: must be a whole number", "(got True)"]),
        (("core: cortex-m4f", "core: cortex-m3"), ["core: must be one of", "(got 'cortex-m3')"]),
        (("3.3 ", ".nan "), ["active_current_ma: must be a number, 0 or more (got nan)"]),
        (("262144", "010_000"), ["11:12: ram_bytes", "(got '010_000')"]),
        (("clock_hz:", "clock_hz: 1\nclock_hz:"), ["clock_hz: the key occurs twice"]),
        (("fqbn: arduino:mbed_nano:nano33ble", "fqbn: 5"), ["fqbn: must be text (got 5)"]),
        (('["2341:805a", "2341:005a", "2341:015a", "2341:025a"]', "7"), ["usb_ids: must be a list of texts (got 7)"]),
    ],
)
def test_mistakes_in_a_board_file(tmp_path, change, words):
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD.replace(*change, 1))
    with pytest.raises(ConfigError) as caught:
        load_board(str(path))
    for word in [str(path), *words]:
        assert word in str(caught.value)


def test_numbers_and_words_are_read_as_in_a_configuration(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD.replace("262144", "010").replace("fqbn: arduino:mbed_nano:nano33ble", "fqbn: no"))
    board = load_board(str(path))
    assert (board.ram_bytes, board.fqbn) == (10, "no")


@pytest.mark.parametrize("text", ["[1, 2", "- a\n- b\n", "", "\x00"])
def test_what_is_no_board_file(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="mine.yaml"):
        load_board(str(path))


def test_unknown_names(tmp_path):
    with pytest.raises(ConfigError, match="unknown board 'nano33bel', did you mean 'nano33ble'?") as caught:
        load_board("nano33bel")
    assert "teensy40" in caught.value.hint
    with pytest.raises(ConfigError, match="none.yaml does not exist"):
        load_board(str(tmp_path / "none.yaml"))
