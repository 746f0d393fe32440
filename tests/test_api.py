"""edgekd as a Python package: functions that are there at once, quiet, with results as objects."""

import importlib
import inspect
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from operator_cases import MAKERS

import edgekd
from edgekd.contracts.errors import DataError


def test_importing_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from edgekd import codegen, compress, emulate, load, verify\n"
        "assert not {'torch', 'tensorflow', 'onnx', 'optuna', 'numpy', 'pandas', 'typer', 'rich'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_functions_stay_where_packages_have_their_names() -> None:
    for name in ("compress", "codegen", "emulate"):
        package = importlib.import_module(f"edgekd.{name}")
        assert inspect.ismodule(package) and inspect.isfunction(getattr(edgekd, name))


@pytest.mark.parametrize("name", [name for name in edgekd.__all__ if not name.startswith("_")])
def test_functions_are_documented_and_typed(name: str) -> None:
    function = getattr(edgekd, name)
    assert inspect.getdoc(function)
    signature = inspect.signature(function)
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(each.annotation is not inspect.Parameter.empty for each in signature.parameters.values())
    assert (Path(edgekd.__file__).parent / "py.typed").is_file()


def test_code_is_generated_measured_and_verified(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model.tflite").write_bytes(MAKERS["ADD", "int8"](np.random.default_rng(0), "int8"))
    code = edgekd.codegen(tmp_path / "model.tflite", tmp_path / "code")
    assert (tmp_path / "code" / f"{code.name}.c").is_file()
    measured = edgekd.emulate(tmp_path / "code")
    assert measured.flash_bytes > 0 and measured.cycles > 0
    edgekd.verify(tmp_path / "code", random=3)
    assert capfd.readouterr().out == ""


def test_a_run_is_compressed_quietly_and_loaded(
    finished_run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished_run, tmp_path, dirs_exist_ok=True)
    report = edgekd.compress(tmp_path / "small.yaml", tmp_path / "out")
    assert capfd.readouterr().out == ""
    assert report.chosen.name == edgekd.load(tmp_path / "out").chosen.name
    assert report.chosen_candidate.measured is not None
    with pytest.raises(DataError, match="report.json"):
        edgekd.load(tmp_path)
