"""Model folders of every kind and width of activations, with untrained weights: quick to make, all paths exercised."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from edgekd.contracts.candidate import Candidate
from edgekd.data.preprocess import Preprocess
from edgekd.export.model import member_ranges, write_model
from edgekd.models.fake_quant import FakeQuantizer
from edgekd.models.kinds import build
from edgekd.models.population import Shape
from edgekd.tasks.forecast import Forecast

WINDOW, PATCH, LEVEL, HORIZON = 20, 4, 5, 7
COLUMNS = ("capacity_Ah", "temperature_C")


def preprocess() -> Preprocess:
    """Constants for two columns of about 1 Ah and 30 degrees."""
    return Preprocess(
        task=Forecast(column=COLUMNS[0], horizon=HORIZON),
        columns=COLUMNS,
        units=("Ah", "C"),
        target_unit="Ah",
        window=WINDOW,
        patch=PATCH,
        level=LEVEL,
        scale=np.array([1 / 1.1, 1], dtype=np.float32),
        clean_limit=np.array([0.05, 3], dtype=np.float32),
        relative=True,
        center=np.array([0.9, 30], dtype=np.float32),
        gain=np.array([80, 0.7], dtype=np.float32),
        level_mean=np.array([0.9, 30], dtype=np.float32),
        level_gain=np.array([12, 0.5], dtype=np.float32),
        target_column=0,
        target_mean=np.float32(0.9),
        target_gain=np.float32(0.013),
    )


def windows(count: int, seed: int) -> NDArray[np.float32]:
    """Raw samples [count, T, F]: a slow decline with noise and a few spikes."""
    rng = np.random.default_rng(seed)
    start = rng.uniform([0.9, 25], [1.1, 35], size=(count, 1, 2))
    slope = rng.normal(size=(count, 1, 2)) * [0.001, 0.1] * np.arange(WINDOW)[None, :, None]
    noise = rng.normal(size=(count, WINDOW, 2)) * [0.002, 0.3]
    spikes = (rng.random((count, WINDOW, 2)) < 0.02) * [0.5, 40]
    raw: NDArray[np.float32] = (start + slope + noise + spikes).astype(np.float32)
    return raw


def make_model_folder(
    folder: Path,
    kind: str,
    activation_bits: int,
    name: str = "battery",
    *,
    weight_bits: int = 8,
    euler_steps: int = 1,
    patch: int = PATCH,
    constants: Preprocess | None = None,
) -> Path:
    """Write models/<candidate>/ with 6 units below `folder`."""
    constants = replace(constants or preprocess(), patch=patch)
    outputs = constants.task.outputs
    shape = Shape(patches=WINDOW // patch, columns=len(COLUMNS), outputs=outputs, rank=3, euler_steps=euler_steps)
    population = build(kind, [6], [1], shape)
    quantizer = FakeQuantizer(torch.tensor([weight_bits]), torch.tensor([activation_bits]))
    quantizer.observe()
    relative, level, _ = constants.transform(windows(64, seed=0))
    with torch.no_grad():
        population(torch.from_numpy(relative), torch.from_numpy(level), quantizer)
    candidate = Candidate(kind=kind, hidden=6, weight_bits=weight_bits, activation_bits=activation_bits, sparsity=0.0)
    path = folder / candidate.name
    path.mkdir(parents=True)
    write_model(path, population, 0, candidate, member_ranges(quantizer, 0), name=name, preprocess=constants.to_json())
    return path
