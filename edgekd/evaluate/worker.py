"""What a worker of a run does: it trains, exports, measures and compares, and returns the files that were made."""

import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from edgekd.contracts.batch import Batch
from edgekd.contracts.board import load_board
from edgekd.contracts.candidate import Candidate
from edgekd.contracts.config import Config
from edgekd.contracts.errors import DoesNotFit
from edgekd.contracts.results import Refused
from edgekd.data.prepared import load_prepared
from edgekd.evaluate import parity, training
from edgekd.evaluate.candidates import export_candidate
from edgekd.evaluate.jobs import RESULT, TEACHER
from edgekd.run import Files, write_files, write_json
from edgekd.search.executor import Order


class Worker:
    """Does the orders of one run. Equal orders give equal files."""

    def __init__(self, config: Config, data: Files) -> None:
        """`data`: files of the prepared data, as `prepare` writes them."""
        torch.set_num_threads(1)  # the networks are tiny, and sums in one order give the same bits everywhere
        self.config = config
        with tempfile.TemporaryDirectory(prefix="edgekd-") as name:
            write_files(Path(name), data)
            self.prepared = load_prepared(Path(name))
        self._teacher: Files = {}
        self._trainer: training.Trainer | None = None
        self._kinds: Mapping[str, Callable[..., None]] = {
            "teacher": self.teach,
            "batch": self.train,
            "export": self.export,
            "parity": self.check_parity,
            "ablation": self.ablate,
            "without_recurrence": self.without_recurrence,
            "dlnet": self.dlnet,
        }

    def __call__(self, order: Order) -> Files:
        """Do an order: its inputs are folders named as the pieces, what is written into `out` is the result."""
        with tempfile.TemporaryDirectory(prefix="edgekd-") as name:
            root = Path(name)
            for piece, files in order.files.items():
                write_files(root / piece, files)
            if TEACHER in order.files:
                self._learn_from(order.files[TEACHER], root / TEACHER)
            out = root / "out"
            out.mkdir()
            self._kinds[order.kind](root, out, *order.arguments)
            paths = sorted(path for path in out.rglob("*") if path.is_file())
            return {path.relative_to(out).as_posix(): path.read_bytes() for path in paths}

    @property
    def trainer(self) -> training.Trainer:
        """Of the teacher that came with the order, or with one before it."""
        if self._trainer is None:
            raise ValueError("the order has no teacher")
        return self._trainer

    def _learn_from(self, teacher: Files, folder: Path) -> None:
        """Keep the forecasts of a teacher, which are computed once."""
        if self._trainer is None or teacher != self._teacher:
            loaded = training.load_teacher(self.config, self.prepared, folder)
            self._teacher, self._trainer = teacher, training.Trainer(self.config, self.prepared, loaded)

    def teach(self, inputs: Path, out: Path) -> None:
        """Train the teacher."""
        training.train_teacher(self.config, self.prepared, out)

    def train(self, inputs: Path, out: Path, batch: Batch) -> None:
        """Train a batch of candidates."""
        self.trainer.train(batch, out)

    def export(self, inputs: Path, out: Path, batch: Batch, member: int) -> None:
        """Export, score and measure one candidate of a trained batch; score.json says if it cannot be built."""
        trained = training.load_batch(self.config, self.prepared, batch, inputs / batch.name)
        try:
            export_candidate(self.config, self.prepared, trained, member, out)
        except DoesNotFit as error:
            shutil.rmtree(out)
            write_files(out, {"score.json": Refused(refused=str(error)).to_json()})

    def check_parity(self, inputs: Path, out: Path, model: str) -> None:
        """Compare all engines on one model."""
        pairs = parity.compare(inputs / model, self.prepared, load_board(self.config.board))
        write_json(out / RESULT, {name: pair.to_dict() for name, pair in pairs.items()})

    def ablate(self, inputs: Path, out: Path, batch: Batch) -> None:
        """Train a batch without distillation and without stage 2."""
        write_json(out / RESULT, self.trainer.ablate(batch))

    def without_recurrence(self, inputs: Path, out: Path, candidate: Candidate) -> None:
        """Train a student whose gates do not see its state."""
        write_json(out / RESULT, {"error": self.trainer.without_recurrence(candidate)})

    def dlnet(self, inputs: Path, out: Path) -> None:
        """Train DLNet's teacher and student."""
        write_json(out / RESULT, training.dlnet(self.config, self.prepared))
