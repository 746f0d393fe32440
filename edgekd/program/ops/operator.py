"""What an operator of TFLite is to edgekd: how it is read, checked, computed and lowered to C.

A module of this package has a tuple OPERATORS; `edgekd.program.ops` collects them, and nothing else names them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from edgekd.program.lowering.builder import GraphBuilder, OpToLower
from edgekd.program.operands import KernelContext, Values
from edgekd.program.ops.checks import CheckedOp
from edgekd.program.schema import ACTIVATIONS, OPERATOR_NAMES, PADDINGS


@dataclass(frozen=True)
class Option:
    """One field of an operator's options table. names: the values that are supported, by number; None: any number.

    kind: as `flatbuffer.Table` reads it, or `text`.
    """

    number: int
    kind: str = "int32"
    names: Mapping[int, str] | None = None
    default: float = 0


@dataclass(frozen=True, kw_only=True)
class Operator:
    """One operator. `rule` refuses what TFLite-Micro refuses or dies of; `reference` computes a batch of windows."""

    name: str
    """TFLite's."""
    resolver: str
    """Method of TFLite-Micro's MicroMutableOpResolver that registers it."""
    rule: Callable[[CheckedOp], None]
    reference: Callable[[KernelContext], list[Values]]
    lower: Callable[[GraphBuilder, OpToLower], None]
    options: Mapping[str, Option] = field(default_factory=dict)
    options_table: int = 0
    """Number of the options table that the file must have; 0: any, or none."""
    static: bool = False
    """Whether its results follow from shapes alone."""
    float32: bool = False
    """Whether reference and lowering take float32, too, because they only move values or convert them."""
    has_state: bool = False
    """Whether it has operands that it changes, which are zero before a window."""
    real: Callable[[Values], Values] | None = None
    """Its function of one real number in float32, where it is one that every computer rounds alike."""
    moves: bool = False
    """Whether it only moves values, so that it can do so with the integers that real numbers come from."""
    types: str = "int8, int16"
    """Types of the activations, for the table of operators."""
    limits: str = ""
    """What is not supported, for the table of operators."""

    @property
    def number(self) -> int:
        """TFLite's number."""
        return OPERATOR_NAMES.index(self.name)


def activation(number: int = 0) -> dict[str, Option]:
    """A fused activation, which is field `number`."""
    return {"activation": Option(number, "int8", ACTIVATIONS)}


STRIDES: dict[str, Option] = {
    "padding": Option(0, "int8", PADDINGS),
    "stride_w": Option(1),
    "stride_h": Option(2),
}
"""First fields of the options of convolutions and pools."""
