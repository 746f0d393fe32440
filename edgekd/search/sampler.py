"""Which candidates a search asks for next: generations by NSGA-II (Deb et al. 2002), through Optuna's ask and tell.

The first generation is spread over the kinds; each later one is bred from the best so far. The sampler lives in memory
and depends on nothing but the space, the seed and what it is told: a run that was stopped asks for the same candidates,
finds the results that are known, and goes on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

from edgekd.contracts.candidate import Candidate
from edgekd.search.space import applicable

if TYPE_CHECKING:
    from optuna import Trial

ATTEMPTS = 20
"""Proposals per wanted candidate before one that was not seen yet is taken from the grid."""
DIMENSIONS = tuple(field.name for field in fields(Candidate) if field.name != "finetuned")
Objectives = tuple[float, ...]
Choice = str | int | float | None
"""A value of one field of a candidate."""


def parameters(candidate: Candidate) -> dict[str, Choice]:
    """A candidate as parameters of a trial."""
    return {name: getattr(candidate, name) for name in DIMENSIONS}


class Sampler:
    """A search over `grid` in generations of `size`. Every objective is made small; a constraint is kept where <= 0."""

    def __init__(
        self, grid: Sequence[Candidate], size: int, seed: int, objectives: int = 3, output_loss: str = "output_l1"
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._grid = dict.fromkeys(grid)
        choices = {name: list(dict.fromkeys(getattr(point, name) for point in grid)) for name in DIMENSIONS}
        self._choices = {
            name: sorted(values, key=lambda value: (value is not None, value)) for name, values in choices.items()
        }
        self._known: dict[Candidate, tuple[Objectives, Objectives]] = {}
        self._asked: dict[Candidate, Trial] = {}
        self._size, self._output_loss = size, output_loss
        sampler = optuna.samplers.NSGAIISampler(population_size=max(2, size), seed=seed)
        self._study = optuna.create_study(directions=["minimize"] * objectives, sampler=sampler)

    def ask(self, first: Sequence[Candidate], count: int) -> list[Candidate]:
        """The next generation, sorted: at most `count` candidates not asked for before, `first` tried first."""
        for point in first:
            self._study.enqueue_trial(parameters(point))
        count = min(count, self._size, len(self._grid) - len(self._known))
        for _ in range(ATTEMPTS * count):
            if len(self._asked) == count:
                break
            self._propose()
        for point in self._grid:  # the sampler only repeats itself
            if len(self._asked) == count:
                break
            if point not in self._known and point not in self._asked:
                self._study.enqueue_trial(parameters(point))
                self._propose()
        return sorted(self._asked)

    def tell(self, results: Mapping[Candidate, tuple[Objectives, Objectives]]) -> None:
        """Take in objectives and constraints of every candidate that was asked for."""
        for candidate, trial in self._asked.items():
            self._tell(trial, *results[candidate])
        self._known |= {candidate: results[candidate] for candidate in self._asked}
        self._asked = {}

    def _propose(self) -> None:
        """One trial: of a candidate to make, or of one that is known, or of none that exists."""
        import optuna

        trial = self._study.ask()
        values = {name: trial.suggest_categorical(name, choices) for name, choices in self._choices.items()}
        point = applicable(Candidate(**values), self._output_loss)
        if point in self._known:
            self._tell(trial, *self._known[point])
        elif point in self._asked or point not in self._grid:
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            self._asked[point] = trial

    def _tell(self, trial: "Trial", objectives: Objectives, constraints: Objectives) -> None:
        for number, value in enumerate(constraints):
            trial.set_constraint(str(number), value)
        self._study.tell(trial, list(objectives))
