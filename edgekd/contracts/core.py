"""Processor cores: what compiler, emulator and timing model need to know of each, one row a core.

A core is added here. Where none of the timing tables of edgekd/emulate/timing.py fits it, it needs one there, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Range = tuple[int, int, int]
"""low, usual, high cycles."""


@dataclass(frozen=True, kw_only=True)
class Core:
    """One processor core. `gcc`: flags of arm-none-eabi-gcc; `zig`: flags of clang in the ziglang wheel."""

    gcc: tuple[str, ...]
    zig: tuple[str, ...]
    unicorn_model: str
    """Name of unicorn's processor model: UC_CPU_..."""
    timing: Literal["cortex-m0plus", "cortex-m4"]
    """Table of instruction timings."""
    taken_branch: Range
    """Cycles of a taken branch beyond those of the same branch not taken."""
    dual_issue: bool = False
    """Whether it starts two instructions a cycle at best."""
    dsp: bool = False
    """Whether it has SMLAD and its kin."""
    fpu: bool = False
    """Whether it adds and multiplies float32 in hardware."""


CORES: Mapping[str, Core] = {
    "cortex-m0plus": Core(
        gcc=("-mcpu=cortex-m0plus",),
        zig=("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m0plus"),
        unicorn_model="UC_CPU_ARM_CORTEX_M0",
        timing="cortex-m0plus",
        taken_branch=(1, 1, 1),
    ),
    "cortex-m4f": Core(
        gcc=("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16"),
        zig=("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m4+vfp4d16sp"),
        unicorn_model="UC_CPU_ARM_CORTEX_M4",
        timing="cortex-m4",
        taken_branch=(1, 2, 3),
        dsp=True,
        fpu=True,
    ),
    "cortex-m7f": Core(
        gcc=("-mcpu=cortex-m7", "-mfpu=fpv5-d16"),
        zig=("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m7+fp_armv8d16"),
        unicorn_model="UC_CPU_ARM_CORTEX_M7",
        timing="cortex-m4",
        taken_branch=(0, 2, 8),  # predicted right; as the M4; mispredicted
        dual_issue=True,
        dsp=True,
        fpu=True,
    ),
}
HOST = "host"
"""The `core` of the board that is this computer: nothing is emulated."""
