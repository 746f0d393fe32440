"""A candidate is one point of the search; its name is parsed and printed here and nowhere else."""

import re
from dataclasses import dataclass
from typing import Any

from edgekd.contracts.declarations import distillation_losses
from edgekd.contracts.errors import ConfigError

LOSSES = {loss.code: loss.name for loss in distillation_losses().values()}
"""Distillation losses by the word that stands for them in a name."""
OPTIMIZERS = ("adamw", "muon")
_NAME = re.compile(
    r"(?P<kind>[a-z]+)(?P<hidden>\d+)_w(?P<w>\d+)a(?P<a>\d+)_s(?P<s>\d\d)(_b(?P<b>\d\d))?(_p(?P<p>\d+))?(_e(?P<e>\d+))?"
    rf"(_r(?P<r>\d+))?(_(?P<loss>{'|'.join(LOSSES)}))?(_t(?P<t>\d+))?(_(?P<optimizer>{'|'.join(OPTIMIZERS)}))?"
    r"(?P<fine>_fine)?"
)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One point of the search space.

    hidden: width before pruning. sparsity: fraction of units pruned; block_sparsity: fraction of the 1 x 4 blocks of
    weights pruned in the matrices that are left. patch: samples per step; euler_steps: per patch; rank: of the head
    (0: full); loss: of distillation; target_weight: constant weight of the measured target in it. Fields that are None
    have the configuration's value. finetuned: trained for more epochs, from several seeds, of which the best one stays.
    """

    kind: str
    hidden: int
    weight_bits: int
    activation_bits: int
    sparsity: float
    block_sparsity: float = 0.0
    patch: int | None = None
    euler_steps: int | None = None
    rank: int | None = None
    loss: str | None = None
    target_weight: float | None = None
    optimizer: str | None = None
    finetuned: bool = False

    @property
    def name(self) -> str:
        """`liquid16_w8a16_s50`: kind and width, weight and activation bits, per cent of units pruned.

        Then, where they are not zero or None: `_b25` per cent of blocks pruned, `_p10` patch, `_e2` Euler steps, `_r4`
        rank, `_cos` loss, `_t50` per cent of the target in the loss, `_muon` optimizer, `_fine`.
        """
        words = {loss: word for word, loss in LOSSES.items()}
        more = [
            f"b{round(100 * self.block_sparsity):02d}" if self.block_sparsity else None,
            f"p{self.patch}" if self.patch is not None else None,
            f"e{self.euler_steps}" if self.euler_steps is not None else None,
            f"r{self.rank}" if self.rank is not None else None,
            words[self.loss] if self.loss is not None else None,
            f"t{round(100 * self.target_weight)}" if self.target_weight is not None else None,
            self.optimizer,
            "fine" if self.finetuned else None,
        ]
        first = f"{self.kind}{self.hidden}_w{self.weight_bits}a{self.activation_bits}_s{round(100 * self.sparsity):02d}"
        return "_".join([first, *(part for part in more if part)])

    def __lt__(self, other: "Candidate") -> bool:
        return self._order < other._order

    @property
    def _order(self) -> tuple[str, int, str]:
        return self.kind, self.hidden, self.name

    @property
    def units_left(self) -> int:
        """Hidden units left after structured pruning; at least one."""
        return max(1, self.hidden - round(self.sparsity * self.hidden))

    @staticmethod
    def parse(name: str) -> "Candidate":
        """Read a name back. ConfigError when it is not one."""
        parts = _NAME.fullmatch(name)
        if not parts:
            raise ConfigError(f"'{name}' is not a candidate's name", hint="names look like liquid16_w8a16_s50")
        return Candidate(
            kind=parts["kind"],
            hidden=int(parts["hidden"]),
            weight_bits=int(parts["w"]),
            activation_bits=int(parts["a"]),
            sparsity=int(parts["s"]) / 100,
            block_sparsity=int(parts["b"] or 0) / 100,
            patch=_int(parts["p"]),
            euler_steps=_int(parts["e"]),
            rank=_int(parts["r"]),
            loss=LOSSES[parts["loss"]] if parts["loss"] else None,
            target_weight=int(parts["t"]) / 100 if parts["t"] else None,
            optimizer=parts["optimizer"],
            finetuned=bool(parts["fine"]),
        )


def _int(text: Any) -> int | None:
    return None if text is None else int(text)
