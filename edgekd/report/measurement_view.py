"""What code needs on a board, as text and as a drawing: the whole, and layer by layer."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from edgekd.contracts.errors import ConfigError, EdgekdError
from edgekd.contracts.results import LayerCost, Measurement, Verification
from edgekd.report.matplotlib_style import style
from edgekd.report.palette import LIGHT

LONGEST_NAME = 48


def table(measured: Measurement, ms_on: Mapping[str, float], *, layers: bool) -> str:
    """The figures of a measurement; with `layers` a row for each.

    ms_on: estimates of its time on boards that were met, by serial number.
    """
    functions = {name: cost for name, cost in measured.functions.items() if name != measured.entry}
    lines = [
        f"{measured.board}, {measured.compiler}, {' '.join(measured.flags)}",
        f"flash   {measured.flash_bytes:>9,} bytes ({measured.flash_above_empty_bytes:,} above an empty image)",
        f"RAM     {measured.ram_bytes:>9,} bytes ({measured.static_ram_bytes:,} of variables, "
        f"{measured.stack_bytes:,} of stack)",
        f"cycles  {measured.cycles:>9,} ({measured.cycles_low:,} to {measured.cycles_high:,}), "
        f"{measured.instructions:,} instructions",
        f"time    {measured.ms:>9.4g} ms (up to {measured.ms_high:.4g}), {measured.energy_uj:.4g} uJ",
        *(f"        {name}: {cost.cycles:,} cycles" for name, cost in functions.items()),
        *(
            f"        about {ms:.4g} ms on your board {serial}, by the ratio that validate measured there"
            for serial, ms in ms_on.items()
        ),
        *([f"note: {measured.note}"] if measured.note else []),
    ]
    return "\n".join([*lines, *(["", *_rows(measured.layers)] if layers else [])])


def verdicts(verification: Verification) -> str:
    """Pairs of engines, and how many windows are equal."""
    return "\n".join(
        f"{pair.verdict}  {pair.label:<38} {pair.equal:,} of {pair.windows:,} windows equal"
        for pair in verification.pairs.values()
    )


def draw(measured: Measurement, path: Path) -> None:
    """Draw cycles of each layer as bars. ConfigError unless the name ends in .svg or .png."""
    if path.suffix not in (".svg", ".png"):
        raise ConfigError(f"{path}: a picture's name ends in .svg or .png")
    from matplotlib.figure import Figure

    layers = measured.layers
    with style():
        figure = Figure(figsize=(9, 0.9 + 0.34 * len(layers)), layout="constrained")
        axes = figure.subplots()
        axes.grid(axis="y", visible=False)
        axes.barh(range(len(layers)), [layer.cycles for layer in layers], color=LIGHT["accent"])
        axes.set_yticks(range(len(layers)), [_short(layer.name) for layer in layers])
        axes.invert_yaxis()
        for row, layer in enumerate(layers):
            per_mac = f", {layer.cycles_per_mac:.2f} per multiply-add" if layer.cycles_per_mac else ""
            text, end = f"{layer.cycles:,}{per_mac}", (layer.cycles, row)
            axes.annotate(text, end, (4, 0), textcoords="offset points", va="center")
        axes.set_xlim(0, 1.5 * max(layer.cycles for layer in layers))
        axes.set_xlabel(f"cycles of {measured.entry} on {measured.board}: {measured.cycles:,}")
        try:
            figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else {})
        except OSError as error:
            raise EdgekdError(f"cannot write {path}: {error.strerror}") from None


def _rows(layers: Sequence[LayerCost]) -> list[str]:
    width = max(len(_short(layer.name)) for layer in layers)
    rows = [f"{'layer':<{width}} {'calls':>6} {'cycles':>9} {'MACs':>8} {'cycles/MAC':>10} {'bytes':>8}"]
    for layer in layers:
        per_mac = f"{layer.cycles_per_mac:.2f}" if layer.cycles_per_mac else ""
        macs, size = f"{layer.macs:,}" if layer.macs else "", f"{layer.bytes:,}" if layer.bytes else ""
        name = _short(layer.name)
        rows.append(f"{name:<{width}} {layer.calls:>6} {layer.cycles:>9,} {macs:>8} {per_mac:>10} {size:>8}")
    return rows


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 3]}..."
