"""A trained candidate becomes a model on disk: exported, scored as integers, measured on the emulated board."""

from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import save_file

from edgekd.contracts.board import load_board
from edgekd.contracts.candidate import Candidate
from edgekd.contracts.config import Config
from edgekd.contracts.engines import Engine
from edgekd.contracts.results import CandidateResult, Validated
from edgekd.data.prepared import Prepared
from edgekd.evaluate.firmware import measure_candidate
from edgekd.evaluate.scores import bare_score, score_model
from edgekd.export.model import Ranges, write_model
from edgekd.models.population import Population
from edgekd.program.arena import arena_bytes
from edgekd.program.package import load_model
from edgekd.run import write_atomic

SCORE = "score.json"
STAGE1 = "stage1.safetensors"
"""The float student that a model was made from, in its folder."""


@dataclass(frozen=True, kw_only=True)
class TrainedBatch:
    """A batch after training: its candidates in order, the ranges of their tensors, and the stage-1 student of each.

    stage1_of: index of the student in `stage1`; stage1_error: its validation error.
    """

    candidates: tuple[Candidate, ...]
    compressed: Population
    ranges: list[Ranges]
    stage1: Population
    stage1_of: list[int]
    stage1_error: list[float]


def export_candidate(config: Config, prepared: Prepared, trained: TrainedBatch, member: int, folder: Path) -> None:
    """Write models/<candidate>/ for one member of a batch, with its score.json and its stage-1 student.

    DoesNotFit where the board is too small.
    """
    candidate, board = trained.candidates[member], load_board(config.board)
    constants = prepared.preprocess_of(candidate).to_json()
    ranges = trained.ranges[member]
    write_model(folder, trained.compressed, member, candidate, ranges, name=config.name, preprocess=constants)
    save_file(trained.stage1.extract(trained.stage1_of[member]), folder / STAGE1)
    graphs = list(load_model(folder).graphs().values())
    val = prepared.windows["val"]
    result = CandidateResult(
        **trained.compressed.costs(member),
        tflite_bytes=sum(map(len, graphs)),
        arena_bytes=sum(map(arena_bytes, graphs)),
        val=score_model(folder, Engine.TWIN, val),
        float=Validated(val=score_model(folder, Engine.TORCH, val)),
        stage1=Validated(val=bare_score(prepared.preprocess.task, trained.stage1_error[member])),
        measured=measure_candidate(folder, val.raw, board) if board.emulated else None,
    )
    write_atomic(folder / SCORE, result.to_json())


def read_result(folder: Path) -> CandidateResult:
    """score.json of the model in models/<candidate>/. DataError when it is missing or damaged."""
    return CandidateResult.read(folder / SCORE)
