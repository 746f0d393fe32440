"""Baselines: exact where the truth is a polynomial, fitted on training windows, chosen on validation windows."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from data_sections import forecast, section, windows

from edgekd.contracts.config import Data
from edgekd.data.baselines import fit_baselines
from edgekd.data.metrics import mae
from edgekd.data.preprocess import Preprocess
from edgekd.data.windows import Windows

HORIZON = 10
TASK = forecast(horizon=HORIZON)


def Section(**changes: Any) -> Data:
    return section(**{"window": 40, "patch": 5, "level": 5, "inputs": ["q_Ah", "t_C"], "divide_by": 2.0} | changes)


SECTION = Section()


def made(seed: int, *, curve: float = 0.0, noise: float = 0.0, b: int = 200) -> Windows:
    """Windows of a target 1 - slope n - curve n^2 with a random slope per window, in raw units twice that."""
    random = np.random.default_rng(seed)
    n = np.arange(SECTION.window + HORIZON)
    soh = random.uniform(0.8, 1, (b, 1)) - random.uniform(0.0005, 0.002, (b, 1)) * n
    soh = soh - curve * random.uniform(0.2, 1, (b, 1)) * n**2 + noise * random.standard_normal((b, len(n)))
    temperature = 30 + random.standard_normal((b, len(n)))
    raw = np.stack([2 * soh, temperature], axis=2)[:, : SECTION.window].astype(np.float32)
    target = soh[:, SECTION.window :].astype(np.float32)
    return windows(raw, target, task=TASK)


def errors(train: Windows, val: Windows, test: Windows) -> dict[str, float]:
    found = fit_baselines(train, val, Preprocess.fit(train, SECTION, TASK))
    return {name: mae(one(test.raw), test.target, test.mask) for name, one in found.items()}


def test_line_and_parabola_are_exact_where_they_are_true():
    straight = errors(made(0), made(1), made(2))
    assert straight["persistence"] > 0.003
    assert max(straight["line"], straight["parabola"], straight["ridge"]) < 2e-6
    bent = errors(made(0, curve=1e-5), made(1, curve=1e-5), made(2, curve=1e-5))
    assert bent["line"] > 1e-4 > 1e-5 > bent["parabola"]


def test_persistence_repeats_the_last_sample():
    test = made(2, noise=0.001)
    persistence = fit_baselines(made(0), made(1), Preprocess.fit(made(0, noise=0.001), SECTION, TASK))["persistence"]
    last = np.repeat(test.raw[:, -1:, 0] / 2, HORIZON, axis=1)
    np.testing.assert_allclose(persistence(test.raw), last, atol=1e-6)


def test_line_is_the_least_squares_fit_of_its_length():
    train, val, test = (made(seed, noise=0.001) for seed in range(3))
    line = fit_baselines(train, val, Preprocess.fit(train, SECTION, TASK))["line"]
    length = int(line.settings["length"])
    fit = np.polynomial.Polynomial.fit(np.arange(length), test.raw[0, -length:, 0].astype(float) / 2, 1)
    np.testing.assert_allclose(line(test.raw)[0], fit(np.arange(length, length + HORIZON)), atol=1e-6)


def test_settings_are_the_best_of_those_tried_on_validation():
    """Where the slope changes within the window, short lengths win on validation whatever training windows say."""
    train, val = made(0, noise=0.0005), made(1)
    n = np.arange(SECTION.window)
    val.raw[:, :, 0] += 0.02 * np.maximum(30 - n, 0).astype(np.float32)
    found = fit_baselines(train, val, Preprocess.fit(train, SECTION, TASK))
    assert found["line"].settings["length"] in (5, 10)
    assert fit_baselines(train, made(1, noise=0.002), found["line"].preprocess)["line"].settings["length"] == 40


def test_ridge_uses_every_input():
    """The target follows the temperature, which no polynomial of the target can know."""
    train, val, test = (made(seed, noise=0.0002) for seed in range(3))
    for one in (train, val, test):
        one.target[:] += 0.01 * (one.raw[:, -5:, 1].mean(axis=1, keepdims=True) - 30)
    found = errors(train, val, test)
    assert found["ridge"] < 0.3 * min(found["line"], found["parabola"], found["persistence"])


def test_ridge_fits_no_target_that_is_masked():
    train, val, test = (made(seed, noise=0.0005) for seed in range(3))
    spoiled = train.target.copy()
    spoiled[::2, 3] = 50
    masked = replace(train, target=spoiled, mask=spoiled < 50)
    clean, found = errors(train, val, test)["ridge"], errors(masked, val, test)["ridge"]
    assert found < 1.1 * clean


def test_mean_of_training_targets_where_there_is_nothing_to_extend():
    section = Section(inputs=["t_C"])
    train, val, test = (replace(one, raw=one.raw[:, :, 1:]) for one in (made(0), made(1), made(2)))
    found = fit_baselines(train, val, Preprocess.fit(train, section, TASK))
    assert set(found) == {"mean", "ridge"}
    np.testing.assert_allclose(found["mean"](test.raw), train.target.mean(dtype=np.float64), rtol=1e-6)


@pytest.mark.parametrize("spike", [0.0, 5.0])
def test_one_spike_in_the_window_is_forgiven(spike):
    """Baselines see cleaned samples, as networks do: else beating them would be no feat."""
    train, val, test = (made(seed, noise=0.0005) for seed in range(3))
    found = fit_baselines(train, val, Preprocess.fit(train, SECTION, TASK))
    before = {name: one(test.raw) for name, one in found.items()}
    test.raw[:, 20, 0] = spike
    for name, one in found.items():
        assert np.abs(one(test.raw) - before[name]).max() < 0.01, name
