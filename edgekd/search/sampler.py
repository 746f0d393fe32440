"""Which candidates a search asks for next: generations by NSGA-II (Deb et al. 2002), through Optuna's ask and tell.

The first generation is spread over the kinds; each later one is bred from the best so far. The sampler lives in memory
and depends on nothing but the space, the seed and what it is told: a run that was stopped asks for the same candidates,
finds the results that are known, and goes on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from edgekd.contracts.candidate import Candidate
from edgekd.search.space import applicable

ATTEMPTS = 20
"""Proposals per wanted candidate before one that was not seen yet is taken from the grid."""
DIMENSIONS = tuple(field.name for field in fields(Candidate) if field.name != "finetuned")
Objectives = tuple[float, ...]


def parameters(one: Candidate) -> dict[str, Any]:
    """A candidate as parameters of a trial."""
    return {name: getattr(one, name) for name in DIMENSIONS}


class Sampler:
    """A search over `grid` in generations of `size`. Every objective is made small; a constraint is kept where <= 0."""

    def __init__(
        self, grid: Sequence[Candidate], size: int, seed: int, objectives: int = 3, output_loss: str = "output_l1"
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._by_name = {one.name: one for one in grid}
        choices = {name: list(dict.fromkeys(getattr(one, name) for one in grid)) for name in DIMENSIONS}
        self._choices = {
            name: sorted(values, key=lambda value: (value is not None, value)) for name, values in choices.items()
        }
        self._known: dict[str, tuple[Objectives, Objectives]] = {}
        self._asked: dict[str, Any] = {}
        self._size, self._output_loss = size, output_loss
        sampler = optuna.samplers.NSGAIISampler(population_size=max(2, size), seed=seed)
        self._study = optuna.create_study(directions=["minimize"] * objectives, sampler=sampler)

    def ask(self, first: Sequence[Candidate], count: int) -> list[Candidate]:
        """The next generation, sorted: at most `count` candidates not asked for before, `first` tried first."""
        for one in first:
            self._study.enqueue_trial(parameters(one))
        count = min(count, self._size, len(self._by_name) - len(self._known))
        for _ in range(ATTEMPTS * count):
            if len(self._asked) == count:
                break
            self._propose()
        for name, one in self._by_name.items():  # the sampler only repeats itself
            if len(self._asked) == count:
                break
            if name not in self._known and name not in self._asked:
                self._study.enqueue_trial(parameters(one))
                self._propose()
        return sorted(self._by_name[name] for name in self._asked)

    def tell(self, results: Mapping[str, tuple[Objectives, Objectives]]) -> None:
        """Objectives and constraints of every candidate that was asked for, by its name."""
        for name, trial in self._asked.items():
            self._tell(trial, *results[name])
        self._known |= {name: results[name] for name in self._asked}
        self._asked = {}

    def _propose(self) -> None:
        """One trial: of a candidate to make, or of one that is known, or of none that exists."""
        import optuna

        trial = self._study.ask()
        point = {name: trial.suggest_categorical(name, choices) for name, choices in self._choices.items()}
        name = applicable(Candidate(**point), self._output_loss).name
        if name in self._known:
            self._tell(trial, *self._known[name])
        elif name in self._asked or name not in self._by_name:
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            self._asked[name] = trial

    def _tell(self, trial: Any, objectives: Objectives, constraints: Objectives) -> None:
        for number, value in enumerate(constraints):
            trial.set_constraint(str(number), value)
        self._study.tell(trial, list(objectives))
