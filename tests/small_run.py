"""A configuration and a table small enough to compress in seconds: every stage runs, nothing is accurate."""

import json
from pathlib import Path
from typing import Any

from edgekd.data.table import SAMPLE

CONFIG = """\
name: small
data:
  table: cells.csv
  series: cell_id
  order: cycle
  inputs: [discharge_capacity_Ah]
  divide_by: 1.1
  ignore: is_outlier
  split: {val: 0.2, test: 0.2}
  window: 50
  stride: 25
  train_stride: 10
task: {forecast: discharge_capacity_Ah, horizon: 20}
teacher: {kind: gru, hidden: 4, members: 2, epochs: 2}
students: {kinds: [liquid, gru, mlp, tcn], hidden: [4], rank: 2, epochs: 2}
distill: {stage1: output_l1, stage2: output_l1}
compress: {sparsity: [0.0], activation_bits: [8, 16], epochs: 2}
search: {candidates: 5, refine: 1, refine_epochs: 1, refine_seeds: 2, ablate: 1}
"""
CELLS, CYCLES = 10, 300


def write(folder: Path, **changes: str) -> Path:
    """small.yaml and cells.csv in `folder`; `changes` replace whole top-level lines. Returns its path."""
    import gzip

    lines = gzip.decompress(SAMPLE.read_bytes()).decode().splitlines()
    names = list(dict.fromkeys(line.split(",")[0] for line in lines[1:]))[:CELLS]
    kept = [line for line in lines[1:] if line.split(",")[0] in names and int(line.split(",")[1]) <= CYCLES]
    (folder / "cells.csv").write_text("\n".join([lines[0], *kept]) + "\n")
    text = CONFIG
    for key, value in changes.items():
        text = "\n".join(f"{key}: {value}" if line.startswith(f"{key}:") else line for line in text.splitlines()) + "\n"
    path = folder / "small.yaml"
    path.write_text(text)
    return path


class Log:
    """A Progress that remembers."""

    def __init__(self) -> None:
        self.built: list[str] = []
        self.notes: list[str] = []
        self.skipped: list[str] = []

    def start(self, what: str, total: int) -> None:
        self.built.append(what)

    def advance(self, done: int) -> None: ...

    def finish(self) -> None: ...

    def kept(self, what: str) -> None:
        self.skipped.append(what)

    def made(self, what: str, seconds: float) -> None:
        self.built.append(what)

    def note(self, text: str) -> None:
        self.notes.append(text)


def files(folder: Path) -> dict[str, bytes]:
    """Everything a run leaves behind but the times it took."""
    contents = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return {
        name: content
        for name, content in contents.items()
        if not name.startswith(("manifest.json", "report/", ".lock", "search/study.db"))
    }


def without_times(folder: Path) -> Any:
    report = json.loads((folder / "report" / "report.json").read_text())
    for entry in (report, *report["candidates"]):
        del entry["seconds"]
    return report
