"""Distillation losses. Each is one module, `<name>.py`, that declares a `LOSS` and defines a function of that name.

The function takes a `LossStep` and returns values [P, B, ...] of P members and B windows, which are averaged over all
but the members. A module may also define `prepare(view)`: what a loss needs of the teacher, computed once before
training.
"""

import importlib
from collections.abc import Callable
from typing import Any

from torch import Tensor

from edgekd.contracts.declarations import LossSpec, distillation_losses
from edgekd.distill.losses.loss_step import LossStep, TeacherView


def spec_of(name: str) -> LossSpec:
    """What the module of a loss declares."""
    return distillation_losses()[name]


def function_of(name: str) -> Callable[[LossStep], Tensor]:
    """The loss itself: a step -> values [P, B, ...]."""
    function: Callable[[LossStep], Tensor] = getattr(_module(name), name)
    return function


def prepare(name: str, view: TeacherView) -> Any:
    """What a loss needs of the teacher; None for one that needs its soft targets alone."""
    function = getattr(_module(name), "prepare", None)
    return function(view) if function else None


def _module(name: str) -> Any:
    return importlib.import_module(f"{__name__}.{spec_of(name).name}")
