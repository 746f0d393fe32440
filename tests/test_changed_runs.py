"""A finished run in which a byte was changed: `check` names it, and `compress` makes again what it belongs to.

EDGEKD_EDITS=1000 makes so many random edits instead of a few.
"""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import small_run
from small_run import Log, files, without_times

from edgekd.contracts.config import load_config
from edgekd.contracts.errors import DataError, EdgekdError
from edgekd.pipeline.predict import predict
from edgekd.pipeline.stages import check_run, compress

pytestmark = pytest.mark.heavy
EDITS = int(os.environ.get("EDGEKD_EDITS", "8"))
SMALL = {
    "teacher": "{kind: mlp, hidden: 4, members: 1, epochs: 1}",
    "students": "{kinds: [mlp, gru], hidden: [4], rank: 2, epochs: 1}",
    "search": "{candidates: 3, generation: 2, refine: 1, refine_epochs: 1, refine_seeds: 1, ablate: 1}",
}
NOT_OF_A_PIECE = (".lock", "search/study.db")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    compress(load_config(small_run.write(folder, **SMALL)), folder / "out", Log())
    return folder


@pytest.fixture
def out(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run."""
    shutil.copytree(finished / "out", tmp_path / "out")
    return tmp_path / "out"


def again(finished: Path, out: Path) -> Log:
    log = Log()
    compress(load_config(finished / "small.yaml"), out, log)
    return log


def change(path: Path, at: int, bits: int) -> None:
    """Change one byte in place, as a disk or an editor would; its length stays."""
    content = bytearray(path.read_bytes())
    content[at] ^= bits
    path.write_bytes(content)


def same(one: Path, other: Path) -> bool:
    return files(one) == files(other) and without_times(one) == without_times(other)


def test_random_edits_are_named_and_undone(finished: Path, tmp_path: Path) -> None:
    rng = random.Random(0)
    whole = [path for path in sorted((finished / "out").rglob("*")) if path.is_file() and path.stat().st_size]
    for number in range(EDITS):
        path = rng.choice(whole).relative_to(finished / "out")
        out = tmp_path / str(number)
        shutil.copytree(finished / "out", out)
        change(out / path, rng.randrange((out / path).stat().st_size), rng.randrange(1, 256))
        if path.as_posix() not in NOT_OF_A_PIECE:
            with pytest.raises(DataError, match=r"manifest\.json is damaged|was changed"):
                check_run(out)
        try:
            again(finished, out)
        except EdgekdError as error:
            assert path.name in ("manifest.json", "study.db"), error
            assert path.name in str(error)
        else:
            assert same(out, finished / "out"), path
            check_run(out)
        shutil.rmtree(out)


def model(out: Path) -> Path:
    return out / "models" / without_times(out)["chosen"]["name"]


CHANGED: dict[str, Callable[[Path], Path]] = {
    "weights of the integer model": lambda out: model(out) / "head.tflite",
    "its score": lambda out: model(out) / "score.json",
    "weights": lambda out: model(out) / "weights.safetensors",
    "generated C": lambda out: next((out / "firmware").rglob("small_model/src/small_head.c")),
    "windows": lambda out: out / "data" / "train.npz",
    "the teacher": lambda out: out / "teacher" / "weights.safetensors",
    "what parity found": lambda out: next((out / "search" / "parity").rglob("result.json")),
    "the report": lambda out: out / "report" / "report.json",
}


@pytest.mark.parametrize("what", CHANGED)
def test_what_was_changed_is_named_and_made_again(finished: Path, out: Path, what: str) -> None:
    path = CHANGED[what](out)
    change(path, path.stat().st_size // 2, 1)
    name = path.relative_to(out).as_posix()
    with pytest.raises(DataError, match=f"{name} was changed"):
        check_run(out)
    log = again(finished, out)
    assert any(name in note for note in log.notes), log.notes
    assert same(out, finished / "out")
    check_run(out)


def test_a_result_that_was_edited_in_the_study_is_noticed(finished: Path, out: Path) -> None:
    path = out / "search" / "study.db"
    content = path.read_bytes()
    text = b'"mae": 0.'
    assert text in content
    path.write_bytes(content.replace(text, b'"mae": 9.'))
    log = again(finished, out)
    assert any("study.db" in note for note in log.notes), log.notes
    assert same(out, finished / "out")


@pytest.mark.parametrize("damage", ["cut", "zeros", "text"])
@pytest.mark.parametrize("name", ["data/train.npz", "manifest.json", "search/study.db"])
def test_a_damaged_file_is_repaired_or_said(finished: Path, out: Path, name: str, damage: str) -> None:
    path = out / name
    content = path.read_bytes()
    half = len(content) // 2
    path.write_bytes({"cut": content[:half], "zeros": bytes(len(content)), "text": b"not this"}[damage])
    try:
        again(finished, out)
    except EdgekdError as error:
        assert Path(name).name in str(error) and error.hint
    else:
        assert same(out, finished / "out")


def test_a_model_that_was_changed_makes_no_forecasts(finished: Path, out: Path) -> None:
    path = model(out) / "head.tflite"
    change(path, path.stat().st_size // 2, 1)
    with pytest.raises(DataError, match=r"head\.tflite was changed since it was made"):
        predict(out, finished / "cells.csv", "twin", None)
