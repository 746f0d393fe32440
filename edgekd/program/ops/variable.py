"""READ_VARIABLE and ASSIGN_VARIABLE; VAR_HANDLE and CALL_ONCE, of which `program.variables` leaves none."""

from edgekd.program.lowering.builder import GraphBuilder, OpToLower
from edgekd.program.operands import KernelContext, Values
from edgekd.program.ops.checks import CheckedOp
from edgekd.program.ops.operator import Operator, Option


def _rule(op: CheckedOp) -> None:
    """One type and shape for all that is read from and written to a variable."""
    like = op.op.options["like"]
    for tensor in (*op.operands, *op.outputs):
        op.copied((tensor, like))
        op.shape(tensor, like.shape)


def _read(context: KernelContext) -> list[Values]:
    return [context.variables[context.op.options["variable"]]]


def _assign(context: KernelContext) -> list[Values]:
    context.variables[context.op.options["variable"]] = context.raw(0).copy()
    return []


def _lower_read(graph: GraphBuilder, op: OpToLower) -> None:
    graph.read_variable(op.op)


def _lower_assign(graph: GraphBuilder, op: OpToLower) -> None:
    graph.assign_variable(op.op)


def _gone(*_: object) -> list[Values]:
    raise AssertionError("a program has none")


def _never(*_: object) -> None:
    raise AssertionError("a program has none")


OPERATORS = (
    Operator(
        name="READ_VARIABLE",
        resolver="AddReadVariable",
        rule=_rule,
        reference=_read,
        lower=_lower_read,
        has_state=True,
        float32=True,
    ),
    Operator(
        name="ASSIGN_VARIABLE",
        resolver="AddAssignVariable",
        rule=_rule,
        reference=_assign,
        lower=_lower_assign,
        has_state=True,
        float32=True,
    ),
    Operator(
        name="VAR_HANDLE",
        resolver="AddVarHandle",
        rule=_never,
        reference=_gone,
        lower=_never,
        options={"container": Option(0, "text"), "name": Option(1, "text")},
        options_table=111,
        static=True,
        types="any",
    ),
    Operator(
        name="CALL_ONCE",
        resolver="AddCallOnce",
        rule=_never,
        reference=_gone,
        lower=_never,
        options={"graph": Option(0)},
        options_table=103,
        static=True,
        types="a graph that sets variables to constants",
    ),
)
