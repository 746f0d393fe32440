"""What the stages of a run hand on: the result of the search, the proofs of it, and all of it for the report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekd.contracts.candidate import Candidate
from edgekd.contracts.config import Config
from edgekd.contracts.results import Parity
from edgekd.data.prepared import Prepared
from edgekd.evaluate.selection import Scores


@dataclass(frozen=True, kw_only=True)
class Explored:
    """The candidates of a search, in the order they were trained in, and the front, the most accurate first.

    scores: without the figures of layers. generations: None where a candidate was refined afterwards. seconds: from the
    first finished model to each candidate's own.
    """

    scores: Scores
    generations: Mapping[Candidate, int | None]
    seconds: Mapping[Candidate, float]
    front: Sequence[Candidate]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What was proved and compared after the search; errors are of the validation part, in the target's unit.

    parities: of the chosen candidate and the front. ablations: errors by what was left out, one per seed.
    without_recurrence: error of the best recurrent student whose gates do not see its state, none without such a
    candidate. dlnet: errors of its `teacher` and `student`.
    """

    parities: Mapping[Candidate, Parity]
    ablations: Mapping[Candidate, Mapping[str, list[float]]]
    without_recurrence: Mapping[Candidate, float]
    dlnet: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All that a report is made from. folder: of the run; teacher: folder of its weights; seconds: by piece."""

    folder: Path
    config: Config
    table_sha256: str
    prepared: Prepared
    teacher: Path
    explored: Explored
    chosen: Candidate
    evidence: Evidence
    seconds: Mapping[str, float]
