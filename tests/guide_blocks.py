"""Guides that ship with edgekd: their blocks of configuration, commands and Python are run as they stand."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgekd.cli.guide_command import GUIDES

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```(?P<kind>yaml|sh|python)(?: (?P<file>\S+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL = 'set -eu\nedgekd() { "$PYTHON" -m edgekd "$@"; }\n'


def run_blocks(
    topic: str, folder: Path, *, under: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> str:
    """What the blocks of a guide print, one after another in a folder. under: a program that runs them, as a tracer."""
    printed = ""
    for block in BLOCK.finditer((GUIDES / f"{topic}.md").read_text()):
        if block["kind"] == "yaml":
            (folder / block["file"]).write_text(block["text"])
            continue
        shell = block["kind"] == "sh"
        command = ["bash", "-c", SHELL + block["text"]] if shell else [sys.executable, "-c", block["text"]]
        variables = dict(os.environ if environment is None else environment)
        variables |= {"PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
        done = subprocess.run([*under, *command], cwd=folder, env=variables, capture_output=True, text=True)
        assert done.returncode == 0, f"{block['text']}\n{done.stdout}\n{done.stderr}"
        printed += done.stdout
    return printed
