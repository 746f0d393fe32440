"""What is installed without the extra `train`: the device side works, and other commands say what they need."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from operator_cases import MAKERS

ROOT = Path(__file__).resolve().parent.parent
MODULES = {
    "scikit-learn": ["sklearn"], "ai-edge-litert": ["ai_edge_litert"], "ai-edge-quantizer": ["ai_edge_quantizer"],
}  # fmt: skip
BLOCK = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
from edgekd.cli import main
main()
"""


def training_modules() -> set[str]:
    """Modules that only the extra brings, by the names they are imported by."""
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["train"]
    packages = [re.match(r"[\w-]+", requirement)[0] for requirement in extra]  # type: ignore[index]
    return {module for package in packages for module in MODULES.get(package, [package])}


def device_side(*words: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """A command where these modules cannot be imported."""
    code = BLOCK.format(names=repr(training_modules()))
    return subprocess.run([sys.executable, "-c", code, *words], cwd=cwd, capture_output=True, text=True)


def test_code_is_generated_measured_and_verified(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(MAKERS["ADD", "int8"](np.random.default_rng(0), "int8"))
    for words in (
        ["codegen", "model.tflite", "--out", "code"],
        ["emulate", "code", "--profile", "--picture", "profile.svg"],
        ["verify", "code", "--random", "5"],
        ["boards"],
        ["guide", "codegen"],
        ["init", "battery"],
    ):
        done = device_side(*words, cwd=tmp_path)
        assert done.returncode == 0, (words, done.stderr)
    assert (tmp_path / "profile.svg").is_file()


def test_a_finished_run_is_read_and_flashed(finished_run: Path) -> None:
    for words in (
        ["report", "out"],
        ["front", "out"],
        ["emulate", "out"],
        ["flash", "out", "--dry-run"],
        ["check", "out"],
    ):
        done = device_side(*words, cwd=finished_run)
        assert done.returncode == 0, (words, done.stderr)


@pytest.mark.parametrize(
    "command", ["compress small.yaml --out new", "search small.yaml --out new", "check small.yaml"]
)
def test_what_needs_the_rest_says_which_extra(command: str, finished_run: Path) -> None:
    done = device_side(*command.split(), cwd=finished_run)
    assert done.returncode == 3, done.stderr
    assert "which is not installed" in done.stderr and "edgekd[train]" in done.stderr
