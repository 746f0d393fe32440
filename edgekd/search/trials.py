"""What the workers of a search share: its trials in an Optuna storage, where each name gets exactly one result.

A worker offers names, claims one, works while a thread says that it is alive, and tells the result. Of several trials
with one name the first that did not fail counts: two workers may offer a name at the same moment. A claim whose worker
fell silent is failed, and the name is offered again.
"""

import contextlib
import itertools
import random
import re
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy.exc
from optuna.trial import FrozenTrial, TrialState

from edgekd.contracts.errors import ConfigError, EdgekdError

warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)  # of heartbeats
HEARTBEAT_SECONDS = 10
GRACE_SECONDS = 60
OPENING_ATTEMPTS = 8
_NAME, _FOUND, _FORGOTTEN = "name", "found", "forgotten"


@dataclass(frozen=True)
class Result:
    """What was told of a name, and when."""

    found: Mapping[str, Any]
    at: datetime


class Trials:
    """The trials of the study `name` in the storage at `url`, which is made where it is missing.

    ConfigError when the storage cannot be opened.
    """

    def __init__(
        self,
        url: str,
        name: str,
        *,
        objectives: int = 1,
        choices: Mapping[str, Sequence[Any]] | None = None,
        heartbeat: int = HEARTBEAT_SECONDS,
        grace: int = GRACE_SECONDS,
    ) -> None:
        """`choices` are the values that each parameter of a trial can have; heartbeat, grace: seconds."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._heartbeat = heartbeat
        with _opening(url):
            self._storage = _open(url, heartbeat, grace)
            self.study = optuna.create_study(
                storage=self._storage, study_name=name, directions=["minimize"] * objectives, load_if_exists=True
            )
        self._distributions = {
            key: optuna.distributions.CategoricalDistribution(list(values)) for key, values in (choices or {}).items()
        }
        self._mine: dict[str, int] = {}

    def results(self) -> dict[str, Result]:
        """What is known, by name, in the order in which the names were first offered."""
        return {
            name: Result(trial.user_attrs[_FOUND], trial.datetime_complete or datetime.min)
            for name, trial in self._live().items()
            if trial.state == TrialState.COMPLETE
        }

    def offered(self) -> set[str]:
        """Names that have a trial."""
        return set(self._live())

    def offer(self, parameters: Mapping[str, Mapping[str, Any]]) -> None:
        """Make trials with these parameters for the names that have none."""
        live = self._live()
        for name, params in parameters.items():
            if name not in live:
                self.study.add_trial(
                    optuna.trial.create_trial(
                        state=TrialState.WAITING,
                        params=dict(params),
                        distributions={key: self._distributions[key] for key in params},
                        user_attrs={_NAME: name},
                    )
                )

    def forget(self, names: Sequence[str]) -> None:
        """Have no result of these names any more: what was made is lost."""
        numbers = [trial.number for name, trial in self._live().items() if name in set(names)]
        if numbers:
            self.study.set_user_attr(_FORGOTTEN, sorted({*self._forgotten(), *numbers}))

    def claim(self, name: str) -> bool:
        """Take an offered name, unless another worker has it or its result is known."""
        trial = self._live().get(name)
        if trial is None or trial.state != TrialState.WAITING:
            return False
        # Alive before it is claimed: a worker that dies between the two must not hold its claim for ever.
        self._storage.record_heartbeat(trial._trial_id)
        try:
            claimed = self._storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING)
        except optuna.exceptions.UpdateFinishedTrialError:
            return False
        if claimed:
            self._mine[name] = trial._trial_id
        return claimed

    def mine(self, name: str) -> bool:
        """Whether this worker has claimed a name and not told its result."""
        return name in self._mine

    @contextlib.contextmanager
    def alive(self) -> Iterator[None]:
        """Say that this worker lives, for all it has claimed; what it leaves undone is given back."""
        stop = threading.Event()
        thread = threading.Thread(target=self._beat, args=(stop,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            for trial_id in self._mine.values():
                self._fail(trial_id)
            self._mine = {}

    def tell(self, name: str, values: Sequence[float], found: Mapping[str, Any]) -> bool:
        """Give the result of an offered name; False when it was known already, or the claim is lost."""
        trial = self._live().get(name)
        if trial is None:  # this worker was silent for too long, and nobody has taken over yet
            return False
        try:
            self._storage.set_trial_user_attr(trial._trial_id, _FOUND, dict(found))
            told = self._storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, list(values))
        except optuna.exceptions.UpdateFinishedTrialError:
            return False
        finally:
            self._mine.pop(name, None)
        return told

    def free(self, everything: bool = False) -> None:
        """Fail the claims of workers that fell silent, or those of all workers."""
        if not everything:
            optuna.storages.fail_stale_trials(self.study)
            return
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self._fail(trial._trial_id)

    def _live(self) -> dict[str, FrozenTrial]:
        """Of each name the first trial that did not fail; later ones are failed where they wait."""
        live: dict[str, FrozenTrial | None] = {}
        forgotten = self._forgotten()
        for trial in self.study.get_trials(deepcopy=False):
            name = trial.user_attrs.get(_NAME)
            if name is None:
                continue
            before = live.setdefault(name, None)  # a name keeps its place when its first trial fails
            if trial.state == TrialState.FAIL or trial.number in forgotten:
                continue
            if before is None:
                live[name] = trial
            elif trial.state == TrialState.WAITING:
                self._fail(trial._trial_id)
        return {name: trial for name, trial in live.items() if trial}

    def _forgotten(self) -> set[int]:
        return set(self.study.user_attrs.get(_FORGOTTEN, []))

    def _fail(self, trial_id: int) -> None:
        with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
            self._storage.set_trial_state_values(trial_id, TrialState.FAIL)

    def _beat(self, stop: threading.Event) -> None:
        while not stop.wait(self._heartbeat):
            for trial_id in list(self._mine.values()):
                self._storage.record_heartbeat(trial_id)


def sqlite_url(path: Path) -> str:
    """Of a SQLite file."""
    return f"sqlite:///{path}"


def _open(url: str, heartbeat: int, grace: int) -> optuna.storages.RDBStorage:
    """Optuna makes the tables of a new database one by one: of several workers that do so at once some fail."""
    for attempt in itertools.count(1):
        try:
            return optuna.storages.RDBStorage(
                _with_driver(url), engine_kwargs=_engine(url), heartbeat_interval=heartbeat, grace_period=grace
            )
        except (
            sqlalchemy.exc.IntegrityError,
            sqlalchemy.exc.ProgrammingError,
            sqlalchemy.exc.OperationalError,
        ) as error:
            refused = isinstance(error, sqlalchemy.exc.OperationalError) and not url.startswith("sqlite")
            if refused or attempt == OPENING_ATTEMPTS:
                raise
            time.sleep(random.uniform(0.1, 1.0))
    raise AssertionError


def _with_driver(url: str) -> str:
    """Which driver an address without one means depends on the release of SQLAlchemy."""
    return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)


def _engine(url: str) -> dict[str, Any]:
    return {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {"pool_pre_ping": True}


@contextlib.contextmanager
def answering(url: str) -> Iterator[None]:
    """A database that goes away is no bug: EdgekdError."""
    try:
        yield
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise EdgekdError(
            f"the storage {_shown(url)} does not answer: {_first_line(error)}",
            hint="what is finished is kept; run the same command again",
        ) from error


@contextlib.contextmanager
def _opening(url: str) -> Iterator[None]:
    """A database that is not there is the user's to solve; the password in its address is not repeated."""
    try:
        yield
    except ImportError as error:
        raise ConfigError(
            f"the storage {_shown(url)} needs a package: {error}", hint="install its driver for SQLAlchemy"
        ) from None
    except (sqlalchemy.exc.SQLAlchemyError, ValueError) as error:
        raise ConfigError(
            f"cannot open the storage {_shown(url)}: {_first_line(error)}",
            hint="as postgresql://user:password@host/database",
        ) from None


def _first_line(error: Exception) -> str:
    return str(error.__cause__ or error).strip().splitlines()[0]


def _shown(url: str) -> str:
    return re.sub(r"//([^:/@]*):[^@]*@", r"//\1:...@", url)
