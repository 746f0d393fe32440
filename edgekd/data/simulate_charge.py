"""The built-in table for estimates: SIMULATED drives of a lithium-ion cell, with voltage, current and temperature.

Nothing here is measured. A cell of 3 Ah as an open-circuit voltage behind a resistor and one RC pair (Hu et al., J.
Power Sources 198 (2012) 359), whose resistances rise in the cold, driven by currents that change every few seconds:

    s' = I / (3600 C)        V = U(s) + R0 I + v        v' = (R1 I - v) / tau        T' = (R0 I^2 - h (T - Ta)) / c
    U(s) = 3.05 + 0.95 s + 0.15 s^3 - 0.35 e^(-18 s)

I is negative while discharging. The voltage is noisy by 4 mV and coarse by 1 mV, the current by 20 mA.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgekd.data.simulate import Draws

F64 = NDArray[np.float64]
SEED, RUNS, SAMPLES, SECONDS = 20120815, 24, 480, 2
CAPACITY_AH = 3.0
AMBIENT_C = (0, 10, 25)
COLUMNS = ("run", "second", "voltage_V", "current_A", "temperature_C", "soc", "ambient_C")


def currents(draws: Draws) -> F64:
    """Current of each sample in A: levels that hold for 4 to 30 s, mostly discharge, some of it recovered."""
    levels: list[float] = []
    while len(levels) < SAMPLES:
        level = -draws.one(0.0, 22.0) if draws.one(0, 1) < 0.8 else draws.one(0.0, 6.0)
        levels += [level] * int(draws.one(2, 15))
    return np.array(levels[:SAMPLES])


def drive(draws: Draws, ambient: float) -> Iterator[tuple[float, float, float, float]]:
    """Voltage, current, temperature and charge of each sample of one drive, until the cell is nearly empty."""
    charge, slow, temperature = draws.one(0.9, 1.0), 0.0, ambient + draws.one(-1, 1)
    for current in currents(draws):
        cold = np.exp(0.03 * (25 - temperature))
        open_circuit = 3.05 + 0.95 * charge + 0.15 * charge**3 - 0.35 * np.exp(-18 * charge)
        slow += (0.010 * cold * current - slow) * SECONDS / 25
        voltage = open_circuit + 0.018 * cold * current + slow
        temperature += (0.018 * cold * current**2 - 0.12 * (temperature - ambient)) * SECONDS / 60
        yield voltage, float(current), temperature, charge
        charge = min(1.0, charge + current * SECONDS / 3600 / CAPACITY_AH)
        if charge < 0.05:
            return


def lines() -> Iterator[str]:
    """The table, line by line."""
    yield ",".join(COLUMNS)
    draws = Draws(SEED)
    for number in range(1, RUNS + 1):
        ambient = AMBIENT_C[number % len(AMBIENT_C)]
        noise = draws.normal(3 * SAMPLES).reshape(3, SAMPLES)
        for at, (voltage, current, temperature, charge) in enumerate(drive(draws, ambient)):
            measured = (voltage + 0.004 * noise[0, at], current + 0.02 * noise[1, at], temperature + 0.1 * noise[2, at])
            shown = f"{measured[0]:.3f},{measured[1]:.2f},{measured[2]:.1f},{charge:.4f}"
            yield f"drive{number:02d},{at * SECONDS},{shown},{ambient}"


def sample_csv() -> bytes:
    """The whole table as CSV."""
    return ("\n".join(lines()) + "\n").encode("ascii")
