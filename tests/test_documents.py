"""README, CONTRIBUTING and guides: short enough, and what they name is there."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import typer

from edgekd.cli import app
from edgekd.cli.guide_command import GUIDES

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(GUIDES.glob("*.md")),
    *sorted((ROOT / "boards").glob("*.md")),
]
COMMAND = re.compile(r"(?:^|`|&& )edgekd (?P<name>[a-z]+)(?![\w=])(?P<rest>[^`\n#|]*)", re.MULTILINE)


def options() -> dict[str, set[str]]:
    """What options each command has."""
    commands = typer.main.get_command(app).commands.items()  # type: ignore[attr-defined]
    return {
        name: {"--help", "-h"}.union(*(parameter.opts for parameter in command.params)) for name, command in commands
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_and_options_exist(document: Path) -> None:
    known = options()
    for command in COMMAND.finditer(document.read_text()):
        assert command["name"] in known, command[0]
        for option in re.findall(r"(?<=\s)(--?[a-z][a-z-]*)", command["rest"]):
            assert option in known[command["name"]], command[0]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_that_are_named_exist(document: Path) -> None:
    text = document.read_text()
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (document.parent / target).exists(), target
    for name in re.findall(r"`((?:edgekd|firmware|boards|tests|scripts)/[\w./-]+)`", text):
        assert (ROOT / name).exists(), name


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().split()) < 1500


@pytest.mark.parametrize("picture", sorted((ROOT / "scripts" / "pictures").glob("*.svg")), ids=lambda path: path.name)
def test_pictures_are_well_formed(picture: Path) -> None:
    ElementTree.parse(picture)


def test_the_house_is_drawn_from_the_imports(tmp_path: Path) -> None:
    pytest.importorskip("grimp")
    drawn = (ROOT / "scripts" / "pictures" / "house.svg").read_text()
    code = (
        "import importlib.machinery, importlib.util, sys\n"
        "loader = importlib.machinery.SourceFileLoader('house', sys.argv[1])\n"
        "house = importlib.util.module_from_spec(importlib.util.spec_from_loader('house', loader))\n"
        "loader.exec_module(house)\n"
        "print(house.drawing(), end='')\n"
    )
    command = [sys.executable, "-c", code, str(ROOT / "scripts" / "draw_house")]
    now = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    modules = [path for path in (ROOT / "edgekd").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    names = {path.stem for path in modules}
    drawn_names = set(re.findall(r">(\w+)</text>", now))
    assert names - {"__init__"} <= drawn_names
    assert set(re.findall(r">(\w+)</text>", drawn)) == drawn_names, "run scripts/draw_house"
