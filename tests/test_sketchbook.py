"""Which files a sketch consists of, with libraries beside it; the runtime as an Arduino library."""

from pathlib import Path

from native_stand_in import write_ble_sketch, write_native_sketch

from edgekd import __version__
from edgekd.contracts.board import load_board, resource
from edgekd.contracts.sketchbook import sketch_files
from edgekd.deploy import arduino


def library(sketchbook: Path, name: str, maintainer: str, text: str = "") -> None:
    folder = sketchbook / "libraries" / name
    (folder / "src").mkdir(parents=True)
    (folder / "library.properties").write_text(f"name={name}\nmaintainer={maintainer}\n")
    (folder / "src" / f"{name}.h").write_text(text)
    (folder / "src" / f"{name}.c").write_text("int nothing;\n")


def test_libraries_that_are_included_are_taken_directly_or_not(tmp_path: Path) -> None:
    sketch = tmp_path / "mine"
    sketch.mkdir()
    (sketch / "mine.ino").write_text('#include <theirs.h>\n#  include "a.h"\n')
    library(tmp_path, "a", "edgekd", '#include "b.h"\n')
    library(tmp_path, "b", "edgekd", '#include "a.h"\n')
    library(tmp_path, "unused", "edgekd")
    library(tmp_path, "theirs", "someone")
    assert [path.name for path in sketch_files(sketch)] == ["a.c", "a.h", "b.c", "b.h", "mine.ino"]


def test_sketches_share_one_copy_of_the_runtime_and_of_the_model(tmp_path: Path) -> None:
    native, ble = write_native_sketch(tmp_path, 8), write_ble_sketch(tmp_path, 8)
    assert sorted(path.name for path in native.iterdir()) == ["battery_native.ino", "self_test.h"]
    assert {path.name for path in ble.iterdir()} >= {"battery_ble.ino", "edgekd_ble.cpp", "sensor.cpp"}
    sources = [path.name for path in tmp_path.rglob("*.c")]
    assert len(sources) == len(set(sources))
    shared = {path for path in sketch_files(native) if path.parent != native}
    assert {path.name for path in shared} >= {"edgekd_session.c", "edgekd_console.cpp", "battery.c", "battery.h"}
    assert shared <= set(sketch_files(ble))


def test_staged_for_a_board_the_sketch_has_all_its_files(tmp_path: Path) -> None:
    sketch = write_native_sketch(tmp_path / "run", 8)
    staged = arduino.stage(sketch, load_board("nano33ble"), tmp_path / "boards")
    files = {path.name: path.read_bytes() for path in sketch_files(sketch)}
    assert {path.name: path.read_bytes() for path in staged.iterdir() if path.name != "sketch.yaml"} == files


def test_the_library_says_the_version_of_edgekd() -> None:
    lines = (resource("firmware") / "library.properties").read_text().splitlines()
    properties = dict(line.split("=", 1) for line in lines)
    assert (properties["name"], properties["version"]) == ("edgekd", __version__)
    headers = {path.name for path in resource("firmware").rglob("*.h")}
    assert set(properties["includes"].split(",")) <= headers
