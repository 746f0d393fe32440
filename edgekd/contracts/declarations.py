"""Model kinds and distillation losses: what each module declares about itself, read without importing it.

A module of `edgekd/models` or `edgekd/distill/losses` declares itself by a module-level assignment whose right side is
a call with literal arguments, as `KIND = ModelKind(name="gru", ...)`. It is read from the source with `ast`, as
setuptools reads a version: configurations are checked and reports are drawn without importing torch, and a new kind or
loss is one new file.
"""

import ast
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

PACKAGE = Path(__file__).resolve().parents[1]

Marker = Literal["circle", "square", "triangle", "diamond", "pentagon", "cross", "hexagon", "star"]
HardLoss = Literal["l1", "mse", "cross_entropy"]


@dataclass(frozen=True, kw_only=True)
class ModelKind:
    """A kind of network, module `edgekd.models.<name>`.

    label, marker, color, dark_color: how it is named and drawn, on light and on dark ground. recurrent: has a cell that
    runs once per step, so that it has a memory. euler_steps: the cell takes a searchable number of steps per patch.
    """

    name: str
    label: str
    marker: Marker
    color: str
    dark_color: str
    recurrent: bool
    euler_steps: bool = False


@dataclass(frozen=True, kw_only=True)
class LossSpec:
    """A distillation loss, module `edgekd.distill.losses.<name>`.

    code: what stands for it in a candidate's name. hard: the loss on the measured target that it is mixed with; None:
    it is added to the loss between outputs that the task has. tasks: those that it fits. needs_states: compares hidden
    states of several steps, so the student must be recurrent. weighs_windows: gives the windows their weights in the
    task's losses, instead of a loss of its own. former_name: that of an earlier release, told when a configuration has
    it.
    """

    name: str
    code: str
    hard: HardLoss | None
    tasks: tuple[str, ...] = ("forecast", "estimate", "remaining")
    needs_states: bool = False
    weighs_windows: bool = False
    former_name: str = ""


Declaration = TypeVar("Declaration", ModelKind, LossSpec)


@functools.cache
def model_kinds() -> dict[str, ModelKind]:
    """All model kinds by name, in alphabetical order."""
    return _declared(PACKAGE / "models", ModelKind)


@functools.cache
def distillation_losses() -> dict[str, LossSpec]:
    """All distillation losses by name, in alphabetical order."""
    return _declared(PACKAGE / "distill" / "losses", LossSpec)


def _declared(folder: Path, declaration: type[Declaration]) -> dict[str, Declaration]:
    """The declarations of one class in the modules of a folder. ValueError when one is not named like its module."""
    declarations: dict[str, Declaration] = {}
    for path in sorted(folder.glob("*.py")):
        for call in _calls(path, declaration.__name__):
            arguments: dict[str, Any] = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
            declared = declaration(**arguments)
            if declared.name != path.stem:
                raise ValueError(f"{path.name} declares '{declared.name}', which belongs in {declared.name}.py")
            declarations[declared.name] = declared
    return declarations


def _calls(path: Path, function: str) -> list[ast.Call]:
    """The calls of `function` whose results a module assigns at its top level."""
    statements = ast.parse(path.read_text(encoding="utf-8")).body
    values = [statement.value for statement in statements if isinstance(statement, ast.Assign | ast.AnnAssign)]
    return [
        value
        for value in values
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == function
    ]
