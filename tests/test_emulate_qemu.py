"""A second emulator executes the same instructions: QEMU's count, one instruction at a time, against unicorn's."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edgekd.contracts.board import load_board
from edgekd.emulate.compiler import Image, compile_image, find_compiler
from edgekd.emulate.machine import Machine

pytest.importorskip("unicorn", reason="unicorn is not installed")
pytestmark = [
    pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="qemu-system-arm is not installed"),
    pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed"),
]

BOARD = """
title: what QEMU calls {machine}
core: {core}
clock_hz: 25000000
flash_origin: 0
flash_bytes: 262144
sketch_flash_bytes: 262144
ram_origin: 0x20000000
ram_bytes: 16384
active_current_ma: 1
supply_v: 1
"""

SOURCE = r"""
#include <stdint.h>
static int8_t weights[48];
static float state[12];
int32_t result;

__attribute__((noinline)) static int32_t dense(const int8_t *x, int32_t seed) {
    int32_t total = seed;
    for (int32_t i = 0; i < 48; i++) { total += weights[i] * x[i % 7]; }
    return total;
}
__attribute__((noinline)) static float smooth(float x) {
    for (int32_t i = 0; i < 12; i++) {
        state[i] += (x - state[i]) * 0.25f;
        x = state[i] / (1.0f + state[i] * state[i]);
    }
    return x;
}
int32_t run(int32_t n) {
    int8_t x[7] = {1, -2, 3, -4, 5, -6, 7};
    for (int32_t i = 0; i < 48; i++) { weights[i] = (int8_t)(17 * i); }
    for (int32_t i = 1; i <= n; i++) {
        int32_t y = dense(x, i);
        x[i % 7] = (int8_t)(y > 100 ? y / i : y < -100 ? -y % 50 : (uint32_t)y / 3u);
        result += (int32_t)(smooth((float)y) * 1000.0f);
    }
    return result;
}
/* Calls run(20), then asks QEMU to exit (Arm semihosting: SYS_EXIT, ADP_Stopped_ApplicationExit). */
__attribute__((naked)) int main(void) {
    __asm__ volatile("movs r0, #20\n bl run\n ldr r1, =0x20026\n movs r0, #0x18\n bkpt 0xab\n b .\n .ltorg");
}
"""


def qemu_trace(image: Image, machine: str, folder: Path) -> list[int]:
    """Addresses of all instructions executed, from reset to the exit."""
    log = folder / "qemu.log"
    command = ["qemu-system-arm", "-M", machine, "-display", "none", "-serial", "none", "-monitor", "none"]
    command += ["-semihosting-config", "enable=on,target=native", "-kernel", str(image.path)]
    command += ["-d", "exec,nochain", "-D", str(log)]
    for one_by_one in (["-accel", "tcg,one-insn-per-tb=on"], ["-singlestep"]):  # since QEMU 8.1, and before
        done = subprocess.run(
            [*command, *one_by_one], capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
        )
        if done.returncode == 0:
            return [int(pc, 16) for pc in re.findall(r"^Trace .*\[\w+/(\w+)/", log.read_text(), re.MULTILINE)]
    raise AssertionError(done.stderr)


@pytest.mark.parametrize(
    ("machine", "core"),
    [("mps2-an386", "cortex-m4f"), ("microbit", "cortex-m0plus"), ("mps2-an500", "cortex-m7f")],
)
def test_same_number_of_instructions(tmp_path, machine, core):
    (tmp_path / "qemu.yaml").write_text(BOARD.format(machine=machine, core=core))
    (tmp_path / "code.c").write_text(SOURCE)
    board = load_board(str(tmp_path / "qemu.yaml"))
    image = compile_image(
        [tmp_path / "code.c"], [], board, tmp_path / "code.elf", entries=["run"], compiler=find_compiler(board, "gcc")
    )
    trace = qemu_trace(image, machine, tmp_path)
    start = trace.index(image.symbol("run").address)
    main = image.symbol("main")
    after = next(i for i in range(start, len(trace)) if main.address <= trace[i] < main.address + main.size)
    by_function: dict[str, int] = {}
    for address in trace[start:after]:
        name = image.function_at(address).name
        by_function[name] = by_function.get(name, 0) + 1
    found = Machine(image).profile("run", 20)
    assert found.run.instructions == after - start > 10_000
    assert {one.name: one.instructions for one in found.functions} == by_function
