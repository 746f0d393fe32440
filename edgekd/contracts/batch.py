"""A batch: candidates that are trained together, as one tensor program."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

from edgekd.contracts.candidate import Candidate

Members = Sequence[tuple[Candidate, int]]
"""Candidates, each with a seed."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Candidates that train together: of one kind, patch and number of Euler steps.

    name: of the piece of the run that keeps them; seeds: every candidate is trained from each, the best one stays;
    epoch_factor: times as many epochs as the configuration says.
    """

    name: str
    candidates: tuple[Candidate, ...]
    seeds: tuple[int, ...]
    epoch_factor: int = 1

    @property
    def members(self) -> list[tuple[Candidate, int]]:
        """Every candidate from every seed."""
        return list(product(self.candidates, self.seeds))

    @property
    def students(self) -> list[tuple[Candidate, int]]:
        """What stage 1 trains: members that differ before anything is pruned or quantized."""
        return list(dict.fromkeys((student_of(candidate), seed) for candidate, seed in self.members))

    @property
    def student_index(self) -> list[int]:
        """The student of each member, as its place among `students`."""
        return [self.students.index((student_of(candidate), seed)) for candidate, seed in self.members]


def student_of(candidate: Candidate) -> Candidate:
    """The candidate before pruning and quantization: equal for all that are made from one student."""
    return replace(candidate, weight_bits=8, activation_bits=8, sparsity=0.0, block_sparsity=0.0)
