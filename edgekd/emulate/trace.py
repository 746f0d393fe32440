"""What a run cost and where: from the basic blocks it went through to instructions, cycles, functions and calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekd.emulate.compiler import Image, Symbol
from edgekd.emulate.timing import BlockCost, block_cost, decode

Addresses = NDArray[np.uint32]
"""Start addresses of the basic blocks that ran, in order: a trace."""


@dataclass(frozen=True)
class CallTotals:
    """What one call cost. `cycles` by the timing table (timing.py) with zero-wait flash.

    `cycles_high` adds to the table's high figures an upper bound for flash wait states: every line of code fetched from
    flash once per execution of its block, or once in all when the code of this call fits the board's code cache; every
    word loaded other than by the stack pointer, though no more than the whole image once when that fits the data cache.
    """

    instructions: int
    cycles_low: int
    cycles: int
    cycles_high: int
    stack_bytes: int


@dataclass(frozen=True)
class FunctionShare:
    """Share of one function in a run, without what it calls."""

    name: str
    instructions: int
    cycles: int


@dataclass(frozen=True)
class CallCost:
    """A call site of the profiled function: `calls` executions of it, everything below included."""

    name: str
    site: int
    """Address behind the call instruction: one for each place in the code, whichever way leads there."""
    calls: int
    instructions: int
    cycles: int


@dataclass(frozen=True)
class Profile:
    """Where the cycles of one call went: `own` + `calls` + `outside` = `run`, and so do all `functions`."""

    run: CallTotals
    own: FunctionShare
    """The profiled function itself, without what it calls."""
    calls: tuple[CallCost, ...]
    """What the profiled function calls, in the order of first execution."""
    outside: FunctionShare
    """Code around the profiled function, when it is not the one that was called."""
    functions: tuple[FunctionShare, ...]
    """Every function that ran, most cycles first."""


class BlockTable:
    """Costs of an image's basic blocks, each decoded once. Row i of every list belongs to the i-th block seen."""

    def __init__(self, image: Image, read: Callable[[int, int], bytes]) -> None:
        """`read(address, size)` returns code."""
        self.image = image
        self.board = image.board
        self._read = read
        self._row: dict[int, int] = {}
        self._sizes: list[int] = []
        self._calls: list[bool] = []
        self._may_return: list[bool] = []
        self._costs: list[BlockCost] = []

    def rows(self, trace: Addresses, sizes: dict[int, int]) -> NDArray[np.intp]:
        """Rows of a trace's blocks; `sizes` has the bytes of each block by address."""
        unique, inverse = np.unique(trace, return_inverse=True)
        for address in unique.tolist():
            if address not in self._row:
                self._add(address, sizes[address])
        return np.array([self._row[address] for address in unique.tolist()], dtype=np.intp)[inverse]

    def _add(self, address: int, size: int) -> None:
        instructions = decode(self._read(address, size), address)
        self._row[address] = len(self._sizes)
        self._sizes.append(size)
        self._calls.append(instructions[-1].is_call)
        self._may_return.append(instructions[-1].may_return)
        self._costs.append(block_cost(self.board.cpu, instructions))

    def taken(self, trace: Addresses, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Whether each block ended in a taken branch; the last one did, by returning."""
        taken = np.ones(trace.size, dtype=bool)
        taken[:-1] = trace[1:] != self.ends(trace, rows)[:-1]
        return taken

    def ends(self, trace: Addresses, rows: NDArray[np.intp]) -> Addresses:
        """Address behind the last instruction of each block."""
        return trace + np.array(self._sizes, dtype=np.uint32)[rows]

    def instructions(self, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        """Instructions of each block."""
        return np.array([cost.instructions for cost in self._costs], dtype=np.int64)[rows]

    def cycles(self, rows: NDArray[np.intp], taken: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Low, usual and high cycles of each executed block, its branch included, [blocks, 3]."""
        table = np.array([cost.cycles for cost in self._costs], dtype=np.int64).reshape(-1, 3)
        return table[rows] + taken[:, None] * np.array(self.board.cpu.taken_branch, dtype=np.int64)

    def depth(self, trace: Addresses, rows: NDArray[np.intp], taken: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Call depth in each block, 0 in the first: one more behind a call, one less on arriving where it returns to.

        Which register or memory a function returns through does not matter (Thumb-1 code often uses r1 or r3).
        """
        ends = self.ends(trace, rows)
        calls = np.array(self._calls)[rows] & taken
        leaves = np.array(self._may_return)[rows] & taken
        change = np.zeros(trace.size, dtype=np.int64)
        returns: list[int] = []
        for i in np.flatnonzero((calls | leaves)[:-1]).tolist():
            if calls[i]:
                returns.append(ends[i])
                change[i + 1] = 1
            elif returns and trace[i + 1] == returns[-1]:
                returns.pop()
                change[i + 1] = -1
        return np.cumsum(change)

    def wait_cycles(self, rows: NDArray[np.intp]) -> int:
        """Upper bound for flash wait states; the model is in `CallTotals`."""
        board = self.board
        counts = np.bincount(rows, minlength=len(self._sizes))
        lines: set[int] = set()
        fetches = loads = 0
        for address, row in self._row.items():
            if counts[row] and 0 <= address - board.flash_origin < board.sketch_flash_bytes:
                last = address + self._sizes[row] - 1
                block = range(address // board.flash_line_bytes, last // board.flash_line_bytes + 1)
                lines.update(block)
                fetches += int(counts[row]) * len(block)
            loads += int(counts[row]) * self._costs[row].loads
        if len(lines) * board.flash_line_bytes <= board.code_cache_bytes:
            fetches = len(lines)
        if self.image.flash_bytes <= board.data_cache_bytes:
            loads = min(loads, -(-self.image.flash_bytes // board.flash_line_bytes))
        return board.flash_wait_states * (fetches + loads)


def run_cost(table: BlockTable, trace: Addresses, sizes: dict[int, int], stack_bytes: int) -> CallTotals:
    """Cost of the call that left this trace."""
    rows = table.rows(trace, sizes)
    low, usual, high = table.cycles(rows, table.taken(trace, rows)).sum(axis=0).tolist()
    return CallTotals(int(table.instructions(rows).sum()), low, usual, high + table.wait_cycles(rows), stack_bytes)


def profile(table: BlockTable, trace: Addresses, sizes: dict[int, int], inside: Symbol, run: CallTotals) -> Profile:
    """Tell apart the calls that function `inside` makes; exact for tail calls and for any number of executions."""
    rows = table.rows(trace, sizes)
    taken = table.taken(trace, rows)
    costs = np.stack([table.instructions(rows), table.cycles(rows, taken)[:, 1]])
    owner = _owners(trace, table.depth(trace, rows, taken), inside)
    return Profile(
        run=run,
        own=FunctionShare(inside.name, *map(int, costs[:, owner == _OWN].sum(axis=1))),
        calls=_calls(table.image, trace, table.ends(trace, rows), owner, costs),
        outside=FunctionShare("", *map(int, costs[:, owner == _OUTSIDE].sum(axis=1))),
        functions=_functions(table.image, trace, costs),
    )


_OUTSIDE, _OWN = -2, -1


def _owners(trace: Addresses, depth: NDArray[np.int64], inside: Symbol) -> NDArray[np.int64]:
    """Owner of each block: outside, own, or n >= 0 for the n-th call made (numbered over all executions).

    An execution of `inside` lasts until the call depth falls below that at its start. In it, a call is a stretch that
    is deeper or, after a tail call, in another function.
    """
    within = (trace >= inside.address) & (trace < inside.address + inside.size)
    owner = np.full(trace.size, _OUTSIDE, dtype=np.int64)
    calls = end = 0
    for begin in np.flatnonzero(trace == inside.address).tolist():
        if begin < end:
            continue  # a loop back to the first instruction, or recursion
        left = np.flatnonzero(depth[begin:] < depth[begin])
        end = begin + int(left[0]) if left.size else trace.size
        called = (depth[begin:end] > depth[begin]) | ~within[begin:end]
        number = np.cumsum(called & ~np.concatenate([[False], called[:-1]])) - 1 + calls
        owner[begin:end] = np.where(called, number, _OWN)
        calls = int(number[-1]) + 1
    return owner


def _calls(
    image: Image, trace: Addresses, ends: Addresses, owner: NDArray[np.int64], costs: NDArray[np.int64]
) -> tuple[CallCost, ...]:
    """Add up the calls by call site and callee."""
    called = np.flatnonzero(owner >= 0)
    numbers, first = np.unique(owner[called], return_index=True)
    instructions, cycles = (np.bincount(owner[called], row[called], numbers.size) for row in costs)
    sites: dict[tuple[int, str], list[int]] = {}
    for number, position in zip(numbers.tolist(), called[first].tolist(), strict=True):
        site = int(ends[position - 1]), _name(image, int(trace[position]))
        sums = sites.setdefault(site, [0, 0, 0])
        for index, value in enumerate((1, instructions[number], cycles[number])):
            sums[index] += int(value)
    return tuple(CallCost(name, address, *sums) for (address, name), sums in sites.items())


def _functions(image: Image, trace: Addresses, costs: NDArray[np.int64]) -> tuple[FunctionShare, ...]:
    unique, inverse = np.unique(trace, return_inverse=True)
    totals: dict[str, list[int]] = {}
    instructions, cycles = (np.bincount(inverse, row) for row in costs)
    for address, ran, took in zip(unique.tolist(), instructions, cycles, strict=True):
        total = totals.setdefault(_name(image, address), [0, 0])
        total[0] += int(ran)
        total[1] += int(took)
    functions = (FunctionShare(name, *total) for name, total in totals.items())
    return tuple(sorted(functions, key=lambda cost: (-cost.cycles, cost.name)))


def _name(image: Image, address: int) -> str:
    function = image.function_at(address)
    return function.name if function else image.where(address)
