"""A Program as plain C: a header, a source whose entry function is the list of calls, and the kernels it needs.

    code = generate(read_tflite(content), "detector")
    write(folder, code.files)

What the files say is decided here; the C itself stands in templates/native_*.j2.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd import __version__
from edgekd.codegen.c_names import constant, element, variable
from edgekd.codegen.constants import grid_values
from edgekd.codegen.memory_plan import Plan, plan
from edgekd.codegen.sketches import CONSOLE, carried
from edgekd.codegen.write import TemplateValues, array_literal, float_literal, render
from edgekd.contracts.board import resource
from edgekd.program.lowering.ir import (
    Array,
    Buffer,
    ElementwiseOp,
    FusedLoop,
    Graph,
    Index,
    Kernel,
    KernelCall,
    Member,
    Name,
    Operand,
    PerElement,
    Real,
    Step,
    Struct,
    Word,
    c_type_of,
)
from edgekd.program.lowering.lower import lower
from edgekd.program.lowering.names import TensorNames
from edgekd.program.program import Program, Tensor

WORKSPACE, STATE = "edgekd_workspace", "edgekd_state"
LEAST_WORKSPACE = 4
"""Bytes: C has no empty types."""


INCLUDE = re.compile(r'^#include "(edgekd_\w+\.h)"', re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class TensorLocation:
    """Where a tensor's elements lie after a layer ran: in one of `Code.variables`, `offset` bytes from its start."""

    tensor: Tensor
    variable: str
    offset: int


@dataclass(frozen=True, kw_only=True)
class LayerInfo:
    """One call of the entry function, for profiles: `bytes` of constants, multiply-adds; `writes`: its results."""

    name: str
    function: str
    macs: int
    bytes: int
    writes: tuple[TensorLocation, ...]


@dataclass(frozen=True, kw_only=True)
class Code:
    """Generated C of one graph. `files`: name -> text, kernels included; `sources`: the names to compile."""

    name: str
    files: Mapping[str, str | bytes]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    workspace_bytes: int
    macs: int
    layers: tuple[LayerInfo, ...]
    memory: str
    """A source with variables for the arguments of the entry function, for images that are measured."""
    variables: tuple[str, ...]
    """Their names: workspace, state if there is one, inputs, outputs."""
    state_bytes: int = 0
    """Of what is kept from one run to the next; 0: nothing, and no `init`."""

    @property
    def sources(self) -> list[str]:
        """Files to compile."""
        return [name for name in self.files if name.endswith(".c")]

    @property
    def entry(self) -> str:
        """The function that runs it: (workspace, inputs ..., outputs ...)."""
        return f"{self.name}_run"

    @property
    def init(self) -> str | None:
        """The function that sets the state before the first run: (state)."""
        return f"{self.name}_init" if self.state_bytes else None

    @property
    def entries(self) -> list[str]:
        """Functions and variables that an image must keep."""
        return [self.entry, *([self.init] if self.init else []), *self.variables]


def generate(program: Program, name: str, *, padded: bool = False, grids: bool = True) -> Code:
    """Generate C for a program. `name`: prefix of all that is visible, an identifier; see `c_names.model_name`.

    padded: the caller's buffers are readable up to a multiple of four elements, which saves copies; grids: functions
    that turn real numbers into integers and back are generated, too. ModelError names the operator that has no kernel.
    """
    return generate_together({name: program}, padded=padded, grids=grids)[name]


def generate_together(programs: Mapping[str, Program], *, padded: bool, grids: bool) -> dict[str, Code]:
    """Generate C for programs that share an image, each with its name."""
    graphs = lower(list(programs.values()), padded=padded)
    return {
        name: _Writer(graph, plan(graph), program, name, padded=padded, grids=grids).code()
        for (name, program), graph in zip(programs.items(), graphs, strict=True)
    }


def firmware_file(name: str) -> bytes:
    """Content of a file of firmware/: kernels/<name>.c or include/<name>.h."""
    folder = "kernels" if name.endswith(".c") else "include"
    return (resource("firmware") / folder / name).read_bytes()


def with_headers(names: Iterable[str]) -> list[str]:
    """Files of firmware/, and those that they include."""
    files: dict[str, None] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop(0)
        if name not in files:
            files[name] = None
            waiting += INCLUDE.findall(firmware_file(name).decode())
    return list(files)


class _Writer:
    def __init__(self, graph: Graph, placed: Plan, program: Program, name: str, *, padded: bool, grids: bool) -> None:
        self._graph, self._plan, self._program, self._name = graph, placed, program, name
        self._padded = padded
        self._workspace = max(placed.bytes, LEAST_WORKSPACE)
        self._names = TensorNames()
        self._arrays: dict[int, tuple[str, Array]] = {}
        self._structs: list[TemplateValues] = []
        self._loops: list[TemplateValues] = []
        self._used: dict[Buffer, None] = {}
        self._grids = [*self._grid_rows(graph.inputs), *self._grid_rows(graph.outputs)] if grids else []

    def code(self) -> Code:
        """Everything of the generated files."""
        calls, layers = [], []
        for step in self._graph.steps:
            known = set(self._arrays)
            text, function = self._call(step) if isinstance(step, KernelCall) else self._loop(step)
            calls.append(text)
            size = sum(array.bytes for key, (_, array) in self._arrays.items() if key not in known)
            macs = step.macs if isinstance(step, KernelCall) else 0
            done = step.writes if not isinstance(step, KernelCall) or step.whole else []
            done = [buffer for buffer in done if buffer.root.role != "state"]
            places = tuple(self._place(buffer) for buffer in done)
            layers.append(LayerInfo(name=self._title(step), function=function, macs=macs, bytes=size, writes=places))
        macs = sum(layer.macs for layer in layers)
        values = self._values(calls, macs)
        files: dict[str, str | bytes] = {
            f"{self._name}.h": render("native_graph.h.j2", **values),
            f"{self._name}.c": render("native_graph.c.j2", **values),
        }
        files |= {name: firmware_file(name) for name in self._firmware()}
        return Code(
            name=self._name,
            files=files,
            inputs=tuple(_tensor(buffer) for buffer in self._graph.inputs),
            outputs=tuple(_tensor(buffer) for buffer in self._graph.outputs),
            workspace_bytes=self._workspace,
            macs=macs,
            layers=tuple(layers),
            memory=render("native_memory.c.j2", name=self._name, version=__version__, memory=self._memory()),
            variables=tuple(row["name"] for row in self._memory()),
            state_bytes=sum(-(-variable.bytes // 4) * 4 for variable in self._graph.variables),
        )

    def _memory(self) -> list[dict[str, str]]:
        rows = [{"c_type": f"{self._name}_workspace", "name": WORKSPACE, "size": ""}]
        if self._graph.variables:
            rows.append({"c_type": f"{self._name}_state", "name": STATE, "size": ""})
        for role, buffers in (("input", self._graph.inputs), ("output", self._graph.outputs)):
            for position, buffer in enumerate(buffers):
                size = -(-buffer.size // 4) * 4
                rows.append({"c_type": buffer.c_type, "name": f"edgekd_{role}_{position}", "size": f"[{size}]"})
        return rows

    def _place(self, buffer: Buffer) -> TensorLocation:
        root, start = buffer.root, buffer.start * np.dtype(buffer.dtype).itemsize
        if root.role == "inner":
            return TensorLocation(tensor=_tensor(buffer), variable=WORKSPACE, offset=self._plan.offsets[root] + start)
        position = self._graph.outputs.index(root)
        return TensorLocation(tensor=_tensor(buffer), variable=f"edgekd_output_{position}", offset=start)

    def _values(self, calls: Sequence[str], macs: int) -> TemplateValues:
        variables = self._variables()  # their first values are arrays, too
        arrays = [
            {"name": name, "c_type": array.c_type, "comment": array.comment, "size": array.values.size,
             "text": array_literal(array.values.astype(np.uint32) if array.c_type == "uint32_t" else array.values)}
            for name, array in self._arrays.values()
        ]  # fmt: skip
        return {
            "version": __version__,
            "name": self._name,
            "sha256": self._program.sha256,
            "operators": len(self._program.ops),
            "arrays": arrays,
            "layers": self._structs,
            "loops": self._loops,
            "kernels": any(isinstance(step, KernelCall) for step in self._graph.steps),
            "calls": calls,
            "locals": [self._local(buffer) for buffer in self._used],
            "uses_workspace": any(buffer.root.role == "inner" for buffer in self._used),
            "grids": self._grids,
            "macs": macs,
            "constant_bytes": sum(array.bytes for _, array in self._arrays.values()),
            "workspace_bytes": self._workspace,
            "values": [*map(self._value, self._graph.inputs), *map(self._value, self._graph.outputs)],
            "variables": variables,
            "run_parameters": [
                f"{self._name}_workspace *workspace",
                *([f"{self._name}_state *state"] if self._graph.variables else []),
                *(f"const {buffer.c_type} {variable(buffer.name)}[{buffer.size}]" for buffer in self._graph.inputs),
                *(f"{buffer.c_type} {variable(buffer.name)}[{buffer.size}]" for buffer in self._graph.outputs),
            ],
        }

    def _variables(self) -> list[dict[str, Any]]:
        """Fields of the state, and what they are set to."""
        return [
            {
                "field": buffer.name,
                "c_type": buffer.c_type,
                "size": buffer.size,
                "initial": self._array(_initial(buffer)),
            }
            for buffer in self._graph.variables
        ]

    def _firmware(self) -> list[str]:
        """Files of firmware/ that this code needs."""
        names = [f"{name}.c" for step in self._graph.steps if isinstance(step, KernelCall) for name in step.kernels]
        if self._loops:
            names.append("edgekd_elementwise.h")
        loops = [step for step in self._graph.steps if isinstance(step, FusedLoop)]
        names += [f"{name}.c" for loop in loops for op in loop.ops for name in op.sources]
        if self._grids:
            names.append("edgekd_quantize.c")
        return with_headers(names)

    # -- names -----------------------------------------------------------------------------------------------------

    def _array(self, array: Array) -> str:
        """Name of a constant array."""
        if id(array) not in self._arrays:
            self._arrays[id(array)] = (constant(self._names.distinct(array.name)), array)
        return self._arrays[id(array)][0]

    def _pointer(self, source: Buffer | Array) -> str:
        if isinstance(source, Array):
            return self._array(source)
        if source.role == "state":
            return f"state->v_{source.name}"
        if source.role == "inner" or source.base is not None:
            self._used[source] = None
        return variable(source.name)

    def _local(self, buffer: Buffer) -> TemplateValues:
        """A pointer to a buffer of the workspace, or to a part of an input or output."""
        root = buffer.root
        const = "const " if root.role == "input" else ""
        if root.role == "inner":
            at = self._plan.offsets[root] + buffer.start * np.dtype(buffer.dtype).itemsize
            value = f"({buffer.c_type} *)(void *)(workspace->bytes + {at})" if at else _whole(buffer)
        else:
            value = f"{variable(root.name)} + {buffer.start}"
        return {
            "c_type": f"{const}{buffer.c_type}",
            "name": variable(buffer.name),
            "value": value,
            "shape": list(buffer.shape),
        }

    def _title(self, step: Step) -> str:
        if isinstance(step, KernelCall):
            return f"{step.op.lower()} {step.out.name}"
        return f"{', '.join(op.op.lower() for op in step.ops)} {step.kept[-1].name}"

    # -- steps -----------------------------------------------------------------------------------------------------

    def _call(self, call: KernelCall) -> tuple[str, str]:
        arguments = [f"&{self._layer(call.layer, call)}"] if call.layer else []
        arguments += [self._pointer(source) for source in call.sources]
        arguments += [self._pointer(call.out), *(f"{number}u" for number in call.numbers)]
        return f"{call.function}({', '.join(arguments)})", call.function

    def _layer(self, layer: Struct, call: KernelCall) -> str:
        name = constant(self._names.distinct(f"{call.out.name}_layer"))
        members = [{"name": member, "value": self._member(value)} for member, value in layer.members.items()]
        self._structs.append({"c_type": layer.c_type, "name": name, "members": members})
        return name

    def _member(self, value: Member) -> str:
        if isinstance(value, Word):
            return f"0x{value.bits:08X}u"
        if isinstance(value, Real):
            return float_literal(value.value)
        if isinstance(value, Array):
            return self._array(value)
        if isinstance(value, Struct):
            return "{" + ", ".join(self._member(member) for member in value.members.values()) + "}"
        if isinstance(value, (Kernel, Name)):
            return value.name
        return "0" if value is None else array_literal(np.array([value]), 0).rstrip(",")

    def _loop(self, step: FusedLoop) -> tuple[str, str]:
        name = f"{self._name}_loop_{step.kept[-1].name}"
        names = TensorNames()
        for op in step.ops:
            names.distinct(op.out.name)
        loads = {(load.source, load.index): element(names.distinct(load.source.name)) for load in step.loads}
        buffers = list(dict.fromkeys([*step.reads, *step.kept]))
        self._loops.append(
            {
                "name": name,
                "comment": f"{', '.join(op.op for op in step.ops)}: {step.size} elements",
                "parameters": [
                    f"{'' if buffer in step.kept else 'const '}{buffer.c_type} *{variable(buffer.name)}"
                    for buffer in buffers
                ],
                "size": step.size,
                "loads": [
                    {
                        "name": loads[load.source, load.index],
                        "value": f"{variable(load.source.name)}[{_at(load.index)}]",
                    }
                    for load in step.loads
                ],
                "ops": [self._elementwise(op, loads) for op in step.ops],
                "stores": [
                    {"to": f"{variable(buffer.name)}[i]", "c_type": buffer.c_type, "value": element(buffer.name)}
                    for buffer in step.kept
                ],
            }
        )
        return f"{name}({', '.join(self._pointer(buffer) for buffer in buffers)})", name

    def _elementwise(self, op: ElementwiseOp, loads: Mapping[Any, str]) -> TemplateValues:
        constants = {key: self._constant(value) for key, value in op.constants.items()}
        operands = [self._operand(operand, loads) for operand in op.operands]
        about = {"kind": op.kind, "op": op.op, "name": element(op.out.name), "function": op.function}
        return constants | about | {"operands": operands}

    def _constant(self, value: Any) -> Any:
        """What the template writes: values per element are read at i, a table is named."""
        if isinstance(value, list):
            return [self._constant(each) for each in value]
        if isinstance(value, PerElement):
            return f"{self._array(value.array)}[i]"
        return self._array(value) if isinstance(value, Array) else value

    def _operand(self, operand: Operand | int, loads: Mapping[Any, str]) -> str:
        if isinstance(operand, int):
            return f"({operand})" if operand < 0 else str(operand)
        if isinstance(operand.source, Array):
            return f"{self._array(operand.source)}[{_at(operand.index)}]"
        return loads.get((operand.source, operand.index), element(operand.source.name))

    # -- inputs and outputs ----------------------------------------------------------------------------------------

    def _value(self, buffer: Buffer) -> TemplateValues:
        quantization = _tensor(buffer).quantization
        text = ""
        if quantization is not None and len(quantization.scale) == 1:
            text = f", real = {quantization.scale[0]:.9g} * (integer - {int(quantization.zero_point[0])})"
        return {
            "name": variable(buffer.name),
            "is_input": buffer.role == "input",
            "c_type": buffer.c_type,
            "shape": list(buffer.shape),
            "quantization": text.replace("- -", "+ "),
            "padded": self._padded and buffer.size % 4 != 0 and buffer.role == "input",
        }

    def _grid_rows(self, buffers: Sequence[Buffer]) -> list[TemplateValues]:
        rows = []
        for buffer in buffers:
            quantization = _tensor(buffer).quantization
            if quantization is None or len(quantization.scale) != 1:
                continue
            quant = constant(self._names.distinct(f"{buffer.name}_quant"))
            names = {"name": buffer.name, "quant": quant, "is_input": buffer.role == "input", "c_type": buffer.c_type}
            rows.append(names | grid_values(_tensor(buffer)))
        return rows


def _initial(buffer: Buffer) -> Array:
    data = _tensor(buffer).data
    assert data is not None
    values = data.reshape(-1)
    return Array(name=f"{buffer.name}_initial", c_type=buffer.c_type, values=values, comment="before the first run")


def _tensor(buffer: Buffer) -> Tensor:
    assert buffer.tensor is not None
    return buffer.tensor


def _whole(buffer: Buffer) -> str:
    return f"({buffer.c_type} *)(void *)workspace->bytes"


def _at(index: Index) -> str:
    """The C expression of the element that belongs to element i."""
    if index.terms is None:
        return "i" if index.offset == 0 else f"i + {index.offset}u"
    parts = []
    for term in index.terms:
        part = "i" if term.divide == 1 else f"i / {term.divide}u"
        parts.append(f"{part} % {term.modulo}u" + ("" if term.stride == 1 else f" * {term.stride}u"))
    if index.offset or not parts:
        parts.append(f"{index.offset}u")
    return " + ".join(parts)


def examples(code: Code, inputs: Sequence[NDArray[Any]], outputs: Sequence[NDArray[Any]]) -> dict[str, str | bytes]:
    """A C program and an Arduino sketch, in a folder of its own, that run the network on one window [...] of inputs and
    say whether it computes these outputs.
    """
    values = {
        "name": code.name,
        "version": __version__,
        "inputs": stored("input", code.inputs, inputs),
        "outputs": stored("output", code.outputs, outputs),
        "has_state": code.init is not None,
    }
    vectors = {f"{code.name}_vectors.h": render("native_vectors.h.j2", **values)}
    sketch = dict(code.files) | vectors | carried(CONSOLE)
    sketch[f"{code.name}_native.ino"] = render("native_graph_sketch.ino.j2", **values)
    program = {f"{code.name}_example.c": render("native_example.c.j2", **values)}
    return vectors | program | {f"{code.name}_native/{file}": content for file, content in sketch.items()}


def stored(role: str, tensors: Sequence[Tensor], values: Sequence[NDArray[Any]]) -> list[TemplateValues]:
    """Constant arrays of the examples."""
    return [
        {
            "name": f"test_{role}_{position}",
            "title": tensor.name,
            "c_type": c_type_of(tensor.dtype),
            "size": value.size,
            "values": value.reshape(-1),
        }
        for position, (tensor, value) in enumerate(zip(tensors, values, strict=True))
    ]
