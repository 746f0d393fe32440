"""A candidate is one point of the search; its name is parsed and printed here and nowhere else."""

import re
from dataclasses import dataclass

from edgekd.errors import ConfigError

_NAME = re.compile(r"(?P<kind>[a-z]+)(?P<hidden>\d+)_w(?P<w>\d+)a(?P<a>\d+)_s(?P<s>\d\d)(_b(?P<b>\d\d))?")


@dataclass(frozen=True, kw_only=True, order=True)
class Candidate:
    """Kind and width before pruning, bits of weights and activations, the fraction of units pruned, and that of blocks
    of 1 x 4 weights in the matrices that are left.
    """

    kind: str
    hidden: int
    weight_bits: int
    activation_bits: int
    sparsity: float
    blocks: float = 0.0

    @property
    def name(self) -> str:
        """`liquid16_w8a16_s50`: kind and width, weight and activation bits, per cent of units pruned; then `_b25` where
        25 per cent of the blocks of weights are pruned.
        """
        units, blocks = round(100 * self.sparsity), round(100 * self.blocks)
        name = f"{self.kind}{self.hidden}_w{self.weight_bits}a{self.activation_bits}_s{units:02d}"
        return f"{name}_b{blocks:02d}" if blocks else name

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
        )
