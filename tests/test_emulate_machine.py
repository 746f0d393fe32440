"""The emulated board: arguments, memory, instruction counts and cycles that are known by hand, and faults."""

import importlib.util
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekd.contracts.board import load_board
from edgekd.contracts.errors import EdgekdError
from edgekd.emulate.compiler import Image, compile_image, find_compiler
from edgekd.emulate.machine import SCRATCH, Machine

pytest.importorskip("unicorn", reason="unicorn is not installed")
gcc = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed")
zig = pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="ziglang is not installed")
BUILDS = {
    "hard": ("nano33ble", "gcc", "speed"),
    "softfp": ("nano33ble", "gcc", "arduino"),
    "clang": ("nano33ble", "zig", "speed"),
    "m0plus": ("rp2040_pico", "gcc", "speed"),
    "m0plus-clang": ("rp2040_pico", "zig", "speed"),
    "m7": ("teensy40", "gcc", "speed"),
    "m7-clang": ("teensy40", "zig", "speed"),
}
EVERY = [pytest.param(name, marks=zig if "clang" in name else gcc) for name in BUILDS]

SOURCE = r"""
#include <stdint.h>
#include <string.h>
#define NAKED __attribute__((naked))
int32_t counter = 40;
uint8_t buffer[24];
int32_t integers(int32_t a, uint32_t b, int8_t c, int32_t d, int32_t e, int32_t f) {
    return a + 2 * (int32_t)b + 3 * c + 5 * d + 7 * e + 11 * f;
}
int32_t mixed(int32_t a, float b, const int8_t *c, float d, int32_t e, int32_t f, int32_t g, float h) {
    return a + (int32_t)(b * 10.0f) + c[2] + (int32_t)(d * 100.0f) + e + f + 2 * g + (int32_t)(h * 1000.0f);
}
void scale(float *out, const float *x, int32_t n, float factor) {
    for (int32_t i = 0; i < n; i++) { out[i] = x[i] * factor + 1.0f; }
}
int32_t count(int32_t step) { return counter += step; }
int32_t first(uint8_t *data) { return data[0]++; }
uint8_t *where(void) { return buffer; }
"""
ENTRIES = ("integers", "mixed", "scale", "count", "first", "buffer", "where")


def build(folder: Path, source: str, entries, name: str = "hard", **board) -> Image:
    board_name, kind, profile = BUILDS[name]
    target = replace(load_board(board_name), **board)
    path = folder / "code.c"
    path.write_text(source)
    toolchain = find_compiler(target, kind)
    return compile_image([path], [], target, folder / "code.elf", entries=entries, profile=profile, compiler=toolchain)


@pytest.fixture(scope="module", params=EVERY)
def machine(request, tmp_path_factory):
    return Machine(build(tmp_path_factory.mktemp("code"), SOURCE, ENTRIES, request.param))


# -- arguments and memory ----------------------------------------------------------------------------------------------


def test_integers_in_registers_and_on_the_stack(machine):
    assert machine.call("integers", 1, 2, -3, 4, -5, 600) == 1 + 4 - 9 + 20 - 35 + 6600
    assert machine.call("integers", 2**31 - 1, 0, 0, 0, 0, 0) == 2**31 - 1
    assert machine.call("integers", -(2**31), 0, 0, 0, 0, 0) == -(2**31)
    assert machine.call("integers", 0, 2**32 - 1, 0, 0, 0, 0) == -2


def test_floats_and_pointers_between_integers(machine):
    found = machine.call("mixed", 1, 2.5, np.array([5, 6, -7], dtype=np.int8), -0.25, 3, 4, 5, 0.125)
    assert found == 1 + 25 - 7 - 25 + 3 + 4 + 10 + 125


def test_arrays_are_written_in_place_and_read_only_ones_are_left(machine):
    x = np.array([1.5, -2.25, 0.1], dtype=np.float32)
    out = np.full(4, 9, dtype=np.float32)
    machine.call("scale", out, x, 3, 0.3)
    np.testing.assert_array_equal(out[:3], x * np.float32(0.3) + np.float32(1))
    assert out[3] == 9
    constant = np.array([7, 8], dtype=np.uint8)
    constant.flags.writeable = False
    assert (machine.call("first", constant), constant[0]) == (7, 7)
    table = np.array([[1, 2], [3, 4]], dtype=np.uint8)
    assert (machine.call("first", table), table[0, 0]) == (1, 2)
    with pytest.raises(ValueError, match="C-contiguous"):
        machine.call("first", table.T)


def test_text_is_the_address_of_a_variable(machine):
    machine.write("buffer", bytes([41, 1]))
    assert machine.call("first", "buffer") == 41
    assert machine.read("buffer")[:2] == bytes([42, 1])
    assert machine.call("where") == machine.image.symbol("buffer").address


def test_variables_live_on_between_calls_until_reset(machine):
    machine.reset()
    assert [machine.call("count", 1), machine.call("count", 2)] == [41, 43]
    machine.write("counter", np.int32([100]))
    assert machine.call("count", -1) == 99
    assert np.frombuffer(machine.read("counter"), dtype=np.int32) == 99
    machine.reset()
    assert machine.call("count", 0) == 40
    assert machine.read("buffer") == bytes(24)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_float_arithmetic_is_that_of_numpy(machine, values):
    """Denormal results included: on the boards with an FPU by its default mode, on the others in software."""
    x = np.array(values, dtype=np.float32)
    out = np.empty_like(x)
    machine.call("scale", out, x, len(x), 0.7)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(out, x * np.float32(0.7) + np.float32(1))


def test_buffers_are_given_back_after_a_call(machine):
    big = np.zeros(1 << 20, dtype=np.uint8)
    for _ in range(40):
        machine.call("first", big)
    assert big[0] == 40
    with pytest.raises(EdgekdError, match="buffers beyond"):
        machine.call("scale", *(np.zeros(1 << 22, dtype=np.float32) for _ in range(2)), 1, 1.0)


def test_mistakes_of_the_caller(machine):
    with pytest.raises(EdgekdError, match="no symbol 'nothing'"):
        machine.call("nothing")
    with pytest.raises(EdgekdError, match="'counter' is not a function"):
        machine.call("counter")
    with pytest.raises(EdgekdError, match="25 bytes do not fit into 'buffer', 24 bytes"):
        machine.write("buffer", bytes(25))
    with pytest.raises(EdgekdError, match="cannot read 4 bytes at 0x50000000"):
        machine.read(0x50000000, 4)
    with pytest.raises(EdgekdError, match="cannot write 1 bytes at 0x50000000"):
        machine.write(0x50000000, b"x")


def test_without_counting_results_are_the_same(machine):
    quick = Machine(machine.image, counting=False)
    for args in ((1, 2, -3, 4, -5, 600), (9, 8, 7, 6, 5, 4)):
        assert quick.call("integers", *args) == machine.call("integers", *args)
    with pytest.raises(ValueError, match="counting"):
        _ = quick.last
    with pytest.raises(ValueError, match="counting"):
        quick.profile("where")


# -- counts known by hand ----------------------------------------------------------------------------------------------

PREFIX = "#include <stdint.h>\nuint32_t words[8];\n"
CASES = {
    # name: (assembly, arguments, instructions, cycles on the Cortex-M4: low, usual, high)
    "straight": ("movs r0, #1; adds r0, #2; muls r0, r0, r0; bx lr", (), 4, (5, 6, 7)),
    "loop": ("1: subs r0, #1; bne 1b; bx lr", (10,), 21, (31, 41, 51)),
    "one load": ("ldr r0, [r0]; adds r0, #1; bx lr", ("words",), 3, (5, 6, 7)),
    "loads in a row": ("ldr r1, [r0]; ldr r2, [r0, #4]; ldr r3, [r0, #8]; bx lr", ("words",), 4, (6, 7, 10)),
    "stores": ("movs r1, #5; str r1, [r0]; strh r1, [r0, #4]; strb r1, [r0, #7]; bx lr", ("words",), 5, (6, 7, 11)),
    "push and pop": ("push {r4, r5, r6, lr}; pop {r4, r5, r6, pc}", (), 2, (11, 12, 13)),
    "multiples": ("ldmia r0!, {r1, r2, r3}; stmia r0!, {r1, r2}; bx lr", ("words",), 3, (9, 10, 11)),
    "call": ("push {r4, lr}; bl 1f; pop {r4, pc}; 1: nop; bx lr", (), 5, (12, 15, 18)),
}
M4_CASES = {
    "double": ("ldrd r1, r2, [r0]; strd r1, r2, [r0, #8]; bx lr", ("words",), 3, (8, 9, 10)),
    "dsp": ("sxtb16 r1, r0; sxtb16 r2, r0, ror #8; smlad r0, r1, r2, r0; smlad r0, r1, r1, r0; bx lr", (5,), 5,
            (6, 7, 8)),
    "divide": ("sdiv r0, r0, r1; bx lr", (90, 9), 2, (4, 10, 16)),
    "long multiply": ("smull r0, r1, r0, r1; smmul r0, r0, r1; bx lr", (3, 4), 3, (4, 5, 6)),
    "if then": ("cmp r0, #0; ite eq; moveq r0, #1; movne r0, #2; bx lr", (3,), 5, (5, 7, 8)),
    "float": ("vadd.f32 s0, s0, s1; vmul.f32 s0, s0, s1; vfma.f32 s0, s1, s1; vdiv.f32 s0, s0, s1; bx lr",
              (1.0, 2.0), 5, (21, 22, 23)),
    "float loads": ("vldr s0, [r0]; vstr s0, [r0, #4]; vldmia r0, {s0-s3}; bx lr", ("words",), 4, (11, 12, 13)),
}  # fmt: skip
M0_CASES = {
    # Cortex-M0+: LDR 2, taken branch 2, BL 3, BX 2, PUSH 1+N, POP with pc 3+N.
    "straight": 5, "loop": 10 + 9 * 2 + 1 + 2, "one load": 5, "loads in a row": 8, "stores": 1 + 6 + 2,
    "push and pop": 5 + 7, "multiples": 4 + 3 + 2, "call": 3 + 3 + 1 + 2 + 5,
}  # fmt: skip


def assembled(folder: Path, cases, name: str) -> Machine:
    """One naked function per case."""
    lines = [PREFIX]
    for index, (code, *_) in enumerate(cases.values()):
        body = "".join(f'"{part.strip()}\\n"' for part in code.split(";"))
        lines.append(
            f'__attribute__((naked)) void case{index}(void) {{ __asm__ volatile(".syntax unified\\n" {body}); }}'
        )
    return Machine(build(folder, "\n".join(lines), ["words", *(f"case{i}" for i in range(len(cases)))], name))


def counted(machine: Machine, cases, case: str):
    code, args, *_ = cases[case]
    machine.call(f"case{list(cases).index(case)}", *args)
    return machine.last


@pytest.fixture(scope="module", params=[pytest.param("hard", marks=gcc), pytest.param("clang", marks=zig)])
def m4(request, tmp_path_factory):
    return assembled(tmp_path_factory.mktemp("m4"), CASES | M4_CASES, request.param)


@pytest.fixture(scope="module", params=[pytest.param("m0plus", marks=gcc), pytest.param("m0plus-clang", marks=zig)])
def m0(request, tmp_path_factory):
    return assembled(tmp_path_factory.mktemp("m0"), CASES, request.param)


@pytest.mark.parametrize("case", CASES | M4_CASES)
def test_instructions_and_cycles_of_the_cortex_m4(m4, case):
    run = counted(m4, CASES | M4_CASES, case)
    _, _, instructions, (low, usual, high) = (CASES | M4_CASES)[case]
    assert (run.instructions, run.cycles_low, run.cycles) == (instructions, low, usual)
    assert run.cycles_high >= high


@pytest.mark.parametrize("case", CASES)
def test_instructions_and_cycles_of_the_cortex_m0plus(m0, case):
    run = counted(m0, CASES, case)
    assert (run.instructions, run.cycles) == (CASES[case][2], M0_CASES[case])


@gcc
def test_cortex_m7_is_a_range_around_the_m4(tmp_path):
    cases = CASES | M4_CASES
    machine = assembled(tmp_path, cases, "m7")
    for case, (_, _, instructions, (_, usual, _)) in cases.items():
        run = counted(machine, cases, case)
        assert (run.instructions, run.cycles) == (instructions, usual), case
        assert instructions / 2 <= run.cycles_low <= run.cycles <= run.cycles_high, case


@gcc
def test_a_load_whose_address_was_just_loaded_is_not_pipelined(tmp_path):
    cases = {"chase": ("ldr r0, [r0]; ldr r0, [r0]; bx lr", (), 3, ())}
    machine = assembled(tmp_path, cases, "hard")
    machine.write("words", np.uint32([machine.address_of("words")]))
    machine.call("case0", "words")
    assert machine.last.cycles == 2 + 2 + 3


def flash_test(folder: Path, code: str, **board):
    machine_image = build(
        folder,
        PREFIX
        + f'__attribute__((naked)) void run(void) {{ __asm__ volatile(".syntax unified\\n.balign 16\\n" "{code}"); }}',
        ["run", "words"],
        **board,
    )
    machine = Machine(machine_image)
    machine.call("run", 100)
    return machine.last


@gcc
def test_wait_states_are_in_the_high_figure_only(tmp_path):
    """A loop of 100 in one 16-byte line: fetched once from a code cache, else once per turn."""
    loop = "1: subs r0, #1\\nbne 1b\\nbx lr\\n"
    none = flash_test(tmp_path, loop, flash_wait_states=0)
    cached = flash_test(tmp_path, loop, flash_wait_states=5, flash_line_bytes=16, code_cache_bytes=64)
    plain = flash_test(tmp_path, loop, flash_wait_states=5, flash_line_bytes=16, code_cache_bytes=0)
    assert none.cycles == cached.cycles == plain.cycles
    # The function lies in one or, where `.balign` inside it moved the code, is still executed from one line.
    assert cached.cycles_high - none.cycles_high in (5, 10)
    assert plain.cycles_high - none.cycles_high in (5 * 101, 5 * 102)


@gcc
def test_stack_is_what_the_call_touched(tmp_path):
    source = """
    #include <stdint.h>
    __attribute__((naked)) void none(void) { __asm__ volatile("bx lr"); }
    __attribute__((naked)) void some(void) { __asm__ volatile("push {r4, r5, r6, lr}\\npop {r4, r5, r6, pc}"); }
    __attribute__((naked)) void frame(void) {
        __asm__ volatile("push {r4, lr}\\nsub sp, #400\\nstr r0, [sp]\\nadd sp, #400\\npop {r4, pc}");
    }
    """
    machine = Machine(build(tmp_path, source, ["none", "some", "frame"]))
    found = {}
    for name in ("frame", "none", "some", "frame"):
        machine.call(name, 1)
        found[name] = machine.last.stack_bytes
    assert found == {"none": 0, "some": 16, "frame": 408}


# -- faults ------------------------------------------------------------------------------------------------------------

FAULTS = r"""
#include <stdint.h>
uint32_t data[16] = {1};
int32_t ok(void) { return 5; }
int32_t load(const int32_t *p) { return *p; }
int32_t store(int32_t *p) { *p = 3; return 0; }
int32_t outer(const int32_t *p) { return load(p) + 1; }
int32_t jump(void (*f)(void)) { f(); return 0; }
int32_t illegal(void) { __asm__ volatile(".short 0xde00"); return 0; }
int32_t breaks(void) { __asm__ volatile("bkpt 1"); return 0; }
int32_t endless(void) { for (;;) { __asm__ volatile("nop"); } }
int32_t deep(int32_t n) {
    volatile uint8_t frame[64];
    frame[n & 63] = (uint8_t)n;
    int32_t below = n ? deep(n - 1) : 0;
    return below + frame[n & 63];
}
int32_t wide(int32_t n) {
    volatile uint8_t frame[3000];
    frame[n & 2047] = 1;
    return frame[n & 2047];
}
int32_t overflow(void) {
    volatile uint32_t *p = data;
    for (int i = 0; i < 20; i++) { p[i] = 0; }
    return 0;
}
"""
NAMES = ("data", "ok", "load", "store", "outer", "jump", "illegal", "breaks", "endless", "deep", "wide", "overflow")


@pytest.fixture(scope="module", params=[pytest.param("hard", marks=gcc), pytest.param("m0plus-clang", marks=zig)])
def broken(request, tmp_path_factory):
    image = build(tmp_path_factory.mktemp("faults"), FAULTS, NAMES, request.param, ram_bytes=2048)
    return Machine(image, instruction_limit=1_000_000)


def fault(machine: Machine, *call) -> str:
    with pytest.raises(EdgekdError) as caught:
        machine.call(*call)
    machine.reset()
    assert machine.call("ok") == 5, "usable again after a reset"
    return str(caught.value)


def test_unmapped_and_read_only_memory(broken):
    board = broken.board.name
    assert (
        fault(broken, "load", 0x40000000) == f"fault on the emulated {board} in load+0x0: read of 4 bytes at 0x40000000"
    )
    assert "in store+0x" in (said := fault(broken, "store", 0x50000004)) and "write of 4 bytes at 0x50000004" in said
    assert "write to flash, 4 bytes at" in fault(broken, "store", broken.board.flash_origin)
    assert "read of 4 bytes" in fault(broken, "outer", broken.board.ram_origin + 4096)


def test_wild_jumps_and_illegal_instructions(broken):
    for address in (0x40000000, 0x00000000, 0x90FF0000):  # peripherals, nothing, the emulator's own memory
        assert "in jump+0x" in (said := fault(broken, "jump", address | 1)) and f"jump to 0x{address:08x}" in said
    assert "in illegal+0x" in (said := fault(broken, "illegal")) and "undefined instruction" in said
    assert "in breaks+0x" in (said := fault(broken, "breaks")) and "breakpoint" in said


def test_endless_loop_ends(broken):
    said = fault(broken, "endless")
    assert "no return after 1," in said and "last in endless+0x" in said
    quick = Machine(broken.image, counting=False, seconds_limit=0.2)
    assert "no return within 0.2 s, stopped in endless" in fault(quick, "endless")


def test_stack_into_variables_is_found_where_it_happens(broken):
    assert broken.call("deep", 10) == sum(range(1, 11))
    for call in (("deep", 40), ("wide", 1)):
        said = fault(broken, *call)
        assert f"in {call[0]}+0x" in said
        assert "the stack has run into the variables, which take 64 of 2,048 bytes of RAM" in said
    assert "stack" in fault(broken, "deep", 100_000)


def test_a_write_beyond_the_last_variable_is_found(broken):
    assert "in overflow: a write beyond the last variable" in fault(broken, "overflow")


def test_scratch_is_outside_every_board():
    for name in ("nano33ble", "nucleo_f446re", "rp2040_pico", "teensy40"):
        board = load_board(name)
        for origin, size in ((board.flash_origin, board.flash_bytes), (board.ram_origin, board.ram_bytes)):
            assert origin + size <= SCRATCH
