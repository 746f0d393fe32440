"""The points of a search: the whole grid where it is small enough, else a sample that treats every kind alike."""

import random
from collections.abc import Sequence
from itertools import product, zip_longest

from edgekd.candidate import Candidate


def propose(
    *,
    kinds: Sequence[str],
    hidden: Sequence[int],
    sparsity: Sequence[float],
    weight_bits: Sequence[int],
    activation_bits: Sequence[int],
    blocks: Sequence[float] = (0.0,),
    count: int,
    seed: int,
) -> list[Candidate]:
    """At most `count` different candidates, sorted; kinds have equal shares (the first kinds one more at most).

    Two sparsities that leave the same number of units of one width are one point; the smaller sparsity stays. Weights
    of 4 bits go with activations of 8 bits only, as in TFLite-Micro.
    """
    decks = []
    for kind in kinds:
        deck = _grid(kind, hidden, sparsity, weight_bits, activation_bits, blocks)
        random.Random(f"{seed}:{kind}").shuffle(deck)
        decks.append(deck)
    dealt = [candidate for turn in zip_longest(*decks) for candidate in turn if candidate is not None]
    return sorted(dealt[:count])


def _grid(
    kind: str,
    hidden: Sequence[int],
    sparsity: Sequence[float],
    weight_bits: Sequence[int],
    activation_bits: Sequence[int],
    blocks: Sequence[float],
) -> list[Candidate]:
    seen: dict[tuple[int, int, int, int, float], Candidate] = {}
    for units, share, weights, activations, some in product(
        hidden, sorted(sparsity), weight_bits, activation_bits, blocks
    ):
        point = Candidate(
            kind=kind, hidden=units, weight_bits=weights, activation_bits=activations, sparsity=share, blocks=some
        )
        if weights == 8 or activations == 8:
            seen.setdefault((units, point.kept, weights, activations, some), point)
    return list(seen.values())
