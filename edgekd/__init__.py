"""edgekd distils a time-series model until it fits a microcontroller, and proves what the firmware computes."""

import sys
from types import ModuleType

__version__ = "0.1.0"

from edgekd.api import codegen, compress, emulate, load, verify
from edgekd.environment import switch_telemetry_off

__all__ = ["__version__", "codegen", "compress", "emulate", "load", "verify"]


class _Package(ModuleType):
    """Keeps `edgekd.compress` a function when the package of that name is imported, too."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in __all__ and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
switch_telemetry_off()
