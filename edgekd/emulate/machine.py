"""Run a linked image on an emulated Cortex-M board: the same machine code, the chip's own memory map.

    machine = Machine(image)
    machine.write("samples", windows[0])                 # a global variable of the image
    status = machine.call("model_run", x, y)             # arrays are passed as pointers and written in place
    machine.call("model_push", "state", sample)          # text is passed as the address of that variable
    machine.last.cycles, machine.last.stack_bytes        # of that call
    machine.profile("model_run", x, y).calls             # cycles of every function that model_run calls, in order

What is not modelled: peripherals (except those that `map_device` adds, and the page of the system control block, as
plain memory), interrupts, caches (but see `CallTotals.cycles_high`), and the Cortex-M0+'s fault on unaligned access.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.errors import EdgekdError, ToolMissing
from edgekd.emulate.compiler import Image, Symbol
from edgekd.emulate.trace import BlockTable, CallTotals, Profile, profile, run_cost

Argument = int | float | str | NDArray[np.generic]

PAINT = 0xA5C3F00F
"""Fills unused RAM, so that what the stack has touched can be seen afterwards."""
SYSTEM_CONTROL_SPACE = 0xE000E000
SCRATCH = 0x90000000
"""Memory beyond the board's own, for buffers of the caller that are not part of the firmware. Not counted as RAM."""
SCRATCH_BYTES = 1 << 24
RETURN = SCRATCH
"""Functions that are called return to here, where the emulation stops."""
PAGE_BYTES = 4096
TRACE_CHUNK = 1 << 18
STACK_MARGIN_WORDS = 256

Bytes = NDArray[np.uint8]


class Machine:
    """An emulated board with one image in its flash, reset and run up to main()."""

    def __init__(
        self, image: Image, *, counting: bool = True, instruction_limit: int = 500_000_000, seconds_limit: float = 60.0
    ) -> None:
        """Load an image and run its start-up code.

        counting: keep what every call costs. Without it long calls are about ten times as fast, `last` and `profile`
        cannot be asked, and a call may take `seconds_limit`; with it, `instruction_limit`.
        """
        try:
            import unicorn
        except ImportError:
            raise ToolMissing("the emulator 'unicorn' is not installed", hint="pip install unicorn==2.1.4") from None
        self._unicorn: Any = unicorn
        self.image = image
        self.board = image.board
        self.counting = counting
        self.instruction_limit = instruction_limit
        self.seconds_limit = seconds_limit
        self._blocks = BlockTable(image, self.read)
        self._sizes: dict[int, int] = {}
        self._trace: list[int] = []
        self._chunks: list[NDArray[np.uint32]] = []
        self._traced_instructions = 0
        self._bad_access = ""
        self._stack_bytes = 0
        self._last: CallTotals | None = None
        self._ram = _memory(self.board.ram_bytes)
        self._scratch = _memory(SCRATCH_BYTES)
        self._uc = self._map_memory()
        self.reset()

    def reset(self) -> None:
        """Power-cycle: fresh flash, RAM without meaning, then the image's start-up code up to main()."""
        uc = self._uc
        for address, data in self.image.segments:
            uc.mem_write(address, data)
        self._ram.view(np.uint32)[:] = PAINT
        self._scratch_used = 8
        first = self.board.flash_origin
        stack_top, entry = struct.unpack("<II", bytes(uc.mem_read(first, 8)))
        uc.reg_write(self._registers.UC_ARM_REG_SP, stack_top)
        self._stack_top = stack_top
        self._stack_limit = self.image.symbol("edgekd_bss_end").address
        self._emulate(entry, until=self.image.symbol("main").address)
        self._paint_stack()

    # -- memory ----------------------------------------------------------------------------------------------------

    def address_of(self, where: str | int) -> int:
        """Address of a symbol; an address is returned as it is."""
        return where if isinstance(where, int) else self.image.symbol(where).address

    def write(self, where: str | int, data: bytes | NDArray[np.generic]) -> None:
        """Write to a variable or an address, as a debugger would."""
        raw = np.ascontiguousarray(data).tobytes() if isinstance(data, np.ndarray) else data
        if isinstance(where, str) and len(raw) > self.image.symbol(where).size:
            raise EdgekdError(f"{len(raw)} bytes do not fit into '{where}', {self.image.symbol(where).size} bytes")
        try:
            self._uc.mem_write(self.address_of(where), raw)
        except self._unicorn.UcError as error:
            raise EdgekdError(f"cannot write {len(raw)} bytes at 0x{self.address_of(where):08x}: {error}") from None

    def read(self, where: str | int, size: int | None = None) -> bytes:
        """Read a variable (whole, unless `size` is given) or `size` bytes at an address."""
        if size is None:
            if isinstance(where, int):
                raise ValueError("reading at an address needs a size")
            size = self.image.symbol(where).size
        try:
            return bytes(self._uc.mem_read(self.address_of(where), size))
        except self._unicorn.UcError as error:
            raise EdgekdError(f"cannot read {size} bytes at 0x{self.address_of(where):08x}: {error}") from None

    def alloc(self, size: int) -> int:
        """Reserve bytes outside the board's own memory (8-byte aligned, until `reset`), for the caller's buffers."""
        address = SCRATCH + self._scratch_used
        self._scratch_used += (size + 7) & ~7
        if self._scratch_used > SCRATCH_BYTES:
            raise EdgekdError(f"buffers beyond {SCRATCH_BYTES:,} bytes in one emulated call", hint="pass fewer windows")
        return address

    def map_device(self, address: int, read: Callable[[int], int], write: Callable[[int, int], None]) -> None:
        """Put a device's page of registers at an address: read(offset) -> value, write(offset, value)."""
        self._uc.mmio_map(
            address,
            PAGE_BYTES,
            lambda _uc, offset, _size, _data: read(offset),
            None,
            lambda _uc, offset, _size, value, _data: write(offset, value),
            None,
        )

    def stop(self) -> None:
        """Stop the call that is running, from a device. What it leaves is not meant to go on: `reset`."""
        self._uc.emu_stop()

    def cycles_so_far(self) -> int:
        """Cycles of the call that is running, or ran last, up to the basic block that runs now."""
        self._check_counting()
        trace = self._whole_trace()
        return run_cost(self._blocks, trace, self._sizes, 0).cycles if trace.size else 0

    # -- calls -----------------------------------------------------------------------------------------------------

    def call(self, symbol: str, *args: Argument) -> int:
        """Call a function of the image and return its 32-bit result, signed (arbitrary for a void function).

        args: int for any integer of up to 32 bits, float for float32, text for the address of a variable of the image,
        a C-contiguous array for a pointer to a copy of it outside the board's RAM, copied back afterwards.
        What the call cost is in `last`.
        Raises EdgekdError naming the function and offset of a fault; `reset` makes the machine usable again.
        """
        function = self.image.symbol(symbol)
        if not function.is_function:
            raise EdgekdError(f"'{symbol}' is not a function")
        kept = self._scratch_used
        words = [self._word(value) for value in args]
        self._run(function, words)
        for value, word in zip(args, words, strict=True):
            if isinstance(value, np.ndarray) and value.flags.writeable:
                raw = self._scratch[int(word) - SCRATCH :][: value.nbytes]
                value[...] = raw.view(value.dtype).reshape(value.shape)
        self._scratch_used = kept
        result: int = self._uc.reg_read(self._registers.UC_ARM_REG_R0)
        return result - (1 << 32) if result >> 31 else result

    def watch(self, symbol: str, action: Callable[[], None]) -> None:
        """Have `action` called whenever this function of the image is entered, until the machine is thrown away."""
        address = self.image.symbol(symbol).address
        code = self._unicorn.unicorn_const.UC_HOOK_CODE
        self._uc.hook_add(code, lambda *_: action(), begin=address, end=address)

    @property
    def last(self) -> CallTotals:
        """Cost of the last call that returned."""
        self._check_counting()
        if self._last is None:
            self._last = run_cost(self._blocks, self._whole_trace(), self._sizes, self._stack_bytes)
        return self._last

    def profile(self, entry: str, *args: Argument, inside: str | None = None) -> Profile:
        """Call `entry` and say where the cycles went.

        inside: the function whose calls are told apart (a function that runs the layers), `entry` when None.
        """
        self.call(entry, *args)
        return self.profile_last(inside or entry)

    def profile_last(self, inside: str) -> Profile:
        """Say where the cycles of the last call that returned went: by the calls that function `inside` made."""
        self._check_counting()
        return profile(self._blocks, self._whole_trace(), self._sizes, self.image.symbol(inside), self.last)

    def _check_counting(self) -> None:
        if not self.counting:
            raise ValueError("this machine was made with counting=False")

    def _run(self, function: Symbol, words: list[int | float]) -> None:
        self._trace.clear()
        self._chunks.clear()
        self._traced_instructions = 0
        self._last = None
        before = self._ram.copy(), self._scratch[: self._scratch_used].copy()
        self._pass(words)
        try:
            self._emulate(function.address, until=RETURN)
        except EdgekdError:
            if self._uc.reg_read(self._registers.UC_ARM_REG_SP) <= self._stack_limit:
                self._check_overrun(function, words, before)
            raise
        if self._near_overrun():
            self._check_overrun(function, words, before)
        self._stack_bytes = self._paint_stack()

    # -- the emulator ----------------------------------------------------------------------------------------------

    def _map_memory(self) -> Any:
        from unicorn import arm_const, unicorn_const

        self._registers = arm_const
        uc = self._unicorn.Uc(unicorn_const.UC_ARCH_ARM, unicorn_const.UC_MODE_THUMB | unicorn_const.UC_MODE_MCLASS)
        uc.ctl_set_cpu_model(getattr(arm_const, self.board.cpu.unicorn_model))
        execute = unicorn_const.UC_PROT_READ | unicorn_const.UC_PROT_EXEC
        data = unicorn_const.UC_PROT_READ | unicorn_const.UC_PROT_WRITE
        uc.mem_map(self.board.flash_origin, _pages(self.board.sketch_flash_bytes), execute)
        for origin, memory in ((self.board.ram_origin, self._ram), (SCRATCH, self._scratch)):
            uc.mem_map_ptr(origin, memory.nbytes, unicorn_const.UC_PROT_ALL, memory.ctypes.data)
        uc.mem_protect(SCRATCH + PAGE_BYTES, SCRATCH_BYTES - PAGE_BYTES, data)
        uc.mem_map(SYSTEM_CONTROL_SPACE, PAGE_BYTES)
        # Hooks on valid reads and writes corrupt execution in unicorn 2.1.4; these two kinds do not.
        if self.counting:
            uc.hook_add(unicorn_const.UC_HOOK_BLOCK, self._on_block)
        uc.hook_add(unicorn_const.UC_HOOK_MEM_INVALID, self._on_bad_access)
        return uc

    def _on_block(self, _uc: object, address: int, size: int, _data: object) -> None:
        self._sizes[address] = size
        self._trace.append(address)
        if len(self._trace) >= TRACE_CHUNK:
            self._drain()

    def _on_bad_access(self, _uc: object, access: int, address: int, size: int, _value: int, _data: object) -> bool:
        uc = self._unicorn
        kinds = {
            uc.UC_MEM_READ_UNMAPPED: "read of",
            uc.UC_MEM_WRITE_UNMAPPED: "write of",
            uc.UC_MEM_WRITE_PROT: "write to flash,",
            uc.UC_MEM_READ_PROT: "read of",
        }
        self._bad_access = f"{kinds.get(access, 'access to')} {size} bytes at 0x{address:08x}"
        return False

    def _drain(self) -> None:
        """Move the trace into a compact array, and stop a program that runs away."""
        chunk = np.array(self._trace, dtype=np.uint32)
        self._trace.clear()
        self._chunks.append(chunk)
        self._traced_instructions += int(self._blocks.instructions(self._blocks.rows(chunk, self._sizes)).sum())
        if self._traced_instructions > self.instruction_limit:
            where = self.image.where(int(chunk[-1]))
            raise EdgekdError(
                f"no return after {self._traced_instructions:,} instructions, last in {where}",
                hint="an endless loop, or a larger `instruction_limit`",
            )

    def _whole_trace(self) -> NDArray[np.uint32]:
        return np.concatenate([*self._chunks, np.array(self._trace, dtype=np.uint32)])

    def _emulate(self, address: int, *, until: int) -> None:
        self._bad_access = ""
        microseconds = 0 if self.counting else int(1e6 * self.seconds_limit)
        try:
            self._uc.emu_start(address | 1, until, timeout=microseconds)
        except self._unicorn.UcError as error:
            raise self._fault(error) from None
        if microseconds and self._uc.query(self._unicorn.UC_QUERY_TIMEOUT):
            where = self.image.where(self._uc.reg_read(self._registers.UC_ARM_REG_PC))
            raise EdgekdError(
                f"no return within {self.seconds_limit:g} s, stopped in {where}",
                hint="an endless loop, or a larger `seconds_limit`",
            )

    def _fault(self, error: Exception) -> EdgekdError:
        """Say what happened and in which function."""
        address = self._uc.reg_read(self._registers.UC_ARM_REG_PC)
        what = self._bad_access or {
            self._unicorn.UC_ERR_INSN_INVALID: "undefined instruction",
            self._unicorn.UC_ERR_EXCEPTION: "breakpoint or exception",
        }.get(error.errno, str(error))  # type: ignore[attr-defined]
        if self.image.function_at(address) is None:  # no code there: name the function that jumped
            what = f"jump to 0x{address:08x}"
            address = next(filter(self.image.function_at, reversed(self._trace)), self._return_address())
        where = self.image.where(address)
        return EdgekdError(f"fault on the emulated {self.board.name} in {where}: {what}")

    def _return_address(self) -> int:
        address: int = self._uc.reg_read(self._registers.UC_ARM_REG_LR)
        return address & ~1

    # -- arguments -------------------------------------------------------------------------------------------------

    def _word(self, value: Argument) -> int | float:
        if isinstance(value, np.ndarray):
            return self._to_scratch(value)
        return self.address_of(value) if isinstance(value, str) else value

    def _to_scratch(self, value: NDArray[np.generic]) -> int:
        if not value.flags.c_contiguous:
            raise ValueError("arrays passed to C must be C-contiguous")
        address = self.alloc(value.nbytes)
        self._scratch[address - SCRATCH :][: value.nbytes] = value.reshape(-1).view(np.uint8)
        return address

    def _pass(self, args: list[int | float]) -> None:
        """Place arguments as the Arm procedure call standard does: r0-r3, then the stack; floats in s0-s15 if hard."""
        core: list[int] = []
        floats = [value for value in args if isinstance(value, float) and self.image.hard_float]
        for value in args:
            if not isinstance(value, float):
                core.append(int(value) & 0xFFFFFFFF)
            elif not self.image.hard_float:
                core.append(struct.unpack("<I", struct.pack("<f", value))[0])
        if len(floats) > 16:
            raise ValueError("at most 16 float arguments")
        registers = self._registers
        for index, value in enumerate(floats):
            raw = struct.unpack("<I", struct.pack("<f", value))[0]
            self._uc.reg_write(registers.UC_ARM_REG_S0 + index, raw)
        for index, word in enumerate(core[:4]):
            self._uc.reg_write(registers.UC_ARM_REG_R0 + index, word)
        stack = struct.pack(f"<{len(core[4:])}I", *core[4:])
        pointer = (self._stack_top - len(stack)) & ~7
        self._uc.mem_write(pointer, stack)
        self._uc.reg_write(registers.UC_ARM_REG_SP, pointer)
        self._uc.reg_write(registers.UC_ARM_REG_LR, RETURN | 1)

    # -- stack -----------------------------------------------------------------------------------------------------

    def _free_words(self) -> NDArray[np.uint32]:
        """RAM between the variables and the top of the stack."""
        origin = self.board.ram_origin
        return self._ram[self._stack_limit - origin : self._stack_top - origin].view(np.uint32)

    def _touched_words(self) -> int:
        touched = self._free_words() != PAINT
        return int(touched.size - touched.argmax()) if touched.any() else 0

    def _paint_stack(self) -> int:
        """Paint what the stack has touched; return how many bytes that was."""
        touched = self._touched_words()
        free = self._free_words()
        free[free.size - touched :] = PAINT
        return 4 * touched

    def _near_overrun(self) -> bool:
        """Whether RAM was touched close above the variables: a frame may step over the last free word."""
        free = self._free_words()
        return free.size < STACK_MARGIN_WORDS or bool((free[:STACK_MARGIN_WORDS] != PAINT).any())

    def _check_overrun(self, function: Symbol, words: list[int | float], before: tuple[Bytes, Bytes]) -> None:
        """Repeat the call from the memory `before` it, by single instructions. EdgekdError where the stack overran."""
        last = [function.address]
        overran: list[int] = []

        def on_instruction(_uc: object, address: int, _size: int, _data: object) -> None:
            if overran or self._uc.reg_read(self._registers.UC_ARM_REG_SP) < self._stack_limit:
                overran.append(last[0])
                self._uc.emu_stop()
            last[0] = address

        self._ram[:] = before[0]
        self._scratch[: before[1].size] = before[1]
        self._trace.clear()
        self._chunks.clear()
        self._pass(words)
        hook = self._uc.hook_add(self._unicorn.UC_HOOK_CODE, on_instruction)
        self._uc.ctl_flush_tb()
        try:
            self._emulate(function.address, until=RETURN)
        except EdgekdError:
            if not overran:
                raise
        finally:
            self._uc.hook_del(hook)
            self._uc.ctl_flush_tb()
        place = f"fault on the emulated {self.board.name} in"
        if overran:
            raise EdgekdError(
                f"{place} {self.image.where(overran[0])}: the stack has run into the variables, which take "
                f"{self.image.static_ram_bytes:,} of {self.board.ram_bytes:,} bytes of RAM",
                hint="smaller buffers, less recursion, or a board with more RAM",
            )
        if not self._free_words().size or self._free_words()[0] != PAINT:
            raise EdgekdError(f"{place} {function.name}: a write beyond the last variable", hint="an array overflows")


def _pages(size: int) -> int:
    return -(-size // PAGE_BYTES) * PAGE_BYTES


def _memory(size: int) -> Bytes:
    """Page-aligned memory that the emulator and NumPy share."""
    return np.frombuffer(mmap.mmap(-1, _pages(size)), dtype=np.uint8)
