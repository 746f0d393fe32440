"""Networks of a run: the teacher, batches of candidates trained together, and those they are compared with."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edgekd.compress.recover import integer_grid, pruned_members, recover
from edgekd.contracts.candidate import Candidate
from edgekd.contracts.config import Config
from edgekd.data.metrics import mean_error
from edgekd.data.prepared import Prepared
from edgekd.data.preprocess import Preprocess
from edgekd.distill import losses
from edgekd.distill.examples import Examples
from edgekd.distill.losses.base import TeacherView, TrainingStep, masked_mse
from edgekd.distill.trainer import Distillation, Recipe, fit, forecast, supervised
from edgekd.evaluate.candidates import TrainedBatch
from edgekd.evaluate.examples import examples_of
from edgekd.export.model import member_ranges
from edgekd.models.dlnet import Dlnet
from edgekd.models.fake_quant import FakeQuantizer
from edgekd.models.kinds import build, load, save, select
from edgekd.models.population import Population, Shape
from edgekd.run import read_json, write_json

WEIGHTS, STAGE1, MEMBERS = "weights.safetensors", "stage1.safetensors", "members.json"
CALLS = 24
"""How many units of one member take as long as the calls of a step: measured, batches of 256 windows on one core."""
Tick = Callable[[int], None]
Members = Sequence[tuple[Candidate, int]]
"""Candidates, each with a seed."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Candidates that train together: of one kind, patch and number of Euler steps.

    name: of the piece of the run that keeps them; seeds: every candidate is trained from each, the best one stays;
    epoch_factor: times as many epochs as the configuration says.
    """

    name: str
    candidates: tuple[Candidate, ...]
    seeds: tuple[int, ...]
    epoch_factor: int = 1

    @property
    def members(self) -> list[tuple[Candidate, int]]:
        """Every candidate from every seed."""
        return list(product(self.candidates, self.seeds))

    @property
    def students(self) -> list[tuple[Candidate, int]]:
        """What stage 1 trains: members that differ before anything is pruned or quantized."""
        return list(dict.fromkeys((student_of(one), seed) for one, seed in self.members))

    @property
    def made_from(self) -> list[int]:
        """The student of each member, as its place among `students`."""
        return [self.students.index((student_of(one), seed)) for one, seed in self.members]


def batches(candidates: Sequence[Candidate], label: str, seeds: Sequence[int], epoch_factor: int = 1) -> list[Batch]:
    """Divide candidates into what can be one tensor program, by widths so that training takes the least time."""
    groups: dict[str, list[Candidate]] = {}
    for one in candidates:
        more = (f"_p{one.patch}" if one.patch else "") + (f"_e{one.euler_steps}" if one.euler_steps else "")
        groups.setdefault(f"{one.kind}{more}", []).append(one)
    return [
        Batch(
            name=f"search/{label}_{name}_{ours[-1].hidden}",
            candidates=tuple(ours),
            seeds=tuple(seeds),
            epoch_factor=epoch_factor,
        )
        for name, group in sorted(groups.items())
        for ours in _by_width(sorted(group, key=lambda one: (one.hidden, one.name)), len(seeds))
    ]


def _by_width(ours: Sequence[Candidate], seeds: int) -> list[Sequence[Candidate]]:
    """Cut candidates, sorted by width, where that costs least: a batch takes as long as its calls, CALLS, and the width
    of its widest member for each of its members.
    """
    best: list[tuple[float, list[Sequence[Candidate]]]] = [(0.0, [])]
    for end in range(1, len(ours) + 1):
        widest = ours[end - 1].hidden * seeds
        costs = [best[start][0] + CALLS + (end - start) * widest for start in range(end)]
        start = costs.index(min(costs))
        best.append((costs[start], [*best[start][1], ours[start:end]]))
    return best[-1][1]


def student_of(one: Candidate) -> Candidate:
    """The candidate before pruning and quantization: equal for all that are made from one student."""
    return replace(one, weight_bits=8, activation_bits=8, sparsity=0.0, block_sparsity=0.0)


def shape_of(config: Config, prepared: Prepared, one: Candidate | None = None) -> Shape:
    """What all networks of a run share, or all of a candidate's batch; the rank is the highest one."""
    preprocess = prepared.preprocess_of(one)
    return Shape(
        patches=preprocess.steps,
        columns=len(preprocess.columns),
        outputs=preprocess.task.outputs,
        rank=max(config.search.rank, default=config.students.rank),
        euler_steps=(one and one.euler_steps) or 1,
    )


class Lessons:
    """What a worker trains with: the data, the teacher and its forecasts, computed once."""

    def __init__(self, config: Config, prepared: Prepared, teacher: Population) -> None:
        self.config, self.prepared = config, prepared
        self.teacher = teacher.to(config.students.device)
        self.examples = cache(self._examples)
        self.prepared_loss = cache(self._prepared_loss)
        self.soft = forecast(self.teacher, self.examples("train", None)).mean(0, keepdim=True)
        """The mean forecast of the teacher's members, [1, n, O]."""

    def train(self, batch: Batch, folder: Path, tick: Tick = lambda epoch: None) -> None:
        """Stage 1, then pruning and stage 2 of a batch, into `folder`."""
        students, _ = self._stage1(batch.students, batch.epoch_factor, tick)
        stage1_errors = self._errors(students, batch.candidates[0])
        done = batch.epoch_factor * self.config.students.epochs
        made_from = batch.made_from
        compressed, quantizer, errors = self._stage2(
            students, made_from, batch.members, batch.epoch_factor, lambda epoch: tick(done + epoch)
        )
        best = [_best_seed(errors, at * len(batch.seeds), len(batch.seeds)) for at in range(len(batch.candidates))]
        save(students, folder / STAGE1)
        save(select(compressed, best), folder / WEIGHTS)
        about = {
            one.name: {
                "seed": batch.members[member][1],
                "stage1": made_from[member],
                "stage1_error": stage1_errors[made_from[member]],
                "ranges": member_ranges(quantizer, member),
            }
            for one, member in zip(batch.candidates, best, strict=True)
        }
        write_json(folder / MEMBERS, about)

    def load(self, batch: Batch, folder: Path) -> TrainedBatch:
        """What `train` wrote."""
        found = read_json(folder / MEMBERS)
        ours = [found[one.name] for one in batch.candidates]
        compressed = self._empty([(one, own["seed"]) for one, own in zip(batch.candidates, ours, strict=True)])
        return TrainedBatch(
            candidates=batch.candidates,
            compressed=load(compressed, folder / WEIGHTS),
            ranges=[{name: (low, high) for name, (low, high) in own["ranges"].items()} for own in ours],
            stage1=load(self._empty(batch.students), folder / STAGE1),
            stage1_of=[own["stage1"] for own in ours],
            stage1_error=[own["stage1_error"] for own in ours],
        )

    def ablate(self, batch: Batch) -> dict[str, dict[str, list[float]]]:
        """What distillation and stage 2 are worth to each candidate: validation errors on the integer grid, in the
        target's unit, one per seed, by candidate and by what is left out (`nothing`, `stage 2`, `distillation`).

        Without stage 2 a student is pruned and quantized and not trained again; without distillation both stages learn
        from the measured target alone.
        """
        parts = self._parts(batch.candidates[0])
        students, _ = self._stage1(batch.students, batch.epoch_factor)
        candidates = [one for one, _ in batch.members]
        pruned = pruned_members(students, batch.made_from, candidates, parts[0], self.config.students.batch)
        errors = {"stage 2": self._errors(pruned, candidates[0], integer_grid(pruned, candidates, parts[0]))}
        recovered = self._stage2(students, batch.made_from, batch.members, batch.epoch_factor)
        errors["nothing"] = self._errors(recovered[0], candidates[0], recovered[1])
        alone = replace(batch, candidates=tuple(replace(one, target_weight=1.0) for one in batch.candidates))
        students, _ = self._stage1(alone.students, batch.epoch_factor)
        recovered = self._stage2(students, alone.made_from, alone.members, batch.epoch_factor)
        errors["distillation"] = self._errors(recovered[0], candidates[0], recovered[1])
        count = len(batch.seeds)
        return {
            one.name: {left_out: of_members[at * count :][:count] for left_out, of_members in errors.items()}
            for at, one in enumerate(batch.candidates)
        }

    def _stage1(
        self, students: Members, epoch_factor: int, tick: Tick = lambda epoch: None
    ) -> tuple[Population, Tensor]:
        """Students learn from the teacher and from the measured target; with their validation losses [P]."""
        config, (train, val) = self.config, self._parts(students[0][0])
        population = self._empty(students).to(config.students.device)
        loss = self._loss(students, config.stage_loss("stage1"), self.soft)
        recipe = _recipe(config, epoch_factor * config.students.epochs, students)
        return population, fit(population, train, val, loss, recipe, each_epoch=tick)

    def _stage2(
        self,
        students: Population,
        made_from: Sequence[int],
        members: Members,
        epoch_factor: int,
        tick: Tick = lambda epoch: None,
    ) -> tuple[Population, FakeQuantizer, Tensor]:
        """Members recover from pruning and quantization; soft target: the mean of the teacher and their student.

        Returns them, their grids and their validation errors on these [P].
        """
        config, (train, val) = self.config, self._parts(members[0][0])
        candidates = [one for one, _ in members]
        pruned = pruned_members(students, made_from, candidates, train, config.students.batch)
        soft = (forecast(students, train)[list(made_from)] + self.soft) / 2
        loss = self._loss(members, config.stage_loss("stage2"), soft)
        recipe = _recipe(config, epoch_factor * config.compress.epochs, members).slower()
        return pruned, *recover(pruned, candidates, train, val, loss, recipe, each_epoch=tick)

    def without_recurrence(self, best: Candidate) -> float:
        """Validation error, in the target's unit, of the stage-1 student of `best` when its gates do not see its
        state.
        """
        train, val = self._parts(best)
        shape = replace(shape_of(self.config, self.prepared, best), feedback=False)
        member = [(best, self.config.search.seed)]
        student = build(best.kind, [best.hidden], [self.config.search.seed], shape, ranks=self._ranks(member))
        loss = self._loss(member, self.config.stage_loss("stage1"), self.soft)
        recipe = _recipe(self.config, self.config.students.epochs, member)
        fit(student.to(self.config.students.device), train, val, loss, recipe)
        return self._errors(student, best)[0]

    def _errors(self, population: Population, one: Candidate, quantizer: FakeQuantizer | None = None) -> list[float]:
        """Validation error of each member, in the task's terms, with the patch of a candidate."""
        return val_errors(population, self.prepared, self.prepared.preprocess_of(one), quantizer)

    def _empty(self, members: Members) -> Population:
        """Untrained members of one batch."""
        first = members[0][0]
        return build(
            first.kind,
            [one.hidden for one, _ in members],
            [seed for _, seed in members],
            shape_of(self.config, self.prepared, first),
            ranks=self._ranks(members),
        )

    def _ranks(self, members: Members) -> list[int]:
        return [self.config.students.rank if one.rank is None else one.rank for one, _ in members]

    def _parts(self, one: Candidate) -> tuple[Examples, Examples]:
        return self.examples("train", one.patch), self.examples("val", one.patch)

    def _examples(self, part: str, patch: int | None) -> Examples:
        preprocess = self.prepared.preprocess
        use = replace(preprocess, patch=patch or preprocess.patch)
        return examples_of(self.prepared, part, use).to(self.config.students.device)

    def _loss(self, members: Members, default: str, soft: Tensor) -> Distillation:
        names = [one.loss or default for one, _ in members]
        shares = [math.nan if one.target_weight is None else one.target_weight for one, _ in members]
        prepared = {name: self.prepared_loss(name, members[0][0].patch) for name in sorted(set(names))}
        weights = torch.tensor(shares, device=soft.device)
        return Distillation(names, soft, prepared, weights, output=self.config.task.output_loss)

    def _prepared_loss(self, name: str, patch: int | None) -> Any:
        """What a loss computes of the teacher before students with that patch are trained."""
        view = TeacherView(
            teacher=self.teacher,
            teacher_windows=self.examples("train", None),
            windows=self.examples("train", patch),
            soft=self.soft,
            samples=self.prepared.preprocess.window,
            seed=self.config.search.seed,
        )
        return losses.prepare(name, view)


def training_key(config: Config) -> list[Any]:
    """What every training depends on, beside its data and who is taught."""
    return [config.students.model_dump(exclude={"kinds", "hidden"}), config.search.seed]


def train_teacher(config: Config, prepared: Prepared, folder: Path, tick: Tick) -> None:
    """Train all members together on the measured targets."""
    device = config.students.device
    teacher = _empty_teacher(config, prepared).to(device)
    train, val = (examples_of(prepared, part).to(device) for part in ("train", "val"))
    fit(teacher, train, val, supervised, _recipe(config, config.teacher.epochs), each_epoch=tick)
    save(teacher, folder / WEIGHTS)


def load_teacher(config: Config, prepared: Prepared, folder: Path) -> Population:
    """What `train_teacher` wrote."""
    return load(_empty_teacher(config, prepared), folder / WEIGHTS)


def dlnet(config: Config, prepared: Prepared) -> dict[str, float]:
    """Validation errors, in the target's unit, of DLNet's teacher (128 units) and student (4 units), under its losses
    and rate; its inputs are single samples.
    """
    device = config.students.device
    preprocess = replace(prepared.preprocess, patch=1)
    train, val = (examples_of(prepared, part, preprocess).to(device) for part in ("train", "val"))
    recipe = replace(_recipe(config, config.teacher.epochs), learning_rate=1e-3)
    whole = replace(shape_of(config, prepared), patches=preprocess.steps, rank=0)
    teacher, student = (Dlnet([w], [config.search.seed], whole, student=w == 4).to(device) for w in (128, 4))
    fit(teacher, train, val, _squared, recipe)
    loss = Distillation("output_mse", forecast(teacher, train))
    fit(student, train, val, loss, recipe)
    errors = (val_errors(network, prepared, preprocess)[0] for network in (teacher, student))
    return dict(zip(("teacher", "student"), errors, strict=True))


def val_errors(
    population: Population, prepared: Prepared, preprocess: Preprocess, quantizer: FakeQuantizer | None = None
) -> list[float]:
    """Validation error of each member, in the task's terms: of values in the target's unit, or the share of wrong
    classes.
    """
    windows = prepared.windows["val"]
    examples = examples_of(prepared, "val", preprocess).to(population.unit_mask.device)
    _, _, anchor_value = preprocess.transform(windows.raw)
    outputs = forecast(population, examples, quantizer).cpu().numpy()
    return [mean_error(preprocess.decode(y, anchor_value), windows) for y in outputs]


def _empty_teacher(config: Config, prepared: Prepared) -> Population:
    first, count = 1000 * (config.search.seed + 1), config.teacher.members
    shape = replace(shape_of(config, prepared), rank=config.students.rank)
    return build(config.teacher.kind, [config.teacher.hidden] * count, range(first, first + count), shape)


def _squared(step: TrainingStep) -> Tensor:
    return masked_mse(step.y, step.windows.target, step.windows.mask)


def _best_seed(errors: Tensor, first: int, count: int) -> int:
    return first + int(errors[first : first + count].argmin())


def _recipe(config: Config, epochs: int, members: Members = ()) -> Recipe:
    muon: bool | list[bool] = config.students.optimizer == "muon"
    if any(one.optimizer for one, _ in members):
        muon = [(one.optimizer or config.students.optimizer) == "muon" for one, _ in members]
    return Recipe(
        epochs=epochs,
        learning_rate=config.students.learning_rate,
        batch=config.students.batch,
        seed=config.search.seed,
        muon=muon,
    )
