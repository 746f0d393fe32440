"""The operators that edgekd knows, one module for each or for a family; every module with OPERATORS takes part."""

import importlib
import pkgutil
from collections.abc import Iterator

from edgekd.program.ops.operator import Operator


def _all() -> Iterator[Operator]:
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        yield from getattr(importlib.import_module(f"{__name__}.{module}"), "OPERATORS", ())


OPERATORS: dict[str, Operator] = {operator.name: operator for operator in sorted(_all(), key=lambda each: each.name)}
"""By TFLite's name."""
