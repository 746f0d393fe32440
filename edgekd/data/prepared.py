"""The data of a run: read, checked, split, cut, preprocessed, and scored by the baselines; kept in the run folder."""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgekd.contracts.candidate import Candidate
from edgekd.contracts.config import Config
from edgekd.contracts.errors import DataError
from edgekd.contracts.results import DataSummary, Json
from edgekd.data.augment import augmented
from edgekd.data.baselines import Baseline, fit_baselines, load_baselines, save_baselines
from edgekd.data.describe import describe
from edgekd.data.preprocess import Preprocess
from edgekd.data.split import split_groups
from edgekd.data.table import read_table, table_path
from edgekd.data.windows import Windows, cut_split
from edgekd.run import write_atomic
from edgekd.tasks import Task, task_of

SHOWN_PROBLEMS = 10
_NAMES = ("groups", "series_names")
_SLICE = "slice:"
PARTS = ("train", "val", "test")
_ARRAYS = ("raw", "target", "mask", "bound", "group", "series", "start")


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Windows by part, the preprocessing fitted on `train`, the baselines, and counts for the report."""

    windows: Mapping[str, Windows]
    preprocess: Preprocess
    baselines: Mapping[str, Baseline]
    description: DataSummary

    def preprocess_of(self, one: Candidate | None) -> Preprocess:
        """That of a candidate, which may have another patch."""
        return replace(self.preprocess, patch=one.patch) if one and one.patch else self.preprocess


def table_sha256(config: Config) -> str:
    """Hash of the table's file: what was read decides whether a run goes on from what it has."""
    path = table_path(config.data, config.base_dir)
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""  # reading it says what is wrong


def prepare(config: Config, folder: Path) -> None:
    """Read the table and write everything that training needs into `folder`."""
    table = read_table(config.data, task_of(config.task), config.base_dir)
    split = split_groups(table, config.data.split, config.search.seed)
    windows = cut_split(table, split, config.data)
    columns = tuple(config.data.inputs)
    windows["train"] = augmented(windows["train"], columns, config.augment, config.search.seed)
    preprocess = Preprocess.fit(windows["train"], config.data, table.task)
    for part, one in windows.items():
        arrays = {name: getattr(one, name) for name in _ARRAYS}
        arrays |= {name: np.array(getattr(one, name), dtype=np.str_) for name in _NAMES}
        arrays |= {f"{_SLICE}{name}": values for name, values in one.slices.items()}
        np.savez(folder / f"{part}.npz", allow_pickle=False, **arrays)
    _write(folder / "preprocess.json", preprocess.to_json())
    write_atomic(folder / "description.json", describe(table, split, windows).to_json())
    baselines = fit_baselines(windows["train"], windows["val"], preprocess)
    save_baselines(baselines, folder / "baselines.npz")
    _write(folder / "baselines.json", {name: dict(one.settings) for name, one in baselines.items()})


def load_prepared(folder: Path) -> Prepared:
    """Read back what `prepare` wrote. DataError when a file is damaged."""
    try:
        return _load(folder)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, EOFError) as error:
        raise DataError(f"{folder} is damaged: {error}", hint="run edgekd compress again: it is made again") from None


def _load(folder: Path) -> Prepared:
    preprocess = Preprocess.from_json(_read(folder / "preprocess.json"))
    settings = _read(folder / "baselines.json")
    baselines = load_baselines(folder / "baselines.npz", settings, preprocess)
    return Prepared(
        windows={part: _load_windows(folder / f"{part}.npz", preprocess.task) for part in PARTS},
        preprocess=preprocess,
        baselines=baselines,
        description=DataSummary.read(folder / "description.json"),
    )


def _load_windows(path: Path, task: Task) -> Windows:
    with np.load(path, allow_pickle=False) as file:
        slices = {key.removeprefix(_SLICE): file[key] for key in file.files if key.startswith(_SLICE)}
        return Windows(
            task=task,
            slices=slices,
            groups=tuple(map(str, file["groups"])),
            series_names=tuple(map(str, file["series_names"])),
            **{name: file[name] for name in _ARRAYS},
        )


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """What a run would do with its table."""

    description: DataSummary
    ignore: str | None
    problems: tuple[str, ...]

    def lines(self) -> list[str]:
        """Counts of rows, groups and windows, then what is wrong with rows."""
        about = self.description
        flagged = f", {about.ignored} rows flagged by '{self.ignore}'" if self.ignore else ""
        lines = [f"{about.rows} rows, {about.groups} groups{flagged}"]
        lines += [f"{part:<6} {counts.groups:>4} groups {counts.windows:>7} windows" for part, counts in about.parts]
        if about.left_out:
            lines.append(f"too short for a window, left out: {', '.join(about.left_out)}")
        lines += [f"{count} x {kind.replace('_', ' ')}" for kind, count in about.problems.items()]
        return lines + [f"  {problem}" for problem in self.problems[:SHOWN_PROBLEMS]]

    def to_json(self) -> Json:
        """All of it, as plain values."""
        return {"data": self.description.to_dict(), "rows_with_problems": list(self.problems)}


def plan(config: Config) -> RunPlan:
    """Read the table and say what a run would do with it."""
    table = read_table(config.data, task_of(config.task), config.base_dir)
    split = split_groups(table, config.data.split, config.search.seed)
    windows = cut_split(table, split, config.data)
    Preprocess.fit(windows["train"], config.data, table.task)
    problems = tuple(f"{problem.group}, row {problem.row}: {problem.message}" for problem in table.problems)
    return RunPlan(description=describe(table, split, windows), ignore=config.data.ignore, problems=problems)
