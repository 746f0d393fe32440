"""The jobs of a run: which piece each makes, what it depends on, and which pieces it needs. `Worker` does them."""

from pathlib import Path
from typing import Any

from edgekd.contracts.batch import Batch
from edgekd.contracts.candidate import Candidate
from edgekd.contracts.config import Config
from edgekd.evaluate.firmware import sources_sha256
from edgekd.search.driver import Job

TEACHER, DLNET, RESULT = "teacher", "search/dlnet", "result.json"
DATA = ("data",)


class Jobs:
    """Makes the jobs of one run. A job whose key is as before is not done again."""

    def __init__(self, config: Config, folder: Path) -> None:
        self.config, self.folder = config, folder

    def teacher(self) -> Job:
        """Train the teacher."""
        return Job(
            piece=TEACHER, kind="teacher", key=[self.config.teacher.model_dump(), self._training_key()], data=DATA
        )

    def dlnet(self) -> Job:
        """Train DLNet's teacher and student."""
        return Job(piece=DLNET, kind="dlnet", key=[self.config.teacher.epochs, self._training_key()], data=DATA)

    def batch(self, batch: Batch) -> Job:
        """Train a batch, then export and measure its candidates."""
        exports = [
            Job(
                piece=f"models/{candidate.name}",
                kind="export",
                key=[self.config.name, self.config.board],
                arguments=(batch, member),
                needs=(batch.name,),
                data=DATA,
            )
            for member, candidate in enumerate(batch.candidates)
        ]
        return Job(
            piece=batch.name,
            kind="batch",
            key=self._batch_key(batch),
            arguments=(batch,),
            needs=(TEACHER,),
            data=DATA,
            followed_by=tuple(exports),
        )

    def ablation(self, batch: Batch) -> Job:
        """Train a batch without distillation and without stage 2."""
        return Job(
            piece=batch.name,
            kind="ablation",
            key=self._batch_key(batch),
            arguments=(batch,),
            needs=(TEACHER,),
            data=DATA,
        )

    def without_recurrence(self, candidate: Candidate) -> Job:
        """Train a student whose gates do not see its state."""
        return Job(
            piece=f"search/without_recurrence/{candidate.name}",
            kind="without_recurrence",
            key=[self._training_key(), self.config.distill.stage1],
            arguments=(candidate,),
            needs=(TEACHER,),
            data=DATA,
        )

    def parity(self, candidate: Candidate) -> Job:
        """Compare all engines on a model and on the code that is generated from it."""
        model = f"models/{candidate.name}"
        return Job(
            piece=f"search/parity/{candidate.name}",
            kind="parity",
            key=[self.config.board, sources_sha256(self.folder / model)],
            arguments=(model,),
            needs=(model,),
            data=DATA,
        )

    def _training_key(self) -> list[Any]:
        """What every training depends on, beside its data and its teacher."""
        students = self.config.students.model_dump(exclude={"kinds", "hidden"})
        return [students, self.config.task.model_dump(), self.config.search.seed]

    def _batch_key(self, batch: Batch) -> list[Any]:
        settings = [self._training_key(), self.config.distill.model_dump(), self.config.compress.epochs]
        return [settings, [candidate.name for candidate in batch.candidates], batch.seeds, batch.epoch_factor]
