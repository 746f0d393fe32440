"""UNIDIRECTIONAL_SEQUENCE_LSTM in integers, as TFLite-Micro computes it.

Desktop TFLite scales gates and state differently; TFLite-Micro is the definition
(tensorflow/lite/micro/kernels/lstm_eval.cc). Four gates of two fully connected layers each are in units of 2^-12, the
cell's state is int16 with a power of two as its scale, and the hidden state has the type of the activations.
"""

import math
from dataclasses import dataclass

import numpy as np

from edgekd.program.fixed_point import logistic_16, tanh_16
from edgekd.program.lowering.builder import GraphBuilder, OpToLower
from edgekd.program.lowering.elementwise import split_multiplier
from edgekd.program.lowering.ir import Array, Buffer, KernelCall, Member, Struct
from edgekd.program.lowering.weight_packing import joined
from edgekd.program.operands import KernelContext, Values, scale_of, zero_point_of
from edgekd.program.ops.checks import CheckedOp
from edgekd.program.ops.operator import Operator, Option
from edgekd.program.ops.sigmoid import scaled_by
from edgekd.program.program import Tensor
from edgekd.program.requantize import (
    I64,
    quantize_multiplier,
    reduced_multiplier,
    requantize,
    requantize_wide,
    wrap32,
)

GATES = ("input", "forget", "cell", "output")
INPUT_WEIGHTS, RECURRENT_WEIGHTS, PEEPHOLES, BIASES = 1, 5, 9, 12
PROJECTION, HIDDEN, CELL, NORMALIZATION = 16, 18, 19, 20
OPERANDS = 24
TANH = 4
"""Number of the activation."""
ABSENT = ((PEEPHOLES, 3, "peepholes"), (PROJECTION, 2, "a projection"), (NORMALIZATION, 4, "layer normalization"))
GATE_SCALE, GATE_OUTPUT_SCALE = 2.0**-12, 2.0**-15
MEMBERS = (
    "input_weights", "recurrent_weights", "input_fraction", "input_shift", "recurrent_fraction", "recurrent_shift",
)  # fmt: skip
"""Of edgekd_lstm_gate, in their order."""
Factor = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Gate:
    """Weights [H, I] and [H, H] with the zero points of x and h in their biases [H], and factors to units of 2^-12."""

    input_weights: I64
    input_bias: I64
    input_factor: Factor
    recurrent_weights: I64
    recurrent_bias: I64
    recurrent_factor: Factor


@dataclass(frozen=True, kw_only=True)
class Lstm:
    """All that a step needs. Factors are multipliers and shifts."""

    gates: dict[str, Gate]
    steps: int
    forget: Factor
    update: Factor
    hidden: Factor
    hidden_zero: int
    cell_clip: int
    """0: none."""
    tanh: tuple[int, int]
    """Multiplier and shift from the cell's state to units of 1 / (3 * 4096)."""
    dtype: str


def _rule(op: CheckedOp) -> None:
    op.count([OPERANDS])
    x, y = op.operand(0), op.result
    op.same_type((x, y), ("int8", "int16"))
    for first, count, name in ABSENT:
        if any(op.inputs[first : first + count]):
            raise op.fail(f"{name} are not supported", hint="tf.keras.layers.LSTM has none of them")
    hidden, cell = op.operand(HIDDEN), op.operand(CELL)
    if op.op.options["cell_activation"] != TANH:
        raise op.fail("its activation is not tanh")
    op.rank(x, 3, 3)
    steps, images = (0, 1) if op.op.options["time_major"] else (1, 0)
    if x.shape[images] != 1:
        raise op.fail(f"'{x.name}' holds {x.shape[images]} sequences, 1 is supported")
    units = op.operand(RECURRENT_WEIGHTS).shape[0]
    op.shape(y, (*x.shape[:2], units))
    for state, dtype in ((hidden, x.dtype), (cell, "int16")):
        if not state.is_variable or state.data is not None or math.prod(state.shape) != units or state.dtype != dtype:
            raise op.fail(f"'{state.name}' is no state of {units} {dtype}")
    if not op.same_type((hidden,), (x.dtype,)) or not op.same_type((cell,), ("int16",)):
        raise op.fail("states are float32")
    if op.quant(hidden) != op.quant(y):
        raise op.fail(f"'{hidden.name}' and '{y.name}' differ in scale or zero point")
    power = math.log2(op.scale(cell))
    if abs(power - round(power)) > 1e-3 or not -15 <= round(power) <= 0:
        raise op.fail(f"'{cell.name}' has scale {op.scale(cell):.6g}, a power of two from 2^-15 to 1 is supported")
    op.factor(op.scale(hidden) ** -1 * GATE_OUTPUT_SCALE**2)
    for position, gate in enumerate(GATES):
        _weights(op, INPUT_WEIGHTS + position, (units, x.shape[2]), x, gate)
        _weights(op, RECURRENT_WEIGHTS + position, (units, units), hidden, gate)
        bias = op.inputs[BIASES + position]
        if bias is not None:
            op.shape(bias, (units,))
            wanted = "int32" if x.dtype == "int8" else "int64"
            if bias.data is None or bias.dtype != wanted:
                raise op.fail(f"bias '{bias.name}' is {bias.dtype}, a constant of {wanted} is supported")


def _weights(op: CheckedOp, position: int, shape: tuple[int, int], x: Tensor, gate: str) -> None:
    w = op.inputs[position]
    if w is None:
        raise op.fail(f"weights of the {gate} gate are missing")
    op.shape(w, shape)
    if w.dtype != "int8" or w.data is None:
        raise op.fail(f"weights '{w.name}' must be a constant of int8")
    scale, zero_point = op.quant(w)
    if zero_point:
        raise op.fail(f"weights '{w.name}' have a zero point, 0 is supported")
    op.factor(op.scale(x) * scale / GATE_SCALE, limit=2.0**30 if x.dtype == "int8" else 2.0**7)


def taken_apart(tensors: list[Tensor | None], options: dict[str, float], what: str) -> Lstm:
    """The numbers of an operator with these operands."""

    def tensor(position: int) -> Tensor:
        operand = tensors[position]
        assert operand is not None
        return operand

    x, hidden, cell = tensor(0), tensor(HIDDEN), tensor(CELL)
    cell_scale = scale_of(cell, what)
    gates = {}
    for position, gate in enumerate(GATES):
        to_input, recurrent = tensor(INPUT_WEIGHTS + position), tensor(RECURRENT_WEIGHTS + position)
        w, u = _integers(to_input), _integers(recurrent)
        bias = tensors[BIASES + position]
        b = np.zeros(len(w), np.int64) if bias is None else _integers(bias)
        gates[gate] = Gate(
            input_weights=w,
            input_bias=b - zero_point_of(x, what) * w.sum(axis=1),
            input_factor=_factor(scale_of(x, what) * scale_of(to_input, what)),
            recurrent_weights=u,
            recurrent_bias=-zero_point_of(hidden, what) * u.sum(axis=1),
            recurrent_factor=_factor(scale_of(hidden, what) * scale_of(recurrent, what)),
        )
    clip = float(np.float32(options["cell_clip"]))
    power = round(math.log2(cell_scale))
    return Lstm(
        gates=gates,
        steps=math.prod(x.shape[:2]),
        forget=quantize_multiplier(GATE_OUTPUT_SCALE * cell_scale / cell_scale),
        update=quantize_multiplier(GATE_OUTPUT_SCALE * GATE_OUTPUT_SCALE / cell_scale),
        hidden=quantize_multiplier(GATE_OUTPUT_SCALE * GATE_OUTPUT_SCALE / scale_of(hidden, what)),
        hidden_zero=zero_point_of(hidden, what),
        cell_clip=int(min(max(clip / cell_scale, -32768.0), 32767.0)) if clip > 0 else 0,
        tanh=(3 << (power + 12), 0) if power >= -12 else (3, -12 - power),
        dtype=hidden.dtype,
    )


def _integers(tensor: Tensor) -> I64:
    assert tensor.data is not None
    return tensor.data.astype(np.int64)


def _factor(scale: float) -> Factor:
    return quantize_multiplier(scale / GATE_SCALE)


def _reference(context: KernelContext) -> list[Values]:
    """Step by step from states of zero: x [B, 1, T, I] -> every hidden state [B, 1, T, H], or with T first."""
    tensors = [context.tensor(i) if context.has(i) else None for i in range(OPERANDS)]
    lstm = taken_apart(tensors, context.op.options, context.what)
    x = context.value(0)
    x = x.reshape(len(x), lstm.steps, -1)
    units = len(lstm.gates["cell"].input_bias)
    hidden = np.full((len(x), units), lstm.hidden_zero, np.int64)
    cell = np.zeros((len(x), units), np.int64)
    states = []
    for step in range(lstm.steps):
        hidden, cell = _step(lstm, x[:, step], hidden, cell)
        states.append(hidden)
    return [np.stack(states, axis=1)]


def _step(lstm: Lstm, x: I64, hidden: I64, cell: I64) -> tuple[I64, I64]:
    """The next hidden and cell state."""
    opened = {name: _gate(lstm, gate, name, x, hidden) for name, gate in lstm.gates.items()}
    cell = _saturated(requantize(opened["forget"] * cell, *lstm.forget))
    update = _saturated(requantize(opened["input"] * opened["cell"], *lstm.update))
    cell = _saturated(cell + update)
    if lstm.cell_clip:
        cell = np.clip(cell, -lstm.cell_clip, lstm.cell_clip)
    activated = tanh_16(scaled_by(cell, *lstm.tanh))
    limits = np.iinfo(lstm.dtype)
    product = requantize(activated * opened["output"], *lstm.hidden) + lstm.hidden_zero
    return np.clip(product, limits.min, limits.max), cell


def _gate(lstm: Lstm, gate: Gate, name: str, x: I64, hidden: I64) -> I64:
    """The gate in units of 2^-15."""
    from_x = x @ gate.input_weights.T + gate.input_bias
    from_hidden = hidden @ gate.recurrent_weights.T + gate.recurrent_bias
    if lstm.dtype == "int8":
        from_x = requantize(wrap32(from_x), *gate.input_factor)
        from_hidden = requantize(wrap32(from_hidden), *gate.recurrent_factor)
    else:
        from_x = requantize_wide(from_x, *gate.input_factor)
        from_hidden = requantize_wide(from_hidden, *gate.recurrent_factor)
    total = _saturated(_saturated(from_x) + _saturated(from_hidden))
    return tanh_16(3 * total) if name == "cell" else logistic_16(3 * total)


def _saturated(x: I64) -> I64:
    return np.clip(x, -(2**15), 2**15 - 1)


def _lower(graph: GraphBuilder, op: OpToLower) -> None:
    x, out = graph.required(op.op.inputs[0], op.what), graph.buffer(op.op.outputs[0])
    lstm = taken_apart(list(op.tensors), op.op.options, op.what)
    units, inputs = lstm.gates["cell"].input_weights.shape
    gates: dict[str, Member] = {}
    for name, gate in lstm.gates.items():
        gates[name] = _gate_struct(lstm, gate, f"{out.name}_{name}")
    members: dict[str, Member] = {
        "gates": Struct(c_type="edgekd_lstm_gate", members=gates),
        "steps": lstm.steps,
        "inputs": inputs,
        "units": units,
    }
    for name, factor in (("forget", lstm.forget), ("update", lstm.update), ("hidden", lstm.hidden)):
        members |= {f"{name}_{key}": number for key, number in split_multiplier(*factor).items()}
    members |= {
        "hidden_zero_point": lstm.hidden_zero,
        "cell_clip": lstm.cell_clip,
        "tanh_multiplier": lstm.tanh[0],
        "tanh_shift": lstm.tanh[1],
    }
    scratch = Buffer(name=graph.scratch(out), dtype="int16", shape=(6 * units,))
    name = f"edgekd_lstm_s{np.iinfo(out.dtype).bits}"
    graph.call(
        KernelCall(
            kernel=name,
            function=name,
            op=op.op.kind,
            sources=[x, scratch],
            out=out,
            layer=Struct(c_type="edgekd_lstm", members=members),
            macs=lstm.steps * 4 * units * (units + inputs),
            more_kernels=("edgekd_sigmoid_table",),
        )
    )


def _gate_struct(lstm: Lstm, gate: Gate, name: str) -> Struct:
    members: dict[str, Member] = {}
    for title, w, b, factor in (
        ("input", gate.input_weights, gate.input_bias, gate.input_factor),
        ("recurrent", gate.recurrent_weights, gate.recurrent_bias, gate.recurrent_factor),
    ):
        members[f"{title}_weights"] = Array(
            name=f"{name}_{title}_words",
            c_type="uint32_t",
            values=_packed(w, b, wide=lstm.dtype == "int16") & 0xFFFFFFFF,
            comment=f"biases and weights {list(w.shape)} by four rows",
        )
        if lstm.dtype == "int8":
            members |= {f"{title}_{key}": number for key, number in split_multiplier(*factor).items()}
        else:
            multiplier, shift = factor
            members |= {f"{title}_fraction": reduced_multiplier(multiplier), f"{title}_shift": 15 - shift}
    return Struct(c_type="edgekd_lstm_gate", members={key: members[key] for key in MEMBERS})


def _packed(w: I64, b: I64, *, wide: bool) -> I64:
    """Of four rows after another: their biases, and words of four inputs of each."""
    rows, columns = -len(w) % 4, -w.shape[1] % 4
    w, b = np.pad(w, ((0, rows), (0, columns))), np.pad(b, (0, rows)).reshape(-1, 4)
    words = joined(w.reshape(-1, 4, w.shape[1] // 4, 4), 8).transpose(0, 2, 1).reshape(len(b), -1)
    if wide:
        b = np.stack([b & 0xFFFFFFFF, b >> 32], axis=-1).reshape(len(b), -1)
    return np.concatenate([b, words], axis=1).reshape(-1)


OPERATORS = (
    Operator(
        name="UNIDIRECTIONAL_SEQUENCE_LSTM",
        resolver="AddUnidirectionalSequenceLSTM",
        rule=_rule,
        reference=_reference,
        lower=_lower,
        options={
            "cell_activation": Option(0, "int8"),
            "cell_clip": Option(1, "float32"),
            "time_major": Option(3, "bool"),
        },
        options_table=71,
        has_state=True,
        limits="one sequence; neither peepholes, nor projection, nor layer normalization",
    ),
)
