"""Networks of a run: the teacher, batches of candidates trained together, and those they are compared with."""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edgekd.compress.recover import integer_grid, pruned_members, recover
from edgekd.contracts.batch import Batch, Members
from edgekd.contracts.candidate import Candidate
from edgekd.contracts.config import Config
from edgekd.data.metrics import mean_error
from edgekd.data.prepared import Prepared
from edgekd.data.preprocess import Preprocess
from edgekd.distill import losses
from edgekd.distill.examples import Examples
from edgekd.distill.losses.loss_step import TeacherView, TrainingStep, masked_mse
from edgekd.distill.trainer import Distillation, Recipe, fit, forecast, supervised
from edgekd.evaluate.candidates import TrainedBatch
from edgekd.evaluate.training_examples import examples_of
from edgekd.export.model import member_ranges
from edgekd.models.dlnet import Dlnet
from edgekd.models.fake_quant import FakeQuantizer
from edgekd.models.kinds import build, load, save, select
from edgekd.models.population import Population, Shape
from edgekd.run import read_json, write_json

WEIGHTS, STAGE1, MEMBERS = "weights.safetensors", "stage1.safetensors", "members.json"


def shape_of(config: Config, prepared: Prepared, candidate: Candidate | None = None) -> Shape:
    """What all networks of a run share, or all of a candidate's batch; the rank is the highest one."""
    preprocess = prepared.preprocess_of(candidate)
    return Shape(
        patches=preprocess.steps,
        columns=len(preprocess.columns),
        outputs=preprocess.task.outputs,
        rank=max(config.search.rank, default=config.students.rank),
        euler_steps=(candidate and candidate.euler_steps) or 1,
    )


class Trainer:
    """Trains batches of students: holds the data, the teacher and its forecasts, computed once."""

    def __init__(self, config: Config, prepared: Prepared, teacher: Population) -> None:
        self.config, self.prepared = config, prepared
        self.teacher = teacher.to(config.students.device)
        self.examples = cache(self._examples)
        self.prepared_loss = cache(self._prepared_loss)
        self.soft = forecast(self.teacher, self.examples("train", None)).mean(0, keepdim=True)
        """The mean forecast of the teacher's members, [1, n, O]."""

    def train(self, batch: Batch, folder: Path) -> None:
        """Stage 1, then pruning and stage 2 of a batch, into `folder`."""
        students, _ = self._stage1(batch.students, batch.epoch_factor)
        stage1_errors = self._errors(students, batch.candidates[0])
        student_index = batch.student_index
        compressed, quantizer, errors = self._stage2(students, student_index, batch.members, batch.epoch_factor)
        best = [_best_seed(errors, at * len(batch.seeds), len(batch.seeds)) for at in range(len(batch.candidates))]
        save(students, folder / STAGE1)
        save(select(compressed, best), folder / WEIGHTS)
        about = {
            candidate.name: {
                "seed": batch.members[member][1],
                "stage1": student_index[member],
                "stage1_error": stage1_errors[student_index[member]],
                "ranges": member_ranges(quantizer, member),
            }
            for candidate, member in zip(batch.candidates, best, strict=True)
        }
        write_json(folder / MEMBERS, about)

    def ablate(self, batch: Batch) -> dict[str, dict[str, list[float]]]:
        """What distillation and stage 2 are worth to each candidate: validation errors on the integer grid, in the
        target's unit, one per seed, by candidate and by what is left out (`nothing`, `stage 2`, `distillation`).

        Without stage 2 a student is pruned and quantized and not trained again; without distillation both stages learn
        from the measured target alone.
        """
        parts = self._parts(batch.candidates[0])
        students, _ = self._stage1(batch.students, batch.epoch_factor)
        candidates = [candidate for candidate, _ in batch.members]
        pruned = pruned_members(students, batch.student_index, candidates, parts[0], self.config.students.batch)
        errors = {"stage 2": self._errors(pruned, candidates[0], integer_grid(pruned, candidates, parts[0]))}
        recovered = self._stage2(students, batch.student_index, batch.members, batch.epoch_factor)
        errors["nothing"] = self._errors(recovered[0], candidates[0], recovered[1])
        alone = replace(
            batch, candidates=tuple(replace(candidate, target_weight=1.0) for candidate in batch.candidates)
        )
        students, _ = self._stage1(alone.students, batch.epoch_factor)
        recovered = self._stage2(students, alone.student_index, alone.members, batch.epoch_factor)
        errors["distillation"] = self._errors(recovered[0], candidates[0], recovered[1])
        count = len(batch.seeds)
        return {
            candidate.name: {left_out: of_members[at * count :][:count] for left_out, of_members in errors.items()}
            for at, candidate in enumerate(batch.candidates)
        }

    def _stage1(self, students: Members, epoch_factor: int) -> tuple[Population, Tensor]:
        """Students learn from the teacher and from the measured target; with their validation losses [P]."""
        config, (train, val) = self.config, self._parts(students[0][0])
        population = _empty(self.config, self.prepared, students).to(config.students.device)
        loss = self._loss(students, config.stage_loss("stage1"), self.soft)
        recipe = _recipe(config, epoch_factor * config.students.epochs, students)
        return population, fit(population, train, val, loss, recipe)

    def _stage2(
        self,
        students: Population,
        student_index: Sequence[int],
        members: Members,
        epoch_factor: int,
    ) -> tuple[Population, FakeQuantizer, Tensor]:
        """Members recover from pruning and quantization; soft target: the mean of the teacher and their student.

        Returns them, their grids and their validation errors on these [P].
        """
        config, (train, val) = self.config, self._parts(members[0][0])
        candidates = [candidate for candidate, _ in members]
        pruned = pruned_members(students, student_index, candidates, train, config.students.batch)
        soft = (forecast(students, train)[list(student_index)] + self.soft) / 2
        loss = self._loss(members, config.stage_loss("stage2"), soft)
        recipe = _recipe(config, epoch_factor * config.compress.epochs, members).slower()
        return pruned, *recover(pruned, candidates, train, val, loss, recipe)

    def without_recurrence(self, best: Candidate) -> float:
        """Validation error, in the target's unit, of the stage-1 student of `best` when its gates do not see its
        state.
        """
        train, val = self._parts(best)
        shape = replace(shape_of(self.config, self.prepared, best), feedback=False)
        member = [(best, self.config.search.seed)]
        student = build(best.kind, [best.hidden], [self.config.search.seed], shape, ranks=_ranks(self.config, member))
        loss = self._loss(member, self.config.stage_loss("stage1"), self.soft)
        recipe = _recipe(self.config, self.config.students.epochs, member)
        fit(student.to(self.config.students.device), train, val, loss, recipe)
        return self._errors(student, best)[0]

    def _errors(
        self, population: Population, candidate: Candidate, quantizer: FakeQuantizer | None = None
    ) -> list[float]:
        """Validation error of each member, in the task's terms, with the patch of a candidate."""
        return val_errors(population, self.prepared, self.prepared.preprocess_of(candidate), quantizer)

    def _parts(self, candidate: Candidate) -> tuple[Examples, Examples]:
        return self.examples("train", candidate.patch), self.examples("val", candidate.patch)

    def _examples(self, part: str, patch: int | None) -> Examples:
        preprocess = self.prepared.preprocess
        use = replace(preprocess, patch=patch or preprocess.patch)
        return examples_of(self.prepared, part, use).to(self.config.students.device)

    def _loss(self, members: Members, default: str, soft: Tensor) -> Distillation:
        names = [candidate.loss or default for candidate, _ in members]
        shares = [math.nan if candidate.target_weight is None else candidate.target_weight for candidate, _ in members]
        prepared = {name: self.prepared_loss(name, members[0][0].patch) for name in sorted(set(names))}
        weights = torch.tensor(shares, device=soft.device)
        output, temperature = self.config.task.output_loss, self.config.distill.temperature
        return Distillation(names, soft, prepared, weights, output=output, temperature=temperature)

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


def load_batch(config: Config, prepared: Prepared, batch: Batch, folder: Path) -> TrainedBatch:
    """What `Trainer.train` wrote."""
    members = read_json(folder / MEMBERS)
    about = [members[candidate.name] for candidate in batch.candidates]
    best = [(candidate, own["seed"]) for candidate, own in zip(batch.candidates, about, strict=True)]
    return TrainedBatch(
        candidates=batch.candidates,
        compressed=load(_empty(config, prepared, best), folder / WEIGHTS),
        ranges=[{name: (low, high) for name, (low, high) in own["ranges"].items()} for own in about],
        stage1=load(_empty(config, prepared, batch.students), folder / STAGE1),
        stage1_of=[own["stage1"] for own in about],
        stage1_error=[own["stage1_error"] for own in about],
    )


def _empty(config: Config, prepared: Prepared, members: Members) -> Population:
    """Untrained members of one batch."""
    first = members[0][0]
    return build(
        first.kind,
        [candidate.hidden for candidate, _ in members],
        [seed for _, seed in members],
        shape_of(config, prepared, first),
        ranks=_ranks(config, members),
    )


def _ranks(config: Config, members: Members) -> list[int]:
    return [config.students.rank if candidate.rank is None else candidate.rank for candidate, _ in members]


def train_teacher(config: Config, prepared: Prepared, folder: Path) -> None:
    """Train all members together on the measured targets."""
    device = config.students.device
    teacher = _empty_teacher(config, prepared).to(device)
    train, val = (examples_of(prepared, part).to(device) for part in ("train", "val"))
    fit(teacher, train, val, supervised, _recipe(config, config.teacher.epochs))
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
    if any(candidate.optimizer for candidate, _ in members):
        muon = [(candidate.optimizer or config.students.optimizer) == "muon" for candidate, _ in members]
    return Recipe(
        epochs=epochs,
        learning_rate=config.students.learning_rate,
        batch=config.students.batch,
        seed=config.search.seed,
        muon=muon,
    )
