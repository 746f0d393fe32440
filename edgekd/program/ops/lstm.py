"""UNIDIRECTIONAL_SEQUENCE_LSTM, which is read in order to be refused with a way out."""

from edgekd.program.operands import Values
from edgekd.program.ops.checks import CheckedOp
from edgekd.program.ops.operator import Operator, Option


def _rule(op: CheckedOp) -> None:
    raise op.fail(
        "not supported: its gates and state are scaled differently by TFLite and TFLite-Micro",
        hint="export one step of the cell, with FULLY_CONNECTED, LOGISTIC, TANH, MUL and ADD",
    )


def _reference(*_: object) -> list[Values]:
    raise AssertionError("its rule refuses every use")


def _lower(*_: object) -> None:
    raise AssertionError("its rule refuses every use")


OPERATORS = (
    Operator(
        name="UNIDIRECTIONAL_SEQUENCE_LSTM",
        resolver="AddUnidirectionalSequenceLSTM",
        rule=_rule,
        reference=_reference,
        lower=_lower,
        options={"activation": Option(0, "int8"), "time_major": Option(3, "bool")},
        options_table=71,
        types="not yet",
    ),
)
