"""The built-in table for classes: SIMULATED movements of a wrist, as an accelerometer at 25 Hz would see them.

Nothing here is measured. Gravity along a wandering direction, and on it, by movement: nothing but tremor (rest), a
circle in one plane (circle), quick strokes along one axis (shake), or slow lifts with a pause (lift). People differ in
speed, strength, and in how they wear the device, which is turned about two axes.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgekd.data.simulate import Draws

F64 = NDArray[np.float64]
SEED, PEOPLE, RECORDINGS, SAMPLES, RATE_HZ = 20260101, 10, 2, 250, 25
MOVEMENTS = ("circle", "lift", "rest", "shake")
COLUMNS = ("person", "recording", "sample", "ax_g", "ay_g", "az_g", "movement")


def turned(person: Draws) -> F64:
    """How a person wears the device: a rotation about two axes, [3, 3]."""
    a, b = person.one(-0.5, 0.5), person.one(-0.5, 0.5)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    return np.asarray(about_x @ about_y, dtype=np.float64)


def movement(name: str, draws: Draws, speed: float, strength: float) -> F64:
    """Acceleration in g without gravity, [SAMPLES, 3]."""
    seconds = np.arange(SAMPLES) / RATE_HZ
    zero = np.zeros(SAMPLES)
    if name == "circle":
        phase = 2 * np.pi * (speed * seconds + draws.one(0, 1))
        return strength * 0.5 * np.stack([np.cos(phase), np.sin(phase), zero], axis=1)
    if name == "shake":
        phase = 2 * np.pi * (3.2 * speed * seconds + draws.one(0, 1))
        return strength * 0.9 * np.stack([np.sin(phase), 0.2 * np.cos(phase), zero], axis=1)
    if name == "lift":
        phase = (0.5 * speed * seconds + draws.one(0, 1)) % 1.0
        bump = np.where(phase < 0.4, np.sin(2 * np.pi * phase / 0.4), 0.0)
        return strength * 0.4 * np.stack([zero, 0.3 * bump, bump], axis=1)
    return np.zeros((SAMPLES, 3))


def lines() -> Iterator[str]:
    """The table, line by line."""
    yield ",".join(COLUMNS)
    draws, recording = Draws(SEED), 0
    for person in range(1, PEOPLE + 1):
        rotation, speed, strength = turned(draws), draws.one(0.8, 1.25), draws.one(0.7, 1.3)
        for name in MOVEMENTS * RECORDINGS:
            recording += 1
            wander = 0.08 * np.sin(2 * np.pi * (0.11 * np.arange(SAMPLES) / RATE_HZ + draws.one(0, 1)))
            gravity = np.stack([wander, -wander, 1 - wander**2], axis=1)
            clean = (gravity + movement(name, draws, speed * draws.one(0.9, 1.1), strength)) @ rotation.T
            values = clean + 0.03 * draws.normal(3 * SAMPLES).reshape(SAMPLES, 3)
            for at, (x, y, z) in enumerate(values):
                yield f"p{person:02d},r{recording:03d},{at},{x:.3f},{y:.3f},{z:.3f},{name}"


def sample_csv() -> bytes:
    """The whole table as CSV."""
    return ("\n".join(lines()) + "\n").encode("ascii")
