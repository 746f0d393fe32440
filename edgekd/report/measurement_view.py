"""What code needs on a board, as text and as a drawing: the whole, and layer by layer."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from edgekd.contracts.errors import ConfigError, EdgekdError
from edgekd.contracts.results import LayerCost, Measurement, Verification


def table(found: Measurement, ms_on: Mapping[str, float], *, layers: bool) -> str:
    """The figures of a measurement; with `layers` a row for each. ms_on: estimates for boards, by serial number."""
    lines = [
        f"{found.board}, {found.compiler}, {' '.join(found.flags)}",
        f"flash   {found.flash_bytes:>9,} bytes ({found.flash_above_empty_bytes:,} above an empty image)",
        f"RAM     {found.ram_bytes:>9,} bytes ({found.static_ram_bytes:,} of variables, "
        f"{found.stack_bytes:,} of stack)",
        f"cycles  {found.cycles:>9,} ({found.cycles_low:,} to {found.cycles_high:,}), "
        f"{found.instructions:,} instructions",
        f"time    {found.ms:>9.4g} ms (up to {found.ms_high:.4g}), {found.energy_uj:.4g} uJ",
    ]
    lines += [f"        {name}: {one.cycles:,} cycles" for name, one in found.functions.items() if name != found.entry]
    lines += [
        f"        about {ms:.4g} ms on your board {serial}, by the ratio that validate measured there"
        for serial, ms in ms_on.items()
    ]
    if found.note:
        lines.append(f"note: {found.note}")
    return "\n".join([*lines, *(["", *_rows(found.layers)] if layers else [])])


def verdicts(found: Verification) -> str:
    """Pairs of engines and how many windows are equal."""
    rows = []
    for pair in found.pairs.values():
        rows.append(f"{pair.verdict}  {pair.label:<38} {pair.equal:,} of {pair.windows:,} windows equal")
    return "\n".join(rows)


def draw(found: Measurement, path: Path) -> None:
    """Draw cycles of each layer as bars. ConfigError unless the name ends in .svg or .png."""
    if path.suffix not in (".svg", ".png"):
        raise ConfigError(f"{path}: a picture's name ends in .svg or .png")
    from matplotlib.figure import Figure

    layers = found.layers
    figure = Figure(figsize=(9, 0.9 + 0.34 * len(layers)), layout="constrained")
    axes = figure.subplots()
    axes.barh(range(len(layers)), [one.cycles for one in layers], color="#3b6ea5")
    axes.set_yticks(range(len(layers)), [_short(one.name) for one in layers])
    axes.invert_yaxis()
    for at, one in enumerate(layers):
        per_mac = f", {one.cycles_per_mac:.2f} per multiply-add" if one.cycles_per_mac else ""
        axes.annotate(f"{one.cycles:,}{per_mac}", (one.cycles, at), (4, 0), textcoords="offset points", va="center")
    axes.set_xlim(0, 1.5 * max(one.cycles for one in layers))
    axes.set_xlabel(f"cycles of {found.entry} on {found.board}: {found.cycles:,}")
    axes.spines[["top", "right"]].set_visible(False)
    try:
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else {})
    except OSError as error:
        raise EdgekdError(f"cannot write {path}: {error.strerror}") from None


def _rows(layers: Sequence[LayerCost]) -> list[str]:
    width = max(len(_short(one.name)) for one in layers)
    rows = [f"{'layer':<{width}} {'calls':>6} {'cycles':>9} {'MACs':>8} {'cycles/MAC':>10} {'bytes':>8}"]
    for one in layers:
        per_mac = f"{one.cycles_per_mac:.2f}" if one.cycles_per_mac else ""
        macs, size = f"{one.macs:,}" if one.macs else "", f"{one.bytes:,}" if one.bytes else ""
        name = _short(one.name)
        rows.append(f"{name:<{width}} {one.calls:>6} {one.cycles:>9,} {macs:>8} {per_mac:>10} {size:>8}")
    return rows


def _short(name: str) -> str:
    return name if len(name) <= 48 else f"{name[:45]}..."
