"""Cycles of Thumb code: the documented instruction timings of the Cortex-M0+ and M4, and a loose range for the M7.

Sources: Arm Cortex-M4 Technical Reference Manual (100166), tables "Cortex-M4 instruction set summary" and "FPU
instruction set", section "Load/store timings"; Cortex-M0+ Technical Reference Manual (DDI 0484), table "Cortex-M0+
instruction summary". Arm publishes no such table for the Cortex-M7.

Three numbers for every basic block: `low`, `cycles` (the figure edgekd reports) and `high`. Where the manual gives a
range, `cycles` takes the usual case:

==========================  =====  ========  ======
Cortex-M4                     low    cycles    high
==========================  =====  ========  ======
data processing, multiply       1         1       1
LDR                             2         2       2   high 3 if the instruction before computes its address
LDR directly after an LDR       1         1       2   unless its address is what that one loads
STR                             1         1       2
LDM, STM, PUSH, POP           1+N       1+N     1+N
LDRD, STRD                      3         3       3
SDIV, UDIV                      2         7      12
IT                              0         1       1   may fold into the instruction before
VMLA, VFMA and kin              3         3       3
VDIV, VSQRT                    14        14      14
taken branch, in addition       1         2       3   pipeline refill
==========================  =====  ========  ======

A conditional instruction in an IT block costs the same whether or not it executes. Flash wait states are not in the
table: `Machine` adds them to `high` (see `Machine.last`).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edgekd.contracts.core import Core, Range


@dataclass(frozen=True)
class Instruction:
    """One decoded instruction; `mnemonic` without width or type suffix, `operands` as capstone writes them."""

    mnemonic: str
    operands: str
    size: int

    @property
    def target(self) -> str:
        """Register written by a load or by data processing: the first operand."""
        return self.operands.split(",", 1)[0].strip()

    @property
    def address_registers(self) -> frozenset[str]:
        """Registers an address is computed from."""
        inside = re.search(r"\[([^\]]*)\]", self.operands)
        return frozenset(re.findall(r"\b(?:r\d+|sb|sl|fp|ip|sp|lr|pc)\b", inside[1])) if inside else frozenset()

    @property
    def is_call(self) -> bool:
        """Whether it leaves a return address in lr."""
        return _CALL.match(self.mnemonic) is not None

    @property
    def may_return(self) -> bool:
        """Whether it jumps to an address from a register or from memory: a return, or a jump through a table."""
        if self.mnemonic.startswith(("pop", "ldm")):
            return "pc" in self.operands[self.operands.find("{") :]
        return self.mnemonic.startswith("bx") or (self.mnemonic.startswith(("ldr", "mov")) and self.target == "pc")

    @property
    def words(self) -> int:
        """32-bit words moved by a load or store multiple."""
        listed = self.operands[self.operands.find("{") + 1 : self.operands.find("}")].split(",")
        return sum(2 if name.strip().startswith("d") else 1 for name in listed)


@dataclass(frozen=True)
class BlockCost:
    """One basic block executed once, its last branch not taken."""

    instructions: int
    cycles: Range
    loads: int
    """Words loaded by other than the stack pointer: each may come from flash."""


def decode(code: bytes, address: int) -> list[Instruction]:
    """Decode a basic block. What capstone does not know (nothing GCC emits) still counts as one instruction."""
    decoder = _decoder()
    instructions, offset = [], 0
    while offset < len(code):
        for at, size, mnemonic, operands in decoder.disasm_lite(code[offset:], address + offset):
            instructions.append(Instruction(mnemonic.split(".")[0], operands, size))
            offset = at - address + size
        if offset < len(code):
            wide = code[offset + 1] >> 3 in (0b11101, 0b11110, 0b11111)
            instructions.append(Instruction("unknown", "", 4 if wide else 2))
            offset += instructions[-1].size
    return instructions


def block_cost(core: Core, instructions: list[Instruction]) -> BlockCost:
    """Add up a basic block on the given core."""
    cost = _COST[core.timing]
    total = [0, 0, 0]
    for index, instruction in enumerate(instructions):
        previous = instructions[index - 1] if index else None
        for which, cycles in enumerate(cost(instruction, previous)):
            total[which] += cycles
    if core.dual_issue:
        total[0] = (len(instructions) + 1) // 2
    return BlockCost(len(instructions), (total[0], total[1], total[2]), sum(map(_flash_loads, instructions)))


_LOAD = re.compile(r"ldr(?!d)")
_STORE = re.compile(r"str(?!d)")
_MULTIPLE = re.compile(r"v?(ldm|stm|push|pop)")
_DOUBLE = re.compile(r"(ldrd|strd)")
_VFP_MOVE = re.compile(r"v(ldr|str)")
_DIVIDE = re.compile(r"[su]div")
_VFP_DIVIDE = re.compile(r"v(div|sqrt)")
_VFP_MULTIPLY_ADD = re.compile(r"vf?n?m[ls][as]|vfn?m[as]")
_IT = re.compile(r"it[te]{0,3}$")
_TABLE_BRANCH = re.compile(r"tb[bh]")
_BARRIER = re.compile(r"dsb|dmb|isb|mrs|msr")
_CALL = re.compile(r"blx?(eq|ne|[ch]s|cc|lo|mi|pl|v[sc]|hi|ls|ge|lt|gt|le)?$")


def _flash_loads(instruction: Instruction) -> int:
    name = instruction.mnemonic
    if re.match(r"v?ldm", name):
        return instruction.words
    if name.startswith(("ldr", "vldr")) and "sp" not in instruction.address_registers:
        return 2 if name.startswith("ldrd") or instruction.target.startswith("d") else 1
    return 0


def _cortex_m4(instruction: Instruction, previous: Instruction | None) -> Range:
    name = instruction.mnemonic
    if _LOAD.match(name):
        return _m4_load(instruction, previous)
    if _STORE.match(name):
        return (1, 1, 2)
    if _MULTIPLE.match(name):
        cycles = 1 + instruction.words
    elif _DOUBLE.match(name):
        cycles = 3
    elif _VFP_MOVE.match(name):
        cycles = 3 if instruction.target.startswith("d") else 2
    elif _DIVIDE.match(name):
        return (2, 7, 12)
    elif _IT.match(name):
        return (0, 1, 1)
    elif _VFP_DIVIDE.match(name):
        cycles = 14
    elif _VFP_MULTIPLY_ADD.match(name):
        cycles = 3
    elif _TABLE_BRANCH.match(name) or (name.startswith("vmov") and instruction.operands.count(",") >= 2):
        cycles = 2
    elif _BARRIER.match(name):
        return (1, 2, 4)
    else:
        cycles = 1
    return (cycles, cycles, cycles)


def _m4_load(instruction: Instruction, previous: Instruction | None) -> Range:
    """One cycle when pipelined behind another load; a stall more when the address was only just computed."""
    depends = previous is not None and previous.target in instruction.address_registers
    if previous and _LOAD.match(previous.mnemonic) and not depends:
        return (1, 1, 2)
    return (2, 2, 3 if depends else 2)


def _cortex_m0plus(instruction: Instruction, previous: Instruction | None) -> Range:
    name = instruction.mnemonic
    if _MULTIPLE.match(name):
        cycles = 1 + instruction.words + ("pc" in instruction.operands)
    elif name.startswith(("ldr", "str")) or name == "bl":
        cycles = 2
    elif _BARRIER.match(name):
        cycles = 3
    else:
        cycles = 1
    return (cycles, cycles, cycles)


_COST: Mapping[str, Callable[[Instruction, Instruction | None], Range]] = {
    "cortex-m0plus": _cortex_m0plus,
    "cortex-m4": _cortex_m4,
}


@functools.cache
def _decoder() -> Any:
    import capstone

    return capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
