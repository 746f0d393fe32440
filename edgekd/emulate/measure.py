"""What a firmware needs on its board: flash, RAM, cycles, time and energy, read off the linked image and its run.

    entries = ["battery_init", "battery_push", "battery_predict", "state"]
    image = compile_image([..., Path("state.c")], include, board, out, entries=entries)
    calls = [ProfiledCall("battery_init", "state"), *(ProfiledCall("battery_push", "state", x) for x in window),
             ProfiledCall("battery_predict", "state", forecast)]
    cost = measure(image, "battery_predict", calls)
    cost.flash_bytes, cost.ms, cost.functions["battery_push"].cycles

Memory that the caller of the model owns belongs into a variable of the image ("state" above), so that it is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edgekd.contracts.board import Board
from edgekd.contracts.errors import EdgekdError
from edgekd.contracts.results import FunctionCost, LayerCost, Measurement
from edgekd.emulate.compiler import Image, empty_flash_bytes
from edgekd.emulate.machine import Argument, Machine
from edgekd.emulate.trace import CallCost, CallTotals, Profile

OWN = "(own)"
"""Name of the row with what is around the layers: loops, callees that the compiler put in line, the entry itself."""


@dataclass(frozen=True, init=False)
class ProfiledCall:
    """One call of a function of the image; arguments as `Machine.call` takes them.

    memory: what is written into variables of the image before it, by name.
    """

    symbol: str
    args: tuple[Argument, ...]
    memory: Mapping[str, bytes]

    def __init__(self, symbol: str, *args: Argument, memory: Mapping[str, bytes] | None = None) -> None:
        object.__setattr__(self, "symbol", symbol)
        object.__setattr__(self, "args", args)
        object.__setattr__(self, "memory", memory or {})


@dataclass(frozen=True, kw_only=True)
class ProfiledLayer:
    """What is known of a layer before it runs: `function` is called for it, once per call site, in this order."""

    name: str
    function: str
    macs: int = 0
    """Multiply-adds of one execution."""
    bytes: int = 0
    """Constants it reads."""


def measure(
    image: Image,
    entry: str,
    calls: Iterable[ProfiledCall],
    *,
    inside: Sequence[str] = (),
    layers: Sequence[ProfiledLayer] = (),
) -> Measurement:
    """Make `calls` in order on a board that was just reset, and report the most expensive call of `entry`.

    inside: functions below `entry` whose callees are the layers, `entry` itself when empty. Output arrays in `calls`
    are written in place, so results can be compared. EdgekdError for faults, and when `entry` is never called.
    """
    machine = Machine(image)
    runs: dict[str, list[CallTotals]] = {}
    profiles: list[Profile] = []
    for call in calls:
        for variable, content in call.memory.items():
            machine.write(variable, content)
        machine.call(call.symbol, *call.args)
        runs.setdefault(call.symbol, []).append(machine.last)
        if call.symbol == entry and (not profiles or machine.last.cycles > profiles[0].run.cycles):
            profiles = [machine.profile_last(function) for function in inside or (entry,)]
    if not profiles:
        raise EdgekdError(f"nothing was measured: '{entry}' is not among the calls")
    functions = {symbol: _function_run(image.board, made) for symbol, made in runs.items()}
    stack = max(run.stack_bytes for run in functions.values())
    most_expensive = functions[entry]
    return Measurement(
        board=image.board.name,
        compiler=image.compiler,
        flags=image.flags,
        entry=entry,
        flash_bytes=image.flash_bytes,
        flash_above_empty_bytes=image.flash_bytes - empty_flash_bytes(image.board, image.profile, image.toolchain),
        ram_bytes=image.static_ram_bytes + stack,
        static_ram_bytes=image.static_ram_bytes,
        stack_bytes=stack,
        instructions=most_expensive.instructions,
        cycles=most_expensive.cycles,
        cycles_low=most_expensive.cycles_low,
        cycles_high=most_expensive.cycles_high,
        ms=most_expensive.ms,
        ms_high=most_expensive.ms_high,
        energy_uj=most_expensive.energy_uj,
        functions=functions,
        layers=_layers(profiles, layers, entry),
        note=image.board.timing_note,
    )


def milliseconds(board: Board, cycles: float) -> float:
    """Time of so many cycles at the board's clock."""
    return 1e3 * cycles / board.clock_hz


def microjoules(board: Board, cycles: float) -> float:
    """Energy of so many cycles: time x active current x supply voltage (ms x mA x V = uJ)."""
    return milliseconds(board, cycles) * board.active_current_ma * board.supply_v


def _function_run(board: Board, runs: list[CallTotals]) -> FunctionCost:
    most_expensive = max(runs, key=lambda run: run.cycles)
    return FunctionCost(
        calls=len(runs),
        instructions=most_expensive.instructions,
        cycles=most_expensive.cycles,
        cycles_mean=sum(run.cycles for run in runs) / len(runs),
        cycles_low=most_expensive.cycles_low,
        cycles_high=most_expensive.cycles_high,
        ms=milliseconds(board, most_expensive.cycles),
        ms_high=milliseconds(board, most_expensive.cycles_high),
        energy_uj=microjoules(board, most_expensive.cycles),
        stack_bytes=max(run.stack_bytes for run in runs),
    )


def _layers(profiles: Sequence[Profile], known: Sequence[ProfiledLayer], entry: str) -> tuple[LayerCost, ...]:
    """The calls by call site in the order of execution, then what is around them; together they are the whole run."""
    left = list(known)
    rows = [_layer(call, left) for profile in profiles for call in profile.calls]
    run = profiles[0].run
    instructions = run.instructions - sum(row.instructions for row in rows)
    cycles = run.cycles - sum(row.cycles for row in rows)
    own = LayerCost(
        name=OWN,
        function=entry,
        calls=1,
        instructions=instructions,
        cycles=cycles,
        macs=0,
        bytes=0,
        cycles_per_mac=None,
    )
    return (*rows, own)


def _layer(call: CallCost, left: list[ProfiledLayer]) -> LayerCost:
    """Take the first layer that is still `left` for this function; other calls (memcpy) go by their own name."""
    index = next((i for i, layer in enumerate(left) if layer.function == call.name), None)
    layer = ProfiledLayer(name=call.name, function=call.name) if index is None else left.pop(index)
    macs = layer.macs * call.calls
    return LayerCost(
        name=layer.name,
        function=call.name,
        calls=call.calls,
        instructions=call.instructions,
        cycles=call.cycles,
        macs=macs,
        bytes=layer.bytes,
        cycles_per_mac=call.cycles / macs if macs else None,
    )
