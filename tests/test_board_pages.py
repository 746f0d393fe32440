"""Pages about boards: their drawings are what the script draws, and what they quote is what edgekd says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edgekd.contracts.board import board_names, load_board

ROOT = Path(__file__).parent.parent
FLASHED = [name for name in board_names() if load_board(name).fqbn]


def test_pages_drawings_and_header_are_what_the_script_makes_of_the_board_files(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    script = tmp_path / "scripts" / "draw_boards"
    script.write_bytes((ROOT / "scripts" / "draw_boards").read_bytes())
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, script], check=True, capture_output=True, env=environment)
    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}
    assert made == {name: (ROOT / name).read_bytes() for name in made}
    pages = {f"boards/{name}.{kind}" for name in FLASHED for kind in ("md", "svg")}
    assert {str(name) for name in made} == pages | {"boards/ina219.svg", "firmware/sketch/edgekd_boards.h"}


@pytest.mark.parametrize("name", FLASHED)
def test_messages_on_the_page_are_those_of_the_code(name: str) -> None:
    page = (ROOT / "boards" / f"{name}.md").read_text()
    board = load_board(name)
    assert page.startswith(f"# {board.title}")
    assert f"({name}.svg)" in page and f"board={name} " in page
    sources = [*(ROOT / "edgekd" / "deploy").glob("*.py"), *(ROOT / "firmware" / "sketch").glob("*.c*")]
    code = "\n".join(path.read_text() for path in sources)
    quoted = re.findall(r"^\| `([^`]+)`", page, re.MULTILINE)
    assert len(quoted) >= 6
    for text in quoted:
        words = re.sub(rf"/dev/ttyACM0|{board.title}|\.\.\.", "\0", text).split("\0")
        assert all(part.strip(" ,") in code for part in words), text


@pytest.mark.parametrize("name", FLASHED)
def test_the_readme_leads_to_the_page(name: str) -> None:
    assert f"(boards/{name}.md)" in (ROOT / "README.md").read_text()
