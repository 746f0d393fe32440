"""The search of a run: generations of candidates, then points of the front for more epochs and from several seeds."""

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from edgekd.contracts.candidate import Candidate
from edgekd.contracts.config import Config
from edgekd.contracts.results import Outcome, read_outcome
from edgekd.evaluate.findings import Explored
from edgekd.evaluate.jobs import Jobs
from edgekd.evaluate.selection import built, front_of, objectives, over_limits, spread_over_front, volume
from edgekd.search.batches import divide
from edgekd.search.driver import Driver, Job
from edgekd.search.sampler import DIMENSIONS, Sampler
from edgekd.search.space import choices, grid, spread
from edgekd.search.study import StudyFile, Trial, study_name

DATABASE = "search/study.db"


def run_search(driver: Driver, config: Config, table_sha256: str, until: float) -> Explored:
    """Train generations of candidates, then refine the front. What the run holds already is not done again.

    A generation other than the first starts only if it and all that follows are expected to finish before `until`
    (time.monotonic).
    """
    exploration = _Exploration(driver, config, table_sha256, until)
    exploration.run_generations()
    exploration.refine()
    return exploration.result()


class _Exploration:
    """What is known of the candidates while a search goes on."""

    def __init__(self, driver: Driver, config: Config, table_sha256: str, until: float) -> None:
        self.driver, self.run, self.config, self.until = driver, driver.run, config, until
        self.jobs = Jobs(config, driver.run.folder)
        self.space = grid(choices(config), config.task.output_loss)
        values = {name: list(dict.fromkeys(getattr(point, name) for point in self.space)) for name in DIMENSIONS}
        name = study_name(config, table_sha256)
        self.study = StudyFile(self.run.folder / DATABASE, name, values, self.run.progress)
        self.scores: dict[Candidate, Outcome] = {}
        self.generations: dict[Candidate, int | None] = {}

    def result(self) -> Explored:
        """Everything known, with the time at which each model was done."""
        done = {candidate: self.run.finished_at(f"models/{candidate.name}") for candidate in self.scores}
        first = min(done.values())
        return Explored(
            scores=self.scores,
            generations=self.generations,
            seconds={candidate: round(at - first, 3) for candidate, at in done.items()},
            front=self._front(),
        )

    def run_generations(self) -> None:
        """Train generations until there are as many candidates as wanted, or no time for another one."""
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
            jobs = [self.jobs.batch(batch) for batch in divide(candidates, f"{number:03d}", [settings.seed])]
            members = len(candidates) + self._later_members()
            late = begun + member_seconds * members > self.until
            if number and late and not any(map(self.driver.keeps, jobs)):
                break
            self.driver.make(jobs, count)
            self._learn(jobs, number)
            sampler.tell(
                {
                    candidate: (
                        objectives(self.config, self.scores[candidate]),
                        over_limits(self.config, self.scores[candidate]),
                    )
                    for candidate in candidates
                }
            )
            count += len(candidates)
            made = [point for point in candidates if self.run.finished_at(f"models/{point.name}") >= begun_at]
            if made:
                member_seconds = (time.monotonic() - begun) / len(made)
            reference = reference or [1.1 * max(axis) for axis in zip(*self._points(), strict=True)]
            self._note(number, reference, count)
            number += 1
        self.run.progress.finish()

    def refine(self) -> None:
        """Train points of the front for more epochs and from several seeds; the best seed is a further candidate."""
        settings = self.config.search
        points = spread_over_front(self.config, self.scores, settings.refine)
        if points:
            finetuned = [replace(point, finetuned=True) for point in points]
            jobs = [
                self.jobs.batch(batch) for batch in divide(finetuned, "fine", settings.seeds, settings.refine_epochs)
            ]
            self.run.progress.start("refine", len(points))
            self.driver.make(jobs)
            self.run.progress.finish()
            self._learn(jobs, None)

    def _learn(self, jobs: Iterable[Job], generation: int | None) -> None:
        """Read the outcome of each candidate of finished batches, and write it to the study."""
        candidates = [candidate for job in jobs for candidate in job.arguments[0].candidates]
        for candidate in candidates:
            path = self.run.folder / "models" / candidate.name / "score.json"
            self.scores[candidate] = read_outcome(path).totals()
            self.generations[candidate] = generation
        self.study.tell(
            [
                Trial(
                    candidate=candidate,
                    objectives=objectives(self.config, self.scores[candidate]),
                    result={"generation": generation, **self.scores[candidate].to_dict()},
                )
                for candidate in candidates
            ]
        )

    def _front(self) -> list[Candidate]:
        return front_of(self.config, self.scores)

    def _points(self) -> list[tuple[float, ...]]:
        return [objectives(self.config, result) for result in built(self.scores).values()] or [(0.0, 0.0)]

    def _note(self, number: int, reference: Sequence[float], count: int) -> None:
        best = min((result.val.error for result in built(self.scores).values()), default=math.nan)
        text = f"generation {number}: {count} candidates, {len(self._front())} on the front, "
        text += f"validation error {best:.5g}, hypervolume {volume(self.config, self.scores, reference):.4f}"
        if self.until < math.inf:
            text += f", {max(0, round(self.until - time.monotonic()))} s left"
        self.run.progress.note(text)

    def _later_members(self) -> int:
        """Members to be trained after the generations, counted by their epochs; verifying a point of the front takes
        about as long as training one.
        """
        settings = self.config.search
        trained = settings.refine_seeds * (settings.refine * settings.refine_epochs + settings.ablate * 2)
        return trained + len(self._front())
