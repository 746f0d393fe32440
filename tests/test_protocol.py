"""The protocol of a sketch's serial line, on the host: what is answered, what is refused, and what nothing changes."""

import os
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from edgekd.contracts.board import resource

PROBE = Path(__file__).parent / "firmware" / "protocol_probe.c"
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wdouble-promotion", "-Werror")
SANITIZE = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
FUZZ_LINES = int(os.environ.get("EDGEKD_FUZZ_LINES", "1000000"))

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sketch = resource("firmware") / "sketch"
    program = tmp_path_factory.mktemp("protocol") / "probe"
    sources = [PROBE, *(sketch / f"edgekd_{name}.c" for name in ("crc32", "session", "protocol", "text"))]
    subprocess.run(["gcc", *STRICT, *SANITIZE, "-I", sketch, *sources, "-o", program], check=True)
    return program


def checked(text: str) -> str:
    return f"{text} *{zlib.crc32(text.encode()):08X}"


def ask(probe: Path, *lines: str | bytes, wrong: bool = False) -> list[str]:
    """Answers to the lines, checksums verified and cut off; the first, that says what this is, left out."""
    raw = b"".join(line.encode() + b"\n" if isinstance(line, str) else line + b"\n" for line in lines)
    done = subprocess.run([probe, "wrong"] if wrong else [probe], input=raw, capture_output=True, check=True)
    answers = done.stdout.decode().split("\r\n")
    assert answers.pop() == ""
    for i, answer in enumerate(answers):
        text, star, _ = answer.rpartition(" *")
        if star:
            assert answer == checked(text)
            answers[i] = text
    assert answers[0] == "edgekd protocol=2 name=probe board=host inputs=2 outputs=10 window=3 selftest=PASS"
    return answers[1:]


def digest(*values: float) -> str:
    return f"{zlib.crc32(struct.pack(f'<{len(values)}f', *values)):08X}"


def test_samples_and_forecast_for_people(probe: Path) -> None:
    row = ",".join(str(6 + i) for i in range(10))
    assert ask(probe, "1,9", " 2 ,9\r", "", "3,9") == ["# 1 of 3 samples", "# 2 of 3 samples", row]


def test_every_word(probe: Path) -> None:
    known = f"samples=3 digest={digest(1, 9, 2, 9, 3, 9)}"
    assert ask(
        probe, "sample 1,9;2,9;3,9", "predict", "integers 0", "integers 8", "forecast 6", "state", "reset", "predict"
    ) == [
        f"ok {known} boot=00000000 ms=42",
        f"predicted {known} us=1234",
        f"integers {known} from=0 values=3,-3,3,-3,3,-3,3,-3",
        f"integers {known} from=8 values=3,-3",
        f"forecast {known} from=6 values=12,13,14,15",
        f"ok {known} boot=00000000 ms=42",
        "ok samples=0 digest=00000000 boot=00000000 ms=42",
        "error: too few samples: 0 of 3",
    ]
    assert ask(probe, "info", "selftest")[1] == "self-test PASS: 1 window, 10 outputs each, equal to edgekd's"
    assert "selftest" in ask(probe, "help")[0]


def test_the_digest_starts_where_it_is_told(probe: Path) -> None:
    known = f"{zlib.crc32(struct.pack('<2f', 1, 9), 17):08X}"
    assert ask(probe, "reset 17", "sample 1,9") == [
        "ok samples=0 digest=00000011 boot=00000000 ms=42",
        f"ok samples=1 digest={known} boot=00000000 ms=42",
    ]


def test_a_tag_comes_back_and_the_first_one_names_the_boot(probe: Path) -> None:
    boot = f"boot={zlib.crc32(b'@17 state'):08X}"
    assert ask(probe, "state", checked("@17 state"), checked("@4 predict"), checked("state")) == [
        "ok samples=0 digest=00000000 boot=00000000 ms=42",
        f"@17 ok samples=0 digest=00000000 {boot} ms=42",
        "@4 error: too few samples: 0 of 3",
        f"ok samples=0 digest=00000000 {boot} ms=42",
    ]


def test_a_model_that_fails_its_self_test_makes_no_forecast(probe: Path) -> None:
    refused = "error: the self-test has failed, so there are no forecasts: selftest says where"
    said = ask(probe, "selftest", "1,9", "sample 1,9;2,9;3,9", "predict", "info", wrong=True)
    assert said[0] == "error: self-test FAIL: window 0, output 1: integer -3, expected -4"
    assert said[1] == said[3] == refused
    assert said[2].startswith("ok samples=3 ")
    assert said[4].endswith("selftest=FAIL")


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("sample 1,9;2", "column 1 of this line is not followed by a comma"),
        ("sample 1,9,3", "column 2 of this line is not followed by the end of the line"),
        ("sample", "column 1"),
        ("predict 1", "column 1"),
        ("Predict", "column 1"),
        ("integers", "column 1"),
        ("integers 10", "the number of an output"),
        ("integers -1", "the number of an output"),
        ("integers 4294967296", "the number of an output"),
        ("@1 state", "a tag is"),
        (checked("@ state"), "a tag is"),
        (checked("@1234567890 state"), "a tag is"),
        (checked("@1state"), "a tag is"),
        (checked("@1 "), "nothing is asked"),
        ("reset 100000", "reset takes a number"),
        ("reset x", "reset takes a number"),
        ("state *00000000", "the checksum is wrong"),
        (checked("reset").lower()[:-1], "the checksum is wrong"),
        ("reset *", "the checksum is wrong"),
        ("*", "the checksum is wrong"),
        (checked("reset") + "0", "the checksum is wrong"),
        ("1" * 256, "a line is too long"),
        ("1" * 5000, "a line is too long"),
        (b"reset\0", "a character is no text"),
        (b"1,2\xff", "a character is no text"),
    ],
)
def test_a_bad_line_is_an_error_and_changes_nothing(probe: Path, line: str | bytes, what: str) -> None:
    state = f"ok samples=1 digest={digest(5, 6)} boot=00000000 ms=42"
    first, error, after = ask(probe, "sample 5,6", line, "state")
    assert first == after == state
    assert error.removeprefix("@1 ").startswith(f"error: {what}")


def test_the_longest_line_is_taken(probe: Path) -> None:
    assert ask(probe, "1,2" + " " * 252) == ["# 1 of 3 samples"]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_a_line_ends_in_any_of_the_usual_ways(probe: Path, end: bytes) -> None:
    raw = end.join([b"1,9", b"", b"2,9", b"state", b""])
    done = subprocess.run([probe], input=raw, capture_output=True, check=True)
    answers = done.stdout.decode().split("\r\n")[1:-1]
    assert answers[:2] == ["# 1 of 3 samples", "# 2 of 3 samples"]
    assert answers[2].startswith("ok samples=2 ")
    assert len(answers) == 3


@pytest.mark.parametrize("line", ["hello", "?", "HELP", "help", "Hello ", "hi"])
def test_who_greets_is_told_what_can_be_asked(probe: Path, line: str) -> None:
    assert ask(probe, line) == [
        "one sample per line, or: sample predict integers forecast reset state selftest info help"
    ]


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1e39", "9" * 60])
def test_a_number_that_is_no_float_is_out_of_range_and_changes_nothing(probe: Path, number: str) -> None:
    state = f"ok samples=1 digest={digest(5, 6)} boot=00000000 ms=42"
    for line in (f"1,{number}", f"sample 1,2;3,{number}"):
        assert ask(probe, "sample 5,6", line, "state") == [
            state,
            "error: column 2 of this line is out of range, 3.4e38 either way",
            state,
        ]


@pytest.mark.parametrize("number", ["-1", "10", "999999", "1e400"])
def test_an_output_that_is_not_there_is_answered_with_the_range(probe: Path, number: str) -> None:
    answer = "error: the number of an output is expected, from 0 to 9"
    assert ask(probe, f"integers {number}", f"forecast {number}") == [answer, answer]
    if number != "10":
        assert ask(probe, f"reset {number}") == ["error: reset takes a number of up to 99999"]


def test_a_bare_line_of_several_samples_is_answered_once(probe: Path) -> None:
    assert ask(probe, "1,9;2,9") == ["# 2 of 3 samples"]
    assert ask(probe, "1,9;2,9;3,9") == [",".join(str(6 + i) for i in range(10))]


def test_a_forecast_runs_the_network_once_and_integers_are_asked_for(probe: Path) -> None:
    done = subprocess.run(
        [probe, "runs", "x", "y"], input=b"1,9\n2,9\n3,9\n4,9\npredict\n", capture_output=True, check=True
    )
    assert done.stderr == b"2 forecasts, 0 times integers\n"
    asked = b"1,9;2,9;3,9\npredict\nforecast 0\nintegers 0\nintegers 8\n"
    done = subprocess.run([probe, "runs", "x", "y"], input=asked, capture_output=True, check=True)
    assert done.stderr == b"1 forecasts, 1 times integers\n"


def test_missing_values_have_one_digest(probe: Path) -> None:
    nan = struct.unpack("<f", struct.pack("<I", 0x7FC00000))[0]
    assert ask(probe, "sample nan,;,nan")[0].startswith(f"ok samples=2 digest={digest(nan, nan, nan, nan)}")


def test_random_and_mutated_lines(probe: Path) -> None:
    """EDGEKD_FUZZ_LINES says how many."""
    done = subprocess.run([probe, "1", str(FUZZ_LINES)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    lines, errors = (int(word) for word in done.stdout.split() if word.isdigit())
    assert lines == FUZZ_LINES
    assert 0.3 < errors / lines < 0.9
