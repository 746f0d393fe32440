"""The search as an Optuna study in a SQLite file, for optuna-dashboard and people's own notebooks.

It is written from the pieces of the run, which alone are believed: what was edited or damaged is written again.
"""

import contextlib
import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from edgekd import __version__
from edgekd.contracts.candidate import Candidate
from edgekd.contracts.config import Config
from edgekd.contracts.errors import EdgekdError
from edgekd.run import Progress
from edgekd.search.sampler import Objectives, parameters

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

NAME, RESULT = "name", "result"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A candidate with its objectives and all else that became of it, as JSON."""

    candidate: Candidate
    objectives: Objectives
    result: Mapping[str, JsonValue]


def study_name(config: Config, table_sha256: str) -> str:
    """The name of the run, and a hash of everything that the result of a trial depends on."""
    parts = config.model_dump(mode="json", exclude={"budget"})
    for name in ("candidates", "refine", "ablate"):
        del parts["search"][name]
    text = json.dumps([__version__, parts, table_sha256], sort_keys=True)
    return f"{config.name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


class StudyFile:
    """The trials of the study `name` in the file at `path`, made where it is missing."""

    def __init__(self, path: Path, name: str, choices: Mapping[str, Sequence[Any]], progress: Progress) -> None:
        self._path, self._name, self._choices, self._progress = path, name, choices, progress
        self._told: dict[str, Trial] = {}

    def tell(self, trials: Sequence[Trial]) -> None:
        """Have the study hold these trials, too. EdgekdError when the file cannot be written."""
        self._told |= {trial.candidate.name: trial for trial in trials}
        with contextlib.suppress(Exception):  # any damage: the whole file is written again
            held = self._held()
            if all(_same(held[name], trial) for name, trial in self._told.items() if name in held):
                self._add([trial for name, trial in self._told.items() if name not in held])
                return
        if self._path.exists():
            self._progress.note(f"{self._path.name} does not hold what the run's models do: it is written again")
        with _writing(self._path):
            for path in self._path.parent.glob(f"{self._path.name}*"):
                path.unlink()
            self._add(list(self._told.values()))

    def _held(self) -> "dict[str, FrozenTrial]":
        """Trials of the file by name; none when there is no file."""
        if not self._path.exists():
            return {}
        return {trial.user_attrs[NAME]: trial for trial in self._study().get_trials(deepcopy=False)}

    def _add(self, trials: Sequence[Trial]) -> None:
        import optuna

        study = self._study()
        distributions: dict[str, optuna.distributions.BaseDistribution] = {
            key: optuna.distributions.CategoricalDistribution(list(values)) for key, values in self._choices.items()
        }
        study.add_trials(
            optuna.trial.create_trial(
                params=parameters(trial.candidate),
                distributions=distributions,
                values=list(trial.objectives),
                user_attrs={NAME: trial.candidate.name, RESULT: dict(trial.result)},
            )
            for trial in trials
        )

    def _study(self) -> "Study":
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return optuna.create_study(
                storage=f"sqlite:///{self._path}",
                study_name=self._name,
                directions=["minimize"] * len(next(iter(self._told.values())).objectives),
                load_if_exists=True,
            )


def _same(held: "FrozenTrial", trial: Trial) -> bool:
    """Whether a trial of the file says what is known."""
    return bool(
        held.values == list(trial.objectives)
        and held.params == parameters(trial.candidate)
        and held.user_attrs[RESULT] == dict(trial.result)
    )


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """A full disk, or a folder that cannot be written, is the user's to solve."""
    import optuna
    import sqlalchemy.exc

    try:
        yield
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError, OSError) as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise EdgekdError(
            f"cannot write {path}: {reason}", hint="what is finished is kept; run the same command again"
        ) from None
