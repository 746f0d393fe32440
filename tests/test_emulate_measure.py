"""Measuring an image, and telling apart where its cycles went."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from edgekd.contracts.board import load_board
from edgekd.contracts.errors import EdgekdError
from edgekd.emulate.compiler import Image, compile_image, empty_flash_bytes, find_compiler
from edgekd.emulate.machine import Machine
from edgekd.emulate.measure import OWN, ProfiledCall, ProfiledLayer, measure, microjoules, milliseconds

pytest.importorskip("unicorn", reason="unicorn is not installed")
pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed")
BOARD = load_board("nano33ble")

MODEL = r"""
#include <stdint.h>
#define LAYER __attribute__((noinline))
typedef struct { int32_t sum, pushed; } state;
state edgekd_state;
static const int8_t weights[64] = {1, -1, 2, -2};
LAYER static int32_t dense(const int8_t *x, int32_t n) {
    int32_t total = 0;
    __asm__ volatile("");  /* else the compiler moves equal calls out of the loop */
    for (int32_t i = 0; i < n; i++) { total += weights[i] * x[i]; }
    return total;
}
LAYER static int32_t clamp(int32_t v) { return v > 99 ? 99 : v; }
LAYER static int32_t tail(int32_t v) { __asm__ volatile(""); return v * 3; }
void model_init(state *s) { s->sum = 0; s->pushed = 0; }
void model_push(state *s, const int8_t x[8]) { s->sum += dense(x, 8); s->pushed++; }
int32_t model_predict(const state *s, const int8_t *x, int32_t steps) {
    int32_t v = s->sum;
    for (int32_t i = 0; i < steps; i++) { v = clamp(v + dense(x, 16)); }
    v += dense(x, 32);
    return tail(v);
}
LAYER int32_t model_run(const state *s, const int8_t *x, int32_t steps) { return model_predict(s, x, steps) + 1; }
"""
ENTRIES = ("edgekd_state", "model_init", "model_push", "model_predict", "model_run")


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> Image:
    folder: Path = tmp_path_factory.mktemp("model")
    (folder / "model.c").write_text(MODEL)
    toolchain = find_compiler(BOARD, "gcc")
    # Inlined calls are no calls; `model_predict` must stay one for `model_run`.
    flags = ("-fno-inline", "-fno-ipa-cp", "-fno-ipa-sra")
    return compile_image(
        [folder / "model.c"], [], BOARD, folder / "model.elf", entries=ENTRIES, compiler=toolchain, flags=flags
    )


X = np.arange(32, dtype=np.int8)


def calls(*steps: int) -> list[ProfiledCall]:
    pushes = [ProfiledCall("model_push", "edgekd_state", X[i : i + 8].copy()) for i in range(3)]
    predicts = [ProfiledCall("model_predict", "edgekd_state", X, n) for n in steps]
    return [ProfiledCall("model_init", "edgekd_state"), *pushes, *predicts]


def test_figures_are_those_of_the_image_and_its_most_expensive_call(image):
    found = measure(image, "model_predict", calls(5, 20, 10))
    alone = Machine(image)
    alone.call("model_predict", "edgekd_state", X, 20)
    assert (found.instructions, found.cycles) == (alone.last.instructions, alone.last.cycles)
    assert found.cycles_low < found.cycles < found.cycles_high
    assert found.flash_bytes == image.flash_bytes
    assert found.flash_above_empty_bytes == image.flash_bytes - empty_flash_bytes(BOARD, "speed", image.toolchain)
    assert 0 < found.flash_above_empty_bytes < found.flash_bytes
    assert found.static_ram_bytes == 8, "the state, which is a variable of the image"
    assert found.ram_bytes == 8 + found.stack_bytes
    assert found.stack_bytes == max(one.stack_bytes for one in found.functions.values()) > 0
    assert found.ms == pytest.approx(found.cycles / 64e6 * 1e3)
    assert found.energy_uj == pytest.approx(found.ms * 3.3 * 3.3)
    assert (found.board, found.compiler, found.note) == ("nano33ble", image.compiler, BOARD.timing_note)


def test_every_function_that_was_called_has_its_figures(image):
    found = measure(image, "model_predict", calls(5, 20, 10))
    assert {name: one.calls for name, one in found.functions.items()} == {
        "model_init": 1,
        "model_push": 3,
        "model_predict": 3,
    }
    predict = found.functions["model_predict"]
    assert predict.cycles == found.cycles > predict.cycles_mean
    per_step = (predict.cycles - predict.cycles_mean) / (20 - 35 / 3)
    assert 50 < per_step < 500


def test_layers_are_the_call_sites_in_order_and_sum_up(image):
    layers = [
        ProfiledLayer(name="cell", function="dense", macs=16, bytes=16),
        ProfiledLayer(name="head", function="dense", macs=32, bytes=32),
        ProfiledLayer(name="never", function="softmax", macs=5),
    ]
    found = measure(image, "model_predict", calls(20), layers=layers)
    assert [(one.name, one.function, one.calls, one.macs, one.bytes) for one in found.layers] == [
        ("cell", "dense", 20, 320, 16),
        ("clamp", "clamp", 20, 0, 0),
        ("head", "dense", 1, 32, 32),
        ("tail", "tail", 1, 0, 0),
        (OWN, "model_predict", 1, 0, 0),
    ]
    assert sum(one.cycles for one in found.layers) == found.cycles
    assert sum(one.instructions for one in found.layers) == found.instructions
    cell, clamp, head = found.layers[:3]
    assert cell.cycles_per_mac == cell.cycles / 320 and clamp.cycles_per_mac is None
    assert 5 < head.cycles_per_mac < cell.cycles_per_mac < 20, "a longer row costs less per multiply-add"


def test_layers_below_the_entry(image):
    """`inside` is called by the entry; what is around it belongs to the entry's own row."""
    run = [ProfiledCall("model_run", "edgekd_state", X, 4)]
    found = measure(image, "model_run", run, inside=["model_predict"])
    assert [one.name for one in found.layers] == ["dense", "clamp", "dense", "tail", OWN]
    assert sum(one.cycles for one in found.layers) == found.cycles
    outermost = measure(image, "model_run", run)
    assert [(one.name, one.calls) for one in outermost.layers] == [("model_predict", 1), (OWN, 1)]
    assert outermost.layers[0].cycles == sum(one.cycles for one in found.layers) - outermost.layers[1].cycles


def test_profile_by_function_sums_up(image):
    found = Machine(image).profile("model_predict", "edgekd_state", X, 7)
    assert {one.name for one in found.functions} == {"model_predict", "dense", "clamp", "tail"}
    assert sum(one.cycles for one in found.functions) == found.run.cycles
    assert found.functions[0].name == "dense", "most cycles first"
    dense = sum(one.cycles for one in found.calls if one.name == "dense")
    assert dense == found.functions[0].cycles


def test_profile_is_that_of_separate_calls(image):
    """dense(x, 32) inside the model costs what it costs alone, seen from model_push."""
    push = Machine(image).profile("model_push", "edgekd_state", X[:8].copy())
    (dense,) = push.calls
    assert dense.calls == 1 and dense.cycles + push.own.cycles == push.run.cycles
    assert push.own.instructions < 12


RETURNS = r"""
#define NAKED __attribute__((naked, used))
NAKED static void by_r3(void) { __asm__ volatile("push {lr}\n pop {r3}\n bx r3"); }
NAKED static void by_lr(void) { __asm__ volatile("nop\n bx lr"); }
NAKED static void by_pop(void) { __asm__ volatile("push {r4, lr}\n bl by_lr\n pop {r4, pc}"); }
NAKED static void by_tail(void) { __asm__ volatile("b by_r3"); }
NAKED static void by_mov(void) { __asm__ volatile("mov pc, lr"); }
NAKED void run(void) {
    __asm__ volatile(".syntax unified\n push {r4, lr}\n movs r4, #3\n"
                     "1: bl by_r3\n bl by_pop\n bl by_tail\n bl by_mov\n subs r4, #1\n bne 1b\n"
                     "bl by_lr\n pop {r4, pc}");
}
NAKED void sum(void) { /* sum(n) = n ? n + sum(n - 1) : 0; the branch lands where the call returns to */
    __asm__ volatile(".syntax unified\n push {r4, lr}\n movs r4, r0\n beq 1f\n subs r0, #1\n bl sum\n"
                     "1: adds r0, r0, r4\n pop {r4, pc}");
}
"""


@pytest.fixture(params=["nano33ble", "rp2040_pico"])
def returns(request, tmp_path) -> Machine:
    board = load_board(request.param)
    (tmp_path / "returns.c").write_text(RETURNS)
    toolchain = find_compiler(board, "gcc")
    return Machine(
        compile_image(
            [tmp_path / "returns.c"], [], board, tmp_path / "r.elf", entries=["run", "sum"], compiler=toolchain
        )
    )


def test_every_way_to_return_is_seen(returns):
    found = returns.profile("run")
    assert [(one.name, one.calls, one.instructions) for one in found.calls] == [
        ("by_r3", 3, 9),
        ("by_pop", 3, 15),
        ("by_tail", 3, 12),
        ("by_mov", 3, 3),
        ("by_lr", 1, 2),
    ]
    assert found.own.instructions == 2 + 3 * 6 + 2
    assert found.own.cycles + sum(one.cycles for one in found.calls) == found.run.cycles


def test_recursion_belongs_to_the_first_call(returns):
    assert returns.call("sum", 5) == 15
    found = returns.profile("sum", 5)
    assert [(one.name, one.calls) for one in found.calls] == [("sum", 1)]
    assert (found.own.instructions, found.calls[0].instructions) == (7, 4 * 7 + 5)


def test_outputs_are_written_for_comparison(image):
    got = Machine(image)
    expected = got.call("model_predict", "edgekd_state", X, 3)
    assert expected == 3 * (min(99, int((np.array([1, -1, 2, -2]) * X[:4]).sum()) * 3) + int(-2 * 3 + 2 * 2 - 1))


def test_report_is_plain_numbers(image):
    fields = measure(image, "model_predict", calls(5)).to_dict()
    again = json.loads(json.dumps(fields))
    assert again == fields
    wanted = "flash_bytes ram_bytes stack_bytes instructions cycles ms energy_uj board compiler layers"
    assert set(wanted.split()) <= set(fields)
    assert fields["layers"][0] == {
        "name": "dense",
        "function": "dense",
        "calls": 5,
        "macs": 0,
        "bytes": 0,
        "instructions": fields["layers"][0]["instructions"],
        "cycles": fields["layers"][0]["cycles"],
        "cycles_per_mac": None,
    }


def test_nothing_to_measure_is_an_error(image):
    with pytest.raises(EdgekdError, match="nothing was measured: 'model_predict' is not among the calls"):
        measure(image, "model_predict", [ProfiledCall("model_init", "edgekd_state")])


def test_units():
    assert milliseconds(BOARD, 64_000) == 1.0
    assert microjoules(BOARD, 64_000) == pytest.approx(3.3 * 3.3)
