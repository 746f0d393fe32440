"""Teacher, students and compressed candidates of a run: one batch per kind, kept in the run folder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edgekd.candidate import Candidate
from edgekd.compress.recover import recover
from edgekd.config import Config
from edgekd.distill.losses import masked_mse, memory_pairs
from edgekd.distill.train import Distillation, Examples, Recipe, fit, forecast, state_changes, supervised
from edgekd.export.model import Ranges, member_ranges
from edgekd.models.dlnet import Dlnet
from edgekd.models.kinds import KINDS, build, load, save
from edgekd.models.population import Population, Shape
from edgekd.pipeline.prepare import Prepared
from edgekd.run import read_json, write_json
from edgekd.search.space import propose

WEIGHTS, RANGES = "weights.safetensors", "ranges.json"
MOST_POINTS = 1_000_000
Tick = Callable[[int], None]


@dataclass(frozen=True, kw_only=True)
class Students:
    """One kind: stage-1 students by width, and the compressed candidates with the ranges of their tensors."""

    stage1: Population
    candidates: tuple[Candidate, ...]
    compressed: Population
    ranges: list[Ranges]


def shape_of(config: Config, prepared: Prepared) -> Shape:
    """What all networks of a run share."""
    one = prepared.preprocess
    return Shape(patches=one.steps, columns=len(one.columns), outputs=one.horizon, rank=config.students.rank)


def grid_of(config: Config) -> list[Candidate]:
    """All points of the search space."""
    return first_of(config, len(KINDS) * MOST_POINTS)


def first_of(config: Config, count: int) -> list[Candidate]:
    """The points that a search begins with, sorted."""
    return propose(
        kinds=config.students.kinds,
        hidden=config.students.hidden,
        sparsity=config.compress.sparsity,
        weight_bits=config.compress.weight_bits,
        activation_bits=config.compress.activation_bits,
        blocks=config.compress.blocks,
        count=count,
        seed=config.search.seed,
    )


def empty_teacher(config: Config, shape: Shape) -> Population:
    """The teacher's members, untrained."""
    first, count = 1000 * (config.search.seed + 1), config.teacher.members
    return build(config.teacher.kind, [config.teacher.hidden] * count, range(first, first + count), shape)


def train_teacher(config: Config, prepared: Prepared, folder: Path, tick: Tick) -> None:
    """Train all members together on the measured targets."""
    teacher = empty_teacher(config, shape_of(config, prepared))
    train, val = (prepared.examples(part) for part in ("train", "val"))
    fit(teacher, train, val, supervised, _recipe(config, config.teacher.epochs), each_epoch=tick)
    save(teacher, folder / WEIGHTS)


def load_teacher(config: Config, shape: Shape, folder: Path) -> Population:
    """What `train_teacher` wrote."""
    return load(empty_teacher(config, shape), folder / WEIGHTS)


def empty_students(config: Config, candidates: Sequence[Candidate], shape: Shape) -> Population:
    """One student of each width among candidates of one kind, untrained."""
    widths = sorted({one.hidden for one in candidates})
    return build(candidates[0].kind, widths, [config.search.seed] * len(widths), shape)


def train_students(
    config: Config,
    candidates: Sequence[Candidate],
    prepared: Prepared,
    teacher: Population,
    folder: Path,
    tick: Tick,
) -> None:
    """Stage 1: the students of one kind learn from the teacher and from the measured target."""
    train, val = (prepared.examples(part) for part in ("train", "val"))
    students = empty_students(config, candidates, shape_of(config, prepared))
    loss = _distillation(config.distill.stage1, _soft(teacher, train), teacher, train, config)
    fit(students, train, val, loss, _recipe(config, config.students.epochs), each_epoch=tick)
    save(students, folder / WEIGHTS)


def load_students(config: Config, candidates: Sequence[Candidate], shape: Shape, folder: Path) -> Population:
    """What `train_students` wrote."""
    return load(empty_students(config, candidates, shape), folder / WEIGHTS)


def compress_students(
    config: Config,
    candidates: Sequence[Candidate],
    prepared: Prepared,
    teacher: Population,
    stage1: Population,
    folder: Path,
    tick: Tick,
) -> None:
    """Stage 2: all candidates of one kind recover from pruning and quantisation; soft target: teacher and student."""
    train, val = (prepared.examples(part) for part in ("train", "val"))
    own = forecast(stage1, train)[[stage1.widths.index(one.hidden) for one in candidates]]
    loss = _distillation(config.distill.stage2, (own + _soft(teacher, train)) / 2, teacher, train, config)
    recipe = _recipe(config, config.compress.epochs).slower()
    compressed, fake = recover(stage1, candidates, train, val, loss, recipe, each_epoch=tick)
    save(compressed, folder / WEIGHTS)
    ranges = {one.name: member_ranges(fake, member) for member, one in enumerate(candidates)}
    write_json(folder / RANGES, ranges)


def load_candidates(
    config: Config, candidates: Sequence[Candidate], stage1: Population, shape: Shape, folder: Path
) -> Students:
    """What `compress_students` wrote."""
    seeds = [config.search.seed] * len(candidates)
    population = build(stage1.kind, [one.hidden for one in candidates], seeds, shape)
    ranges = read_json(folder / RANGES)
    return Students(
        stage1=stage1,
        candidates=tuple(candidates),
        compressed=load(population, folder / WEIGHTS),
        ranges=[{name: (low, high) for name, (low, high) in ranges[one.name].items()} for one in candidates],
    )


def compare(
    config: Config, best: Candidate | None, prepared: Prepared, teacher: Population, tick: Tick
) -> list[dict[str, Any]]:
    """Validation errors of networks that are not candidates, all in float: `best` without its recurrence, and DLNet."""
    rows, epochs = [], config.students.epochs
    shape, gain = shape_of(config, prepared), float(prepared.preprocess.target_gain)
    if best:
        error = _without_recurrence(config, best, shape, prepared, teacher, tick)
        name = f"{best.kind}{best.hidden} without recurrence"
        rows.append({"name": name, "val": {"mae": error * gain}, "note": "stage 1, its gates do not see its state"})
    done = len(rows) * epochs
    for name, error in _dlnet(config, shape, prepared, lambda epoch: tick(done + epoch)).items():
        rows.append({"name": f"DLNet {name}", "val": {"mae": error * gain}, "note": "its layers, losses and rate"})
    return rows


def _without_recurrence(
    config: Config, best: Candidate, shape: Shape, prepared: Prepared, teacher: Population, tick: Tick
) -> float:
    train, val = (prepared.examples(part) for part in ("train", "val"))
    student = build(best.kind, [best.hidden], [config.search.seed], replace(shape, feedback=False))
    loss = _distillation(config.distill.stage1, _soft(teacher, train), teacher, train, config)
    return float(fit(student, train, val, loss, _recipe(config, config.students.epochs), each_epoch=tick))


def _dlnet(config: Config, shape: Shape, prepared: Prepared, tick: Tick) -> dict[str, float]:
    """DLNet's teacher (128 units) and student (4 units) under its losses and rate; its inputs are single samples."""
    preprocess = replace(prepared.preprocess, patch=1)
    train, val = (prepared.examples(part, preprocess=preprocess) for part in ("train", "val"))
    epochs = config.students.epochs
    recipe = replace(_recipe(config, epochs), learning_rate=1e-3)
    whole = replace(shape, patches=preprocess.steps, rank=0)
    teacher, student = (Dlnet([w], [config.search.seed], whole, student=w == 4) for w in (128, 4))
    error = fit(teacher, train, val, _squared, recipe, each_epoch=tick)
    loss = Distillation("output_mse", _soft(teacher, train))
    last = fit(student, train, val, loss, recipe, each_epoch=lambda epoch: tick(epochs + epoch))
    return {"teacher": float(error), "student": float(last)}


def _squared(y: Tensor, states: list[Tensor], batch: Examples, rows: Tensor, progress: float) -> Tensor:
    return masked_mse(y, batch.target, batch.mask)


def _soft(teacher: Population, train: Examples) -> Tensor:
    """The mean forecast of the teacher's members, [1, n, O]."""
    return forecast(teacher, train).mean(0, keepdim=True)


def _distillation(name: str, soft: Tensor, teacher: Population, train: Examples, config: Config) -> Distillation:
    if name != "memory":
        return Distillation(name, soft)
    pairs = memory_pairs(train.rel.shape[1], torch.Generator().manual_seed(config.search.seed))
    return Distillation(name, soft, state_changes(teacher, train, pairs), pairs)


def _recipe(config: Config, epochs: int) -> Recipe:
    return Recipe(
        epochs=epochs,
        learning_rate=config.students.learning_rate,
        batch=config.students.batch,
        seed=config.search.seed,
        muon=config.students.optimiser == "muon",
    )
