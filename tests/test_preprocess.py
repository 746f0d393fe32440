"""Preprocessing: the order of its operations, what it is robust to, and that its constants survive being written."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from data_sections import forecast, section, windows
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekd.contracts.config import Data
from edgekd.contracts.errors import DataError
from edgekd.data.preprocess import Preprocess
from edgekd.data.windows import Windows

F32 = np.float32


HORIZON = 5
TASK = forecast(horizon=HORIZON)


def Section(**changes: Any) -> Data:
    return section(**{"window": 20, "patch": 4, "level": 5, "inputs": ["q_Ah", "t_C"], "divide_by": 1.1} | changes)


def made(seed: int = 0, b: int = 40, section: Data | None = None) -> Windows:
    """Ageing capacity beside a wandering temperature: raw [B, T, 2], target [B, O] divided by 1.1."""
    section = section or Section()
    random = np.random.default_rng(seed)
    n = np.arange(section.window + HORIZON)
    rate = random.uniform(0.0005, 0.003, (b, 1))
    soh = random.uniform(0.8, 1, (b, 1)) - rate * n - 1e-5 * n**2 + 0.0005 * random.standard_normal((b, len(n)))
    temperature = 30 + random.standard_normal((b, 1)) + 0.2 * random.standard_normal((b, len(n)))
    raw = np.stack([1.1 * soh, temperature], axis=2)[:, : section.window].astype(F32)
    target = soh[:, section.window :].astype(F32)
    return windows(raw[:, :, : len(section.inputs)], target, task=TASK)


def one_window(p: Preprocess, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.float32]:
    """The definition, one float32 operation at a time and in the order of the firmware: raw [T, F]."""
    columns = len(p.columns)
    relative, level = np.empty((p.steps, columns), dtype=F32), np.empty(columns, dtype=F32)
    anchor_value = p.target_mean
    for f in range(columns):
        v = [F32(x) * p.scale[f] for x in raw[:, f]]
        c = []
        for t in range(p.window):
            a = min(max(t - 2, 0), p.window - 5)
            median = sorted(v[a : a + 5])[2]
            c.append(median if abs(v[t] - median) > p.clean_limit[f] else v[t])
        recent = sorted(c[p.window - p.level :])[p.level // 2]
        for n in range(p.steps):
            total = c[n * p.patch]
            for j in range(1, p.patch):
                total = F32(total + c[n * p.patch + j])
            mean = total * F32(1.0 / p.patch)
            relative[n, f] = (mean - (recent if p.relative else p.center[f])) * p.gain[f]
        level[f] = (recent - p.level_mean[f]) * p.level_gain[f]
        anchor_value = recent if f == p.target_column else anchor_value
    return relative, level, anchor_value


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    patch=st.sampled_from([1, 2, 4, 5]),
    level=st.sampled_from([1, 3, 5, 19]),
    target=st.sampled_from(["q_Ah", "t_C", "elsewhere"]),
    scaling=st.sampled_from(["relative", "standard", "robust"]),
)
def test_transform_equals_the_definition_to_the_last_bit(seed, patch, level, target, scaling):
    section = Section(patch=patch, level=level, scaling=scaling)
    windows = made(seed, b=6, section=section)
    p = Preprocess.fit(windows, section, forecast(target, HORIZON))
    random = np.random.default_rng(seed)
    raw = windows.raw.copy()
    spikes = random.uniform(size=raw.shape) < 0.05
    raw[spikes] *= random.uniform(-2, 3, int(spikes.sum())).astype(F32)
    relative, level, anchor_value = p.transform(raw)
    assert relative.dtype == level.dtype == anchor_value.dtype == F32
    for b in range(len(raw)):
        for found, wanted in zip((relative[b], level[b], anchor_value[b]), one_window(p, raw[b]), strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_batched_equals_one_by_one():
    windows = made()
    p = Preprocess.fit(windows, Section(), TASK)
    whole = p.transform(windows.raw)
    for i in range(len(windows)):
        for many, single in zip(whole, p.transform(windows.raw[i : i + 1]), strict=True):
            np.testing.assert_array_equal(many[i], single[0])


def test_fitted_features_have_about_unit_size():
    windows = made(b=300)
    p = Preprocess.fit(windows, Section(), TASK)
    relative, level, anchor_value = p.transform(windows.raw)
    np.testing.assert_allclose(relative.std(axis=(0, 1)), 1, atol=0.2)
    np.testing.assert_allclose(level.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(level.std(axis=0), 1, atol=1e-3)
    np.testing.assert_allclose(np.abs(p.encode_target(windows.target, anchor_value)).mean(), 1, rtol=1e-5)


def test_only_the_target_is_divided_by_its_nominal_value():
    p = Preprocess.fit(made(), Section(), TASK)
    np.testing.assert_array_equal(p.scale, np.array([1 / 1.1, 1], dtype=F32))
    assert (p.target_column, p.units, p.target_unit) == (0, ("Ah", "C"), "Ah / 1.1")


@given(st.integers(0, 2**31))
def test_inverse_of_the_encoded_target_is_the_target(seed):
    windows = made(seed, b=4)
    p = Preprocess.fit(windows, Section(), TASK)
    anchor_value = p.transform(windows.raw)[2]
    again = p.decode(p.encode_target(windows.target, anchor_value), anchor_value)
    np.testing.assert_allclose(again, windows.target, rtol=0, atol=2e-7)


def test_a_spike_anywhere_changes_little_and_ordinary_samples_nothing():
    windows = made()
    p = Preprocess.fit(windows, Section(), TASK)
    np.testing.assert_array_equal(p.clean(windows.raw), windows.raw * p.scale)
    for t in range(20):
        raw = windows.raw.copy()
        raw[:, t, 0] = 0.1
        clean = p.clean(raw)[:, :, 0]
        assert np.abs(clean - windows.raw[:, :, 0] / F32(1.1)).max() < 0.02
        assert np.abs(p.transform(raw)[2] - p.transform(windows.raw)[2]).max() < 0.01


def test_without_the_target_among_inputs_the_base_is_the_mean_of_training_targets():
    section = Section(inputs=["t_C"])
    windows = made()
    windows = replace(windows, raw=windows.raw[:, :, 1:])
    p = Preprocess.fit(windows, section, TASK)
    anchor_value = p.transform(windows.raw)[2]
    assert p.target_column == -1
    np.testing.assert_array_equal(
        anchor_value, np.full(len(anchor_value), np.float32(windows.target.mean(dtype=np.float64)))
    )


def test_targets_that_are_no_targets_do_not_reach_the_constants():
    windows = made()
    spoiled = windows.target.copy()
    spoiled[::3, 1] = 100
    masked = replace(windows, target=spoiled, mask=spoiled < 100)
    p = Preprocess.fit(masked, Section(), TASK)
    assert abs(p.target_mean - Preprocess.fit(windows, Section(), TASK).target_mean) < 1e-3
    assert p.target_gain < 1


def test_constants_survive_json_exactly():
    p = Preprocess.fit(made(), Section(), TASK)
    again = Preprocess.from_json(json.loads(json.dumps(p.to_json())))
    for name in Preprocess.__dataclass_fields__:
        before, after = getattr(p, name), getattr(again, name)
        assert type(before) is type(after), name
        np.testing.assert_array_equal(before, after, err_msg=name, strict=isinstance(before, np.ndarray))
    for one, other in zip(p.transform(made(1).raw), again.transform(made(1).raw), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"gain": None}, "gain"),
        ({"gain": [1.0]}, "'gain' must be 2 finite numbers"),
        ({"scale": [1.0, float("nan")]}, "'scale' must be 2 finite numbers"),
        ({"gian": [1.0, 1.0]}, "'gian' is not known"),
    ],
)
def test_broken_constants_are_refused(change, words):
    fields = Preprocess.fit(made(), Section(), TASK).to_json() | change
    if change == {"gain": None}:
        del fields["gain"]
    with pytest.raises(DataError, match=words):
        Preprocess.from_json(fields)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_not_finite_are_refused_with_their_place(value):
    windows = made()
    p = Preprocess.fit(windows, Section(), TASK)
    windows.raw[3, 7, 1] = value
    with pytest.raises(DataError, match=f"window 3, sample 7: 't_C' is {value}") as caught:
        p.transform(windows.raw)
    assert "carry" in caught.value.hint


@pytest.mark.parametrize(
    ("section", "words"),
    [
        (Section(window=24), r"training windows are \[40, 20, 2\], expected \[B, 24, 2\]"),
    ],
)
def test_lengths_that_do_not_fit_each_other(section, words):
    with pytest.raises(DataError, match=words):
        Preprocess.fit(made(), section, TASK)


def test_constant_input_is_refused_by_name():
    windows = made()
    windows.raw[:, :, 1] = 25
    with pytest.raises(DataError, match="input 't_C' is 25 in every training window") as caught:
        Preprocess.fit(windows, Section(), TASK)
    assert caught.value.hint == "remove it from inputs"


def test_wrong_shape_or_type_is_refused():
    p = Preprocess.fit(made(), Section(), TASK)
    with pytest.raises(DataError, match=r"float32 \[B, 20, 2\], got float64 \[1, 20, 2\]"):
        p.transform(np.zeros((1, 20, 2)))
    with pytest.raises(DataError, match=r"got float32 \[1, 20, 3\]"):
        p.transform(np.zeros((1, 20, 3), dtype=F32))
