"""What a user gets: the built wheel finds its files when installed, and the layers of the code are what they claim."""

import ast
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SHIPPED = ("edgekd", "firmware", "boards", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the wheel is made from."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in SHIPPED:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheel(checkout: Path) -> Path:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist"]
    subprocess.run(command, cwd=checkout, check=True, capture_output=True)
    return next((checkout / "dist").glob("edgekd-*.whl"))


def test_the_wheel_carries_firmware_boards_sample_and_templates(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
    for folder in ("firmware", "boards"):
        files = [path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file()]
        assert files
        assert {f"edgekd/{path.as_posix()}" for path in files} <= names
    sources = [path.relative_to(ROOT).as_posix() for path in (ROOT / "edgekd").rglob("*") if path.suffix != ".pyc"]
    assert {name for name in sources if (ROOT / name).is_file()} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any(name.startswith("tests") or "__pycache__" in name for name in names)


@pytest.mark.heavy
def test_the_installed_wheel_works_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """In an environment of its own, which borrows this one's other packages."""
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    site = next((tmp_path / "venv").glob("lib/python*/site-packages"))
    with zipfile.ZipFile(wheel) as file:  # what an installer of wheels does
        file.extractall(site)
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    code = """
import json
from edgekd.contracts import board
from edgekd.contracts.examples import example
from edgekd.data.table import SAMPLE
print(json.dumps({
    "package": board.__file__,
    "boards": board.board_names(),
    "firmware": sorted(path.name for path in board.resource("firmware").iterdir()),
    "sample": SAMPLE.stat().st_size,
    "example": example("forecast", "battery").splitlines()[1][:13],
}))
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    result = subprocess.run(
        [python, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    found = json.loads(result.stdout)
    assert found["package"].startswith(str(site))
    assert "nano33ble" in found["boards"]
    assert {"include", "kernels", "harness", "sketch"} <= set(found["firmware"])
    assert found["example"] == "name: battery"
    assert 0 < found["sample"] < 1_000_000
    command = [python, "-m", "edgekd"]
    for arguments in (["init", "battery.yaml"], ["check", "battery.yaml"], ["boards"]):
        subprocess.run([*command, *arguments], cwd=tmp_path, env=environment, check=True, capture_output=True)


FORBIDDEN = {
    "a framework below program": ("edgekd/codegen/write.py", "import torch", "no framework from program down"),
    "a framework in a contract": ("edgekd/run.py", "import onnx", "no framework from program down"),
    "a stage in a stage": ("edgekd/data/split.py", "import edgekd.compress.prune", "edgekd.data.split -> edgekd.compr"),
    "the pipeline in a stage": ("edgekd/search/space.py", "import edgekd.pipeline.stages", "edgekd.search.space -> ed"),
    "a module in no layer": ("edgekd/new.py", "", "- edgekd.new"),
}


def lint_imports(folder: Path) -> "subprocess.CompletedProcess[str]":
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    environment = os.environ | {"PYTHONPATH": str(folder), "COLUMNS": "200"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_layers_are_kept() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout


def test_nothing_imports_a_test_and_nothing_a_script() -> None:
    """What several tests need is in a helper, whose name does not begin with test_."""
    scripts = [path for path in (ROOT / "scripts").iterdir() if path.is_file() and b"python" in path.read_bytes()[:40]]
    for path in [*(ROOT / "tests").glob("*.py"), *scripts]:
        for statement in ast.walk(ast.parse(path.read_text())):
            if isinstance(statement, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in statement.names] + [getattr(statement, "module", None) or ""]
                assert not [name for name in names if name.startswith("test_")], path.name
                assert not {script.name for script in scripts} & set(names), path.name


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_forbidden_import_is_found(name: str, checkout: Path) -> None:
    file, line, message = FORBIDDEN[name]
    path = checkout / file
    before = path.read_text() if path.exists() else None
    path.write_text(f"{before or ''}\n{line}\n")
    try:
        result = lint_imports(checkout)
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_text(before)
    assert result.returncode == 1
    assert message in result.stdout
