"""Pages about boards: their drawing is what the script draws, and what they quote is what edgekd says."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_drawing_is_what_the_script_draws(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "boards").mkdir()
    script = tmp_path / "scripts" / "draw_boards"
    script.write_bytes((ROOT / "scripts" / "draw_boards").read_bytes())
    subprocess.run([sys.executable, script], check=True, capture_output=True)
    drawn = (tmp_path / "boards" / "nano33ble.svg").read_bytes()
    assert drawn == (ROOT / "boards" / "nano33ble.svg").read_bytes()


def test_messages_on_the_page_are_those_of_the_code() -> None:
    page = (ROOT / "boards" / "nano33ble.md").read_text()
    sources = [*(ROOT / "edgekd" / "deploy").glob("*.py"), *(ROOT / "firmware" / "sketch").glob("*.c")]
    code = "\n".join(path.read_text() for path in sources)
    quoted = re.findall(r"^\| `([^`]+)`", page, re.MULTILINE)
    assert len(quoted) == 6
    for text in quoted:
        words = re.sub(r"/dev/ttyACM0|Arduino Nano 33 BLE|\.\.\.", "\0", text).split("\0")
        assert all(part.strip(" ,") in code for part in words), text
