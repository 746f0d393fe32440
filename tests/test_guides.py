"""Guides: every block of commands, Python and configuration is run as it stands. Forecast: in test_network."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from guide_blocks import run_blocks

from edgekd.cli.guide_command import GUIDES
from edgekd.report.glossary import TERMS

ROOT = Path(__file__).resolve().parent.parent
TOPICS = sorted(path.stem for path in GUIDES.glob("*.md"))


def edgekd(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "edgekd", "guide", *words], capture_output=True, text=True)


@pytest.mark.parametrize("topic", ["configuration", "estimate", "classify", "remaining"])
def test_configurations_are_accepted(topic: str, tmp_path: Path) -> None:
    assert "no mistakes" in run_blocks(topic, tmp_path)


@pytest.mark.heavy
def test_codegen(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    run_blocks("codegen", tmp_path)
    assert (tmp_path / "detector" / "detector.c").is_file()
    names = re.findall(r"\bdetector_\w+(?=\()", (tmp_path / "detector" / "detector.h").read_text())
    assert "detector_run" in names and any(name.startswith("detector_quantize_") for name in names)


@pytest.mark.skipif(shutil.which("cc") is None, reason="cc is not installed")
def test_export(finished_run: Path, tmp_path: Path) -> None:
    shutil.copytree(finished_run / "out", tmp_path / "runs" / "battery")
    assert "PASS" in run_blocks("export", tmp_path)


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed")
def test_board(finished_run: Path, tmp_path: Path) -> None:
    shutil.copytree(finished_run / "out", tmp_path / "runs" / "battery")
    shutil.copy(finished_run / "cells.csv", tmp_path)
    printed = run_blocks("board", tmp_path)
    assert "3 equal to the last bit, 0 lost" in printed
    assert (tmp_path / "live.html").is_file()


@pytest.mark.parametrize("topic", TOPICS)
def test_a_guide_is_printed_and_names_only_commands_that_exist(topic: str) -> None:
    from edgekd.cli import app

    text = edgekd(topic).stdout
    assert text.startswith("# ")
    commands = {command.callback.__name__ for command in app.registered_commands if command.callback}
    named = set(re.findall(r"`edgekd (\w+)|^edgekd (\w+)", text, re.MULTILINE))
    assert {name for pair in named for name in pair if name} <= commands


def test_topics_are_listed_and_others_refused() -> None:
    listed = edgekd().stdout
    assert all(topic in listed for topic in TOPICS)
    refused = edgekd("nothing")
    assert refused.returncode == 2 and "topics: board, " in refused.stderr


def test_the_glossary_has_the_terms_of_reports() -> None:
    text = edgekd("glossary").stdout
    assert all(f"**{word}**" in text for word in TERMS)
