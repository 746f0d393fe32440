"""A candidate is one point of the search; its name is parsed and printed here and nowhere else."""

import re
from dataclasses import dataclass
from typing import Any

from edgekd.contracts.errors import ConfigError

LOSSES = {"l1": "output_l1", "mse": "output_mse", "cos": "output_cosine", "mem": "memory"}
"""Distillation losses by the word that stands for them in a name."""
OPTIMISERS = ("adamw", "muon")
_NAME = re.compile(
    r"(?P<kind>[a-z]+)(?P<hidden>\d+)_w(?P<w>\d+)a(?P<a>\d+)_s(?P<s>\d\d)(_b(?P<b>\d\d))?(_p(?P<p>\d+))?(_e(?P<e>\d+))?"
    rf"(_r(?P<r>\d+))?(_(?P<loss>{'|'.join(LOSSES)}))?(_t(?P<t>\d+))?(_(?P<optimiser>{'|'.join(OPTIMISERS)}))?"
    r"(?P<fine>_fine)?"
)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Kind and width before pruning, bits of weights and activations, the fraction of units pruned, and that of blocks
    of 1 x 4 weights in the matrices that are left.

    What may be None is the configuration's unless the search varies it: samples per patch, Euler steps per patch, rank
    of the head (0: full), distillation loss, constant weight of the measured target in it, optimiser. `fine`: trained
    longer, from several seeds.
    """

    kind: str
    hidden: int
    weight_bits: int
    activation_bits: int
    sparsity: float
    blocks: float = 0.0
    patch: int | None = None
    substeps: int | None = None
    rank: int | None = None
    loss: str | None = None
    target_weight: float | None = None
    optimiser: str | None = None
    fine: bool = False

    @property
    def name(self) -> str:
        """`liquid16_w8a16_s50`: kind and width, weight and activation bits, per cent of units pruned.

        Then, where they are not zero or None: `_b25` per cent of blocks pruned, `_p10` patch, `_e2` Euler steps, `_r4`
        rank, `_cos` loss, `_t50` per cent of the target in the loss, `_muon` optimiser, `_fine`.
        """
        words = {loss: word for word, loss in LOSSES.items()}
        more = [
            f"b{round(100 * self.blocks):02d}" if self.blocks else None,
            f"p{self.patch}" if self.patch is not None else None,
            f"e{self.substeps}" if self.substeps is not None else None,
            f"r{self.rank}" if self.rank is not None else None,
            words[self.loss] if self.loss is not None else None,
            f"t{round(100 * self.target_weight)}" if self.target_weight is not None else None,
            self.optimiser,
            "fine" if self.fine else None,
        ]
        first = f"{self.kind}{self.hidden}_w{self.weight_bits}a{self.activation_bits}_s{round(100 * self.sparsity):02d}"
        return "_".join([first, *(part for part in more if part)])

    def __lt__(self, other: "Candidate") -> bool:
        return self._order < other._order

    @property
    def _order(self) -> tuple[str, int, str]:
        return self.kind, self.hidden, self.name

    @property
    def kept(self) -> int:
        """Hidden units left after structured pruning; at least one."""
        return max(1, self.hidden - round(self.sparsity * self.hidden))

    @staticmethod
    def parse(name: str) -> "Candidate":
        """Read a name back. ConfigError when it is not one."""
        found = _NAME.fullmatch(name)
        if not found:
            raise ConfigError(f"'{name}' is not a candidate's name", hint="names look like liquid16_w8a16_s50")
        return Candidate(
            kind=found["kind"],
            hidden=int(found["hidden"]),
            weight_bits=int(found["w"]),
            activation_bits=int(found["a"]),
            sparsity=int(found["s"]) / 100,
            blocks=int(found["b"] or 0) / 100,
            patch=_int(found["p"]),
            substeps=_int(found["e"]),
            rank=_int(found["r"]),
            loss=LOSSES[found["loss"]] if found["loss"] else None,
            target_weight=int(found["t"]) / 100 if found["t"] else None,
            optimiser=found["optimiser"],
            fine=bool(found["fine"]),
        )


def _int(text: Any) -> int | None:
    return None if text is None else int(text)
