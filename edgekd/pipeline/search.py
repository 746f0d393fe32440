"""The search of a run: which tasks there are, in which order they depend on each other, and what they resulted in."""

import hashlib
import json
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from edgekd import __version__
from edgekd.contracts.batch import Batch
from edgekd.contracts.candidate import Candidate
from edgekd.contracts.config import Config
from edgekd.contracts.declarations import model_kinds
from edgekd.contracts.results import Outcome, PairParity, Parity, Scores, read_outcome
from edgekd.data.prepared import load_prepared, prepare, table_sha256
from edgekd.evaluate.firmware import sources_sha256
from edgekd.evaluate.selection import built, choose, front_of, objectives, over_limits, volume
from edgekd.run import Run, read_json
from edgekd.search.batches import divide
from edgekd.search.driver import Driver, Task
from edgekd.search.executor import Executor, InProcess, LocalPool
from edgekd.search.sampler import DIMENSIONS, Sampler
from edgekd.search.space import grid, spread
from edgekd.search.study import StudyFile, Trial

if TYPE_CHECKING:
    from edgekd.models.population import Population

WORKER = "edgekd.evaluate.worker:Worker"
DATABASE = "search/study.db"
TEACHER, DLNET, RESULT = "teacher", "search/dlnet", "result.json"
DATA = ("data",)


class Search:
    """The search of one run: it decides what comes next, workers do it. A context: the workers end with it."""

    def __init__(self, run: Run, config: Config, workers: int, until: float) -> None:
        """No generation but the first is begun that would not be done, with all that follows, at time `until`
        (time.monotonic). `workers`: processes; one works in this process.
        """
        self.run, self.config, self.until = run, config, until
        self.table_sha256 = table_sha256(config)
        sections = {"data": config.data.model_dump(), "task": config.task.model_dump()} | {
            "augment": config.augment.model_dump()
        }
        key = {**sections, "table": self.table_sha256, "seed": config.search.seed}
        self.prepared = load_prepared(run.piece("data", key, partial(prepare, config)))
        self.space = grid(_choices(config), config.task.output_loss)
        data = (config, run.files("data"))
        self._executor: Executor = InProcess(WORKER, data) if workers == 1 else LocalPool(WORKER, data, workers)
        self._driver = Driver(run, self._executor)
        values = {name: list(dict.fromkeys(getattr(point, name) for point in self.space)) for name in DIMENSIONS}
        self._study = StudyFile(run.folder / DATABASE, _study_name(config, self.table_sha256), values, run.progress)
        self._outcomes: dict[str, Outcome] = {}
        self._generations: dict[str, int | None] = {}
        self._verified: list[str] = []
        self._ablated: list[Batch] = []
        self._without_recurrence: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.stop()

    def explore(self, *, compare: bool = True) -> None:
        """Train generations of candidates, then the front longer: all is in `scores` when this returns.

        compare: a worker that has nothing else to do may train networks to compare with.
        """
        self._driver.submit([self._teacher_task(), *([self._dlnet_task()] if compare else [])])
        self.run.progress.start("teacher", 1)
        self._driver.make([self._teacher_task()])
        self.run.progress.finish()
        self._run_generations()
        self._refine()

    def verify(self) -> None:
        """Check parity of the chosen candidate and of the front, and train what the report compares them with."""
        chosen = choose(self.config, self.scores()).name
        self._verified = list(dict.fromkeys([chosen, *self.front()]))
        self._ablated = divide(self._spread_over_front(self.config.search.ablate), "ablation", self._seeds())
        self._without_recurrence = self._best_recurrent()
        tasks = [*map(self._parity_task, self._verified), *map(self._ablation_task, self._ablated)]
        tasks += [self._without_recurrence_task(name) for name in [self._without_recurrence] if name]
        tasks.append(self._dlnet_task())
        self.run.progress.start("verify", len(tasks))
        self._driver.make(tasks)
        self.run.progress.finish()

    def scores(self) -> Scores:
        """What became of every candidate, without the figures of its layers, in the order they were trained in."""
        return self._outcomes

    def generation(self, name: str) -> int | None:
        """In which generation a candidate was trained; None when it was refined afterwards."""
        return self._generations[name]

    def seconds(self, name: str) -> float:
        """When a candidate's model was done, in seconds since the first one was."""
        first = min(self.run.finished_at(f"models/{other}") for other in self._outcomes)
        return round(self.run.finished_at(f"models/{name}") - first, 3)

    def front(self) -> list[str]:
        """Names of the front, the most accurate first."""
        return front_of(self.config, self._outcomes)

    def parities(self) -> dict[str, Parity]:
        """Parity of every candidate that was verified."""
        return {
            name: {pair: PairParity.parse(value) for pair, value in self._result(f"search/parity/{name}").items()}
            for name in self._verified
        }

    def ablations(self) -> dict[str, dict[str, list[float]]]:
        """Errors of each ablated candidate by what was left out, one per seed."""
        return {name: errors for batch in self._ablated for name, errors in self._result(batch.name).items()}

    def without_recurrence(self) -> dict[str, float]:
        """Error of the best recurrent student without its recurrence, by its name; empty when there is none."""
        name = self._without_recurrence
        return {name: self._result(f"search/without_recurrence/{name}")["error"]} if name else {}

    def dlnet(self) -> dict[str, float]:
        """Errors of DLNet's teacher and student."""
        return dict(self._result(DLNET))

    @property
    def teacher(self) -> "Population":
        """The trained teacher."""
        from edgekd.evaluate.training import load_teacher

        return load_teacher(self.config, self.prepared, self.run.folder / TEACHER)

    def _result(self, piece: str) -> Any:
        return read_json(self.run.folder / piece / RESULT)

    def _run_generations(self) -> None:
        settings = self.config.search
        sampler = Sampler(
            self.space, settings.generation, settings.seed, len(settings.objectives), self.config.task.output_loss
        )
        first = spread(self.space, settings.generation, settings.seed)
        count, number, member_seconds = 0, 0, 0.0
        reference: list[float] = []
        self.run.progress.start("search", min(settings.candidates, len(self.space)))
        while candidates := sampler.ask([] if number else first, settings.candidates - count):
            begun, begun_at = time.monotonic(), time.time()
            tasks = [self._batch_task(batch) for batch in divide(candidates, f"{number:03d}", [settings.seed])]
            members = len(candidates) + self._later_members(len(self.front()))
            late = begun + member_seconds * members > self.until
            if number and late and not any(map(self._driver.keeps, tasks)):
                break
            self._driver.make(tasks, count)
            self._learn(tasks, number)
            sampler.tell({candidate.name: self._told(candidate.name) for candidate in candidates})
            count += len(candidates)
            made = [one for one in candidates if self.run.finished_at(f"models/{one.name}") >= begun_at]
            if made:
                member_seconds = (time.monotonic() - begun) / len(made)
            reference = reference or [1.1 * max(axis) for axis in zip(*self._points(), strict=True)]
            self._note(number, reference, count)
            number += 1
        self.run.progress.finish()

    def _refine(self) -> None:
        """Points of the front again, longer and from several seeds, of which the best stays: further candidates."""
        settings = self.config.search
        again = [replace(point, finetuned=True) for point in self._spread_over_front(settings.refine)]
        if again:
            batches = divide(again, "fine", self._seeds(), settings.refine_epochs)
            tasks = [self._batch_task(batch) for batch in batches]
            self.run.progress.start("refine", len(again))
            self._driver.make(tasks)
            self.run.progress.finish()
            self._learn(tasks, None)

    def _learn(self, tasks: Iterable[Task], generation: int | None) -> None:
        """Read what became of the candidates of finished batches, and write it to the study."""
        names = [candidate.name for task in tasks for candidate in task.arguments[0].candidates]
        for name in names:
            self._outcomes[name] = read_outcome(self.run.folder / "models" / name / "score.json").totals()
            self._generations[name] = generation
        self._study.tell(
            [
                Trial(
                    candidate=Candidate.parse(name),
                    objectives=objectives(self.config, self._outcomes[name]),
                    result={"generation": generation, **self._outcomes[name].to_dict()},
                )
                for name in names
            ]
        )

    def _told(self, name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
        outcome = self._outcomes[name]
        return objectives(self.config, outcome), over_limits(self.config, outcome)

    def _points(self) -> list[tuple[float, ...]]:
        return [objectives(self.config, result) for result in built(self._outcomes).values()] or [(0.0, 0.0)]

    def _note(self, number: int, reference: Sequence[float], count: int) -> None:
        best = min((result.val.error for result in built(self._outcomes).values()), default=math.nan)
        text = f"generation {number}: {count} candidates, {len(self.front())} on the front, "
        text += f"validation error {best:.5g}, hypervolume {volume(self.config, self._outcomes, reference):.4f}"
        if self.until < math.inf:
            text += f", {max(0, round(self.until - time.monotonic()))} s left"
        self.run.progress.note(text)

    def _spread_over_front(self, count: int) -> list[Candidate]:
        """At most `count` points of the front, spread along it from the most accurate, none of them refined."""
        plain = {name: score for name, score in self._outcomes.items() if not Candidate.parse(name).finetuned}
        names = front_of(self.config, plain)
        count = min(count, len(names))
        places = {round(at * (len(names) - 1) / max(1, count - 1)) for at in range(count)}
        return [Candidate.parse(names[at]) for at in sorted(places)]

    def _best_recurrent(self) -> str | None:
        candidates = built(self._outcomes)
        recurrent = [name for name in candidates if model_kinds()[Candidate.parse(name).kind].recurrent]
        return min(recurrent, key=lambda name: candidates[name].val.error, default=None)

    def _seeds(self) -> list[int]:
        """Seeds of what is trained several times."""
        return [self.config.search.seed + more for more in range(self.config.search.refine_seeds)]

    def _later_members(self, on_front: int) -> int:
        """Members to be trained when the generations are done, counted by their epochs; to verify a point of the front
        takes about as long as one.
        """
        settings = self.config.search
        return settings.refine_seeds * (settings.refine * settings.refine_epochs + settings.ablate * 2) + on_front

    def _training_key(self) -> list[Any]:
        """What every training depends on, beside its data and who is taught."""
        students = self.config.students.model_dump(exclude={"kinds", "hidden"})
        return [students, self.config.task.model_dump(), self.config.search.seed]

    def _batch_key(self, batch: Batch) -> list[Any]:
        settings = [self._training_key(), self.config.distill.model_dump(), self.config.compress.epochs]
        return [settings, [candidate.name for candidate in batch.candidates], batch.seeds, batch.epoch_factor]

    def _teacher_task(self) -> Task:
        return Task(
            piece=TEACHER, kind="teacher", key=[self.config.teacher.model_dump(), self._training_key()], data=DATA
        )

    def _dlnet_task(self) -> Task:
        return Task(piece=DLNET, kind="dlnet", key=[self.config.teacher.epochs, self._training_key()], data=DATA)

    def _batch_task(self, batch: Batch) -> Task:
        """Train a batch, then export and measure its candidates."""
        exports = [
            Task(
                piece=f"models/{candidate.name}",
                kind="export",
                key=[self.config.name, self.config.board],
                arguments=(batch, member),
                needs=(batch.name,),
                data=DATA,
            )
            for member, candidate in enumerate(batch.candidates)
        ]
        return Task(
            piece=batch.name,
            kind="batch",
            key=self._batch_key(batch),
            arguments=(batch,),
            needs=(TEACHER,),
            data=DATA,
            followed_by=tuple(exports),
        )

    def _ablation_task(self, batch: Batch) -> Task:
        return Task(
            piece=batch.name,
            kind="ablation",
            key=self._batch_key(batch),
            arguments=(batch,),
            needs=(TEACHER,),
            data=DATA,
        )

    def _without_recurrence_task(self, name: str) -> Task:
        return Task(
            piece=f"search/without_recurrence/{name}",
            kind="without_recurrence",
            key=[self._training_key(), self.config.distill.stage1],
            arguments=(Candidate.parse(name),),
            needs=(TEACHER,),
            data=DATA,
        )

    def _parity_task(self, name: str) -> Task:
        """Parity stands for a model and for the code that is generated from it."""
        model = f"models/{name}"
        return Task(
            piece=f"search/parity/{name}",
            kind="parity",
            key=[self.config.board, sources_sha256(self.run.folder / model)],
            arguments=(model,),
            needs=(model,),
            data=DATA,
        )


def _study_name(config: Config, table: str) -> str:
    """The name of the run, and a hash of everything that the result of a trial depends on."""
    parts = config.model_dump(mode="json", exclude={"budget"})
    for name in ("candidates", "refine", "ablate"):
        del parts["search"][name]
    text = json.dumps([__version__, parts, table], sort_keys=True)
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
