"""The search: workers that train, export and measure candidates, each of them once, whoever does it.

All workers run the same code. What they share is an Optuna storage with the trials and, on several machines, a store
for models. Which candidates a generation has follows from the results of those before it, so every worker knows; who
trains which batch is settled by claims.
"""

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch

from edgekd import __version__
from edgekd.contracts.board import load_board
from edgekd.contracts.candidate import Candidate
from edgekd.contracts.config import Config
from edgekd.contracts.declarations import model_kinds
from edgekd.contracts.errors import ConfigError, DataError, DoesNotFit
from edgekd.contracts.results import CandidateResult, Outcome, PairParity, Parity, Refused, Scores, TrialResult
from edgekd.data import prepared as prepare
from edgekd.data.prepared import Prepared
from edgekd.evaluate import parity
from edgekd.evaluate.candidates import export_candidate, read_result
from edgekd.evaluate.firmware import sources_sha256
from edgekd.evaluate.selection import built, choose, front_of, objectives, over_limits, volume
from edgekd.pipeline import train
from edgekd.pipeline.train import Batch, Lessons
from edgekd.run import Run, read_json, write_json
from edgekd.search.artifacts import Artifacts
from edgekd.search.space import grid, spread
from edgekd.search.study import DIMENSIONS, Study, parameters
from edgekd.search.trials import Trials, sqlite_url

POLL_SECONDS = 0.5
DATABASE = "search/study.db"
PARITY = "parity.json"


@dataclass(frozen=True)
class Shared:
    """Where workers meet: the address of an Optuna storage, and a store for models. Empty: within the run folder."""

    storage: str = ""
    artifacts: str = ""


LOCAL = Shared()


@dataclass(frozen=True)
class Job:
    """Work that one worker claims: what gives results for some names, with their parameters, in `trials`."""

    trials: Trials
    parameters: dict[str, dict[str, Any]]
    do: Callable[[], None]

    @property
    def names(self) -> list[str]:
        return list(self.parameters)


class Search:
    """One worker's part of a search, in a run folder of its own or of its owner's."""

    def __init__(self, run: Run, config: Config, shared: Shared, until: float, *, finish: bool = True) -> None:
        """No generation but the first is begun that would not be done, with all that follows, at time `until`
        (time.monotonic). `finish`: a worker that must wait may do what follows the search meanwhile.

        ConfigError for a storage or a store that cannot be used.
        """
        if shared.storage and not shared.artifacts:
            raise ConfigError("a shared storage needs a store for models", hint="--artifacts FOLDER, or s3://bucket")
        torch.set_num_threads(1)  # the networks are tiny, and sums in one order give the same bits on every worker
        self.run, self.config, self.until = run, config, until
        self.table_sha256 = prepare.table_sha256(config)
        key = {"data": config.data.model_dump(), "table": self.table_sha256, "seed": config.search.seed}
        self.prepared: Prepared = prepare.load_prepared(run.piece("data", key, partial(prepare.prepare, config)))
        self._output_loss = config.task.output_loss
        self.space = grid(_choices(config), self._output_loss)
        (run.folder / DATABASE).parent.mkdir(exist_ok=True)
        url, name = shared.storage or sqlite_url(run.folder / DATABASE), study_name(config)
        choices = {key: list(dict.fromkeys(getattr(one, key) for one in self.space)) for key in DIMENSIONS}
        self.trials = Trials(url, name, objectives=len(config.search.objectives), choices=choices)
        self.jobs = Trials(url, f"{name}/jobs")
        self.artifacts = Artifacts(shared.artifacts) if shared.artifacts else None
        self._spare = [self._job("dlnet")] if finish else []

    def begin(self) -> None:
        """What the owner of a run folder does first: nobody works in it, and what was changed is made again."""
        if self.artifacts:
            return
        stale = self.run.stale()
        self.trials.free(everything=True)
        self.jobs.free(everything=True)
        lost = [
            name
            for name, result in self.trials.results().items()
            if f"models/{name}" in stale or not self._told_as_measured(name, result.found)
        ]
        self.trials.forget(lost)
        checked = [name for name in self.jobs.results() if name.startswith("parity:")]
        self.jobs.forget([*checked, *(["teacher"] if "teacher" in stale else [])])

    def _told_as_measured(self, name: str, found: Mapping[str, Any]) -> bool:
        """Whether the study says of a candidate what was measured of its model; what it refuses is measured again."""
        if "refused" in found.get("outcome", {}) or not self.run.holds(f"models/{name}"):
            return False
        try:
            same = TrialResult.parse(dict(found)).outcome == _measured(self.run.folder / "models" / name)
        except DataError:
            same = False
        if not same:
            self.run.progress.note(f"{DATABASE} does not say of {name} what was measured: it is told again")
        return same

    def explore(self) -> None:
        """Generations of candidates, then the front trained longer: all is in `scores` when this returns."""
        with self.trials.alive(), self.jobs.alive():
            self.run.progress.start("search", min(self.config.search.candidates, len(self.space)))
            self._generations()
            self.run.progress.finish()
            self._refine()

    def finish(self) -> None:
        """What the report says beside the scores: ablations, networks to compare with, and parity."""
        with self.trials.alive(), self.jobs.alive():
            names = [*self._verified(), *self._ablations(), *self._compared()]
            self.run.progress.start("verify", len(names))
            self._work([self._job(name) for name in names])
            self.run.progress.finish()

    def scores(self) -> dict[str, Outcome]:
        """What became of every candidate that is known, without the figures of its layers, in the order of offer."""
        return {name: trial.outcome for name, trial in self._known().items()}

    def trial(self, name: str) -> TrialResult:
        """What the search keeps of a candidate."""
        return self._known()[name]

    def parities(self) -> dict[str, Parity]:
        """Parity of every candidate that was verified."""
        return {
            name: {pair: PairParity.parse(value) for pair, value in pairs.items()}
            for name, pairs in self.results("parity").items()
        }

    def seconds(self) -> dict[str, float]:
        """When each candidate became known, in seconds since the first one did."""
        found = {name: result.at for name, result in self.trials.results().items()}
        first = min(found.values())
        return {name: (at - first).total_seconds() for name, at in found.items()}

    def results(self, kind: str) -> dict[str, Any]:
        """What the jobs of a kind found, by what they are about."""
        known = self.jobs.results()
        return {name.partition(":")[2]: known[name].found for name in known if name.partition(":")[0] == kind}

    def model(self, name: str) -> Path:
        """The folder of a candidate's model, fetched where another worker made it."""
        folder = self.run.folder / "models" / name
        if self.artifacts and not self.run.holds(f"models/{name}"):
            artifact = self.trial(name).artifact
            return self.run.piece(f"models/{name}", artifact, partial(self.artifacts.get, artifact))
        return folder

    def front(self) -> list[str]:
        """Names of the front, the most accurate first."""
        return front_of(self.config, self.scores())

    @cached_property
    def lessons(self) -> Lessons:
        """The teacher, trained by one worker for all."""
        self._work([self._job("teacher")], self._spare)
        found = self.jobs.results()["teacher"].found
        if self.artifacts:
            build = partial(self.artifacts.get, found["artifact"])
        else:
            build = partial(train.train_teacher, self.config, self.prepared, tick=self.run.progress.advance)
        folder = self.run.piece("teacher", self._teacher_key, build, steps=self.config.teacher.epochs, needs=("data",))
        return Lessons(self.config, self.prepared, train.load_teacher(self.config, self.prepared, folder))

    def _generations(self) -> None:
        settings = self.config.search
        study = Study(self.space, settings.generation, settings.seed, len(settings.objectives), self._output_loss)
        first = spread(self.space, settings.generation, settings.seed)
        count, number, member_seconds = 0, 0, 0.0
        reference: list[float] = []
        while ours := study.ask([] if number else first, settings.candidates - count):
            begun = time.monotonic()
            members = len(ours) + self._later_members(len(front_of(self.config, self.scores())))
            late = begun + member_seconds * members > self.until
            if number and late and not {one.name for one in ours} & self.trials.offered():
                break
            made = [one.name for one in ours if one.name not in self.trials.results()]
            batches = train.batches(ours, f"{number:03d}", [settings.seed])
            self._work([self._batch_job(batch, number) for batch in batches], self._spare, count)
            scores = self.scores()
            study.tell({one.name: self._told(scores[one.name]) for one in ours})
            count += len(ours)
            if made:
                member_seconds = (time.monotonic() - begun) / len(made)
            reference = reference or [1.1 * max(axis) for axis in zip(*self._points(scores), strict=True)]
            self._note(number, scores, reference, count)
            number += 1

    def _refine(self) -> None:
        """Points of the front again, longer and from several seeds, of which the best stays: further candidates."""
        settings = self.config.search
        again = [replace(one, finetuned=True) for one in self._picked(settings.refine)]
        seeds = [settings.seed + more for more in range(settings.refine_seeds)]
        if again:
            self.run.progress.start("refine", len(again))
            batches = train.batches(again, "fine", seeds, settings.refine_epochs)
            self._work([self._batch_job(batch, None) for batch in batches], self._spare)
            self.run.progress.finish()

    def _picked(self, count: int) -> list[Candidate]:
        """At most `count` points of the front, spread along it from the most accurate, none of them refined."""
        plain = {name: score for name, score in self.scores().items() if not Candidate.parse(name).finetuned}
        names = front_of(self.config, plain)
        count = min(count, len(names))
        places = {round(at * (len(names) - 1) / max(1, count - 1)) for at in range(count)}
        return [Candidate.parse(names[at]) for at in sorted(places)]

    def _later_members(self, on_front: int) -> int:
        """Members to be trained when the generations are done, counted by their epochs; to verify a point of the front
        takes about as long as one.
        """
        settings = self.config.search
        return settings.refine_seeds * (settings.refine * settings.refine_epochs + settings.ablate * 2) + on_front

    def _known(self) -> dict[str, TrialResult]:
        return {name: TrialResult.parse(dict(result.found)) for name, result in self.trials.results().items()}

    def _told(self, score: Outcome) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return objectives(self.config, score), over_limits(self.config, score)

    def _points(self, scores: Scores) -> list[tuple[float, ...]]:
        return [objectives(self.config, result) for result in built(scores).values()] or [(0.0, 0.0)]

    def _note(self, number: int, scores: Scores, reference: Sequence[float], count: int) -> None:
        best = min((result.val.error for result in built(scores).values()), default=math.nan)
        text = f"generation {number}: {count} candidates, {len(front_of(self.config, scores))} on the front, "
        text += f"validation error {best:.5g}, hypervolume {volume(self.config, scores, reference):.4f}"
        if self.until < math.inf:
            text += f", {max(0, round(self.until - time.monotonic()))} s left"
        self.run.progress.note(text)

    def _work(self, required: Sequence[Job], spare: Sequence[Job] = (), before: int = 0) -> None:
        """Do jobs, or wait for those who do, until all that are required are done; meanwhile spare ones.

        `before` names were done before, for the progress.
        """
        while True:
            known = {name for trials in (self.trials, self.jobs) for name in trials.results()}
            left = [job for job in (*required, *spare) if not known.issuperset(job.names)]
            self.run.progress.advance(before + sum(name in known for job in required for name in job.names))
            if not any(job in required for job in left):
                return
            for trials in {id(job.trials): job.trials for job in left}.values():
                trials.free()
            for job in left:
                job.trials.offer(job.parameters)
            if not any(self._take(job, known) for job in left):
                time.sleep(POLL_SECONDS)

    def _take(self, job: Job, known: set[str]) -> bool:
        """Do what is not known of a job if nobody else is at it."""
        first, *others = (name for name in job.names if name not in known)
        if not job.trials.claim(first):
            return False
        for name in others:
            job.trials.claim(name)
        job.do()
        return True

    def _batch_job(self, batch: Batch, generation: int | None) -> Job:
        named = {one.name: parameters(one) for one in batch.candidates}
        return Job(self.trials, named, partial(self._make, batch, generation))

    def _make(self, batch: Batch, generation: int | None) -> None:
        """Train a batch, then export and measure its candidates."""
        lessons, run = self.lessons, self.run
        settings = [train.training_key(self.config), self.config.distill.model_dump(), self.config.compress.epochs]
        key = [settings, [one.name for one in batch.candidates], batch.seeds, batch.epoch_factor]
        steps = batch.epoch_factor * (self.config.students.epochs + self.config.compress.epochs)
        build = partial(lessons.train, batch, tick=run.progress.advance)
        folder = run.piece(batch.name, key, build, steps=steps, needs=("data", "teacher"))
        trained = lessons.load(batch, folder)
        for member, one in enumerate(batch.candidates):
            if self.trials.mine(one.name):
                export = partial(export_candidate, self.config, self.prepared, trained, member)
                self._export(one, export, batch.name, generation)

    def _export(self, one: Candidate, export: Callable[[Path], None], made_from: str, generation: int | None) -> None:
        outcome: Outcome
        artifact = ""
        try:
            key = [self.config.name, self.config.board]
            piece = self.run.piece(f"models/{one.name}", key, export, needs=(made_from,))
            outcome = _measured(piece)
            if self.artifacts:
                artifact = self.artifacts.put(piece, self.trials.study)
        except DoesNotFit as error:
            outcome = Refused(refused=str(error))
        trial = TrialResult(generation=generation, outcome=outcome, artifact=artifact)
        self.trials.tell(one.name, objectives(self.config, outcome), trial.to_dict())

    def _job(self, name: str) -> Job:
        """A job by its name: what it is, a colon, and what it is about."""
        kind, _, about = name.partition(":")
        do = {
            "teacher": self._teach,
            "dlnet": self._dlnet,
            "without_recurrence": self._without_recurrence,
            "ablation": self._ablate,
            "parity": self._check_parity,
        }[kind]

        def work() -> None:
            self.jobs.tell(name, [0.0], do(about))

        return Job(self.jobs, {name: {}}, work)

    def _verified(self) -> list[str]:
        chosen = choose(self.config, self.scores()).name
        return [_parity(name) for name in dict.fromkeys([chosen, *self.front()])]

    def _ablations(self) -> list[str]:
        picked = self._picked(self.config.search.ablate)
        return ["ablation:" + ",".join(one.name for one in batch.candidates) for batch in self._ablated(picked)]

    def _compared(self) -> list[str]:
        """DLNet, and the best recurrent student without its recurrence."""
        candidates = built(self.scores())
        recurrent = [name for name in candidates if model_kinds()[Candidate.parse(name).kind].recurrent]
        best = min(recurrent, key=lambda name: candidates[name].val.error, default=None)
        return ["dlnet"] + ([f"without_recurrence:{best}"] if best else [])

    def _ablated(self, candidates: Sequence[Candidate]) -> list[Batch]:
        seeds = [self.config.search.seed + more for more in range(self.config.search.refine_seeds)]
        return train.batches(candidates, "ablation", seeds)

    def _teach(self, about: str) -> dict[str, Any]:
        build = partial(train.train_teacher, self.config, self.prepared, tick=self.run.progress.advance)
        folder = self.run.piece("teacher", self._teacher_key, build, steps=self.config.teacher.epochs, needs=("data",))
        return {"artifact": self.artifacts.put(folder, self.jobs.study)} if self.artifacts else {}

    @property
    def _teacher_key(self) -> list[Any]:
        return [self.config.teacher.model_dump(), train.training_key(self.config)]

    def _dlnet(self, about: str) -> dict[str, Any]:
        return train.dlnet(self.config, self.prepared)

    def _without_recurrence(self, about: str) -> dict[str, Any]:
        return {"mae": self.lessons.without_recurrence(Candidate.parse(about))}

    def _ablate(self, about: str) -> dict[str, Any]:
        (batch,) = self._ablated([Candidate.parse(name) for name in about.split(",")])
        return self.lessons.ablate(batch)

    def _check_parity(self, about: str) -> dict[str, Any]:
        folder, board = self.model(about), load_board(self.config.board)
        piece = self.run.piece(
            f"search/parity/{about}",
            [self.config.board, sources_sha256(folder)],
            lambda piece: write_json(
                piece / PARITY,
                {name: pair.to_dict() for name, pair in parity.compare(folder, self.prepared, board).items()},
            ),
            needs=(f"models/{about}", "data"),
        )
        return read_json(piece / PARITY)


def study_name(config: Config) -> str:
    """The name of the run, and a hash of everything that the result of a trial depends on."""
    parts = config.model_dump(mode="json", exclude={"budget"})
    for name in ("candidates", "refine", "ablate"):
        del parts["search"][name]
    text = json.dumps([__version__, parts, prepare.table_sha256(config)], sort_keys=True)
    return f"{config.name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _choices(config: Config) -> dict[str, Sequence[Any]]:
    """The values that are tried for each field of a candidate."""
    settings = config.search
    return {
        "kind": config.students.kinds,
        "hidden": config.students.hidden,
        "weight_bits": config.compress.weight_bits,
        "activation_bits": config.compress.activation_bits,
        "sparsity": config.compress.sparsity,
        "block_sparsity": config.compress.block_sparsity,
        "patch": settings.patch or [None],
        "euler_steps": settings.euler_steps or [None],
        "rank": settings.rank or [None],
        "loss": settings.loss or [None],
        "target_weight": settings.target_weight or [None],
        "optimizer": settings.optimizer or [None],
    }


def _measured(folder: Path) -> CandidateResult:
    """score.json of a model, without the figures of its layers and functions."""
    result = read_result(folder)
    return result.model_copy(update={"measured": result.measured.totals() if result.measured else None})


def _parity(name: str) -> str:
    return f"parity:{name}"
