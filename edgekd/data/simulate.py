"""The built-in sample: SIMULATED cells from an ageing model, in the manner of fast-charged LFP/graphite 18650 cells.

Nothing here is measured. With cycle n and state of health s = capacity / 1.1 Ah:

    s(n) = s0 + g (1 - e^(-n/40)) - a sqrt(n) - b n - K(n) + noise        K(n) = r tau ln(1 + e^((n - m)/tau))

- a sqrt(n): growth of the film on the anode, limited by diffusion through it (Ploehn et al., J. Electrochem. Soc. 151
(2004) A456).
- b n: slow loss of active material in proportion to use.
- K(n): the knee. The rate of loss K'(n) rises like e^(n/tau) when lithium plating feeds itself (Yang et al., J. Power
Sources 360 (2017) 28) and levels off at r; m is its random onset (shapes of knees: Attia et al., J. Electrochem. Soc.
169 (2022) 060517). So curvature announces a knee, and a parabola through it overshoots.
- g: the small rise of the first cycles (overhang of the anode).
- the film and the knee raise the internal resistance, the knee early; resistance warms the cell; the chamber's
temperature wanders, and capacity with it.

Ranges are set so that nominal capacity (1.1 Ah), first capacity (about 1.07 Ah), end of test (80 %), chamber (30 degC),
resistance (15 to 22 mOhm) and hundreds to over a thousand cycles of life resemble Severson et al., Nature Energy 4
(2019) 383.
"""

import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
SEED, CELLS = 20190325, 48
SHORTEST, LONGEST = 300, 1500  # cycles of a cell
NOMINAL_AH, END_SOH = 1.1, 0.8
COLUMNS = (
    "cell_id",
    "cycle",
    "discharge_capacity_Ah",
    "is_outlier",
    "internal_resistance_ohm",
    "temperature_C",
)


class Draws:
    """Random numbers equal for every NumPy: PCG64's raw stream is fixed, its Generator's methods are not."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def uniform(self, low: float, high: float, size: int = 1) -> F64:
        """Uniform in [low, high), float64 [size]."""
        raw = np.asarray(self._bits.random_raw(size), dtype=np.uint64)
        return low + (high - low) * (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def normal(self, size: int) -> F64:
        """Sums of twelve uniforms: mean 0, variance 1, within 6; no logarithm, so no difference between libraries."""
        twelve: F64 = self.uniform(0, 1, 12 * size).reshape(size, 12)
        return np.asarray(twelve.sum(axis=1) - 6.0, dtype=np.float64)

    def one(self, low: float, high: float) -> float:
        """One number, uniform in [low, high)."""
        return float(self.uniform(low, high)[0])


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Parameters of one simulated cell; the letters are those of the equation above."""

    s0: float
    g: float
    a: float
    b: float
    r: float
    tau: float
    m: float
    resistance: float  # ohm, new


def draw_cell(draws: Draws) -> Cell:
    """One cell. Onsets are spread evenly in the logarithm, and late knees are slower, as in published cells."""
    m = 240.0 * 5.2 ** draws.one(0, 1)
    return Cell(
        s0=draws.one(0.965, 0.980),
        g=draws.one(0.003, 0.008),
        a=draws.one(0.0006, 0.0012),
        b=draws.one(1e-5, 3e-5),
        r=0.45 / m * 3.0 ** draws.one(0, 1),
        tau=m * draws.one(0.05, 0.18),
        m=m,
        resistance=draws.one(0.0150, 0.0175),
    )


def losses(cell: Cell, n: F64) -> tuple[F64, F64, F64]:
    """Film, linear and knee loss of state of health at cycles n, each float64 [n]."""
    return cell.a * np.sqrt(n), cell.b * n, cell.r * cell.tau * np.logaddexp(0, (n - cell.m) / cell.tau)


def measure(cell: Cell, draws: Draws) -> tuple[F64, NDArray[np.bool_], F64, F64]:
    """What a cycler logs to the end of test: capacity (Ah), outlier flags, resistance (ohm), temperature (degC)."""
    n = np.arange(1, LONGEST + 1, dtype=np.float64)
    film, linear, knee = losses(cell, n)
    soh = cell.s0 + cell.g * (1 - np.exp(-n / 40)) - film - linear - knee
    early = losses(cell, n + 0.7 * cell.tau)[2]
    chamber = 0.5 * _wander(draws.normal(LONGEST), 0.97)
    resistance = cell.resistance * (1 + 3.0 * film + 0.9 * early) + 3e-5 * draws.normal(LONGEST)
    temperature = 33.0 + 800 * (resistance - 0.016) + chamber + 0.15 * draws.normal(LONGEST)
    noisy = soh + 0.0008 * chamber + 0.0005 * _wander(draws.normal(LONGEST), 0.9) + 0.0004 * draws.normal(LONGEST)
    end = max(SHORTEST, int(np.argmax(soh < END_SOH)) or LONGEST)
    capacity, outlier = _spikes(NOMINAL_AH * noisy[:end], draws)
    return capacity, outlier, resistance[:end], temperature[:end]


def _wander(noise: F64, memory: float) -> F64:
    """First-order autoregression of unit variance."""
    out, value, fresh = np.empty_like(noise), 0.0, (1 - memory**2) ** 0.5
    for i, step in enumerate(noise.tolist()):
        value = memory * value + fresh * step
        out[i] = value
    return out


def _spikes(capacity: F64, draws: Draws) -> tuple[F64, NDArray[np.bool_]]:
    """Up to three broken readings per cell, 0.03 to 0.33 Ah off, mostly too low."""
    outlier = np.zeros(len(capacity), dtype=bool)
    for place in draws.uniform(0, 1, int(draws.one(0, 4))):
        i = int(place * len(capacity))
        size = 0.03 + 0.3 * draws.one(0, 1) ** 2
        capacity[i] += size if draws.one(0, 1) < 0.3 else -size
        outlier[i] = True
    return capacity, outlier


def lines() -> Iterator[str]:
    """The sample as CSV lines, rounded: far coarser than any difference between mathematical libraries."""
    yield ",".join(COLUMNS)
    draws = Draws(SEED)
    for number in range(1, CELLS + 1):
        columns = measure(draw_cell(draws), draws)
        for cycle, (capacity, outlier, resistance, temperature) in enumerate(zip(*columns, strict=True), start=1):
            yield f"sim{number:02d},{cycle},{capacity:.5f},{int(outlier)},{resistance:.5f},{temperature:.2f}"


def sample_csv() -> bytes:
    """The whole table as CSV."""
    return ("\n".join(lines()) + "\n").encode("ascii")


def compressed(csv: bytes) -> bytes:
    """Compress with gzip, without a time or a name: equal bytes each time (from one version of zlib)."""
    out = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=out, mtime=0) as file:
        file.write(csv)
    return out.getvalue()
