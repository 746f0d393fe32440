"""Parity is a matter of the target's own scale, and of both engines' integers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import small_run
from data_sections import windows

from edgekd.contracts.config import load_config
from edgekd.contracts.engines import Engine
from edgekd.data.windows import Windows
from edgekd.evaluate.parity import FLOAT_TOLERANCE, compare_pair, float_tolerance
from edgekd.evaluate.runtimes import Forecasts
from edgekd.pipeline import stages


def made() -> Windows:
    """Training windows whose targets fade from 1 to 0.5."""
    target = np.linspace(1, 0.5, 4000, dtype=np.float32).reshape(1000, 4)
    return windows(np.zeros((1000, 6, 1), np.float32), target)


@pytest.mark.parametrize("factor", [1e-5, 1.0, 1e5])
def test_the_tolerance_is_relative_to_the_spread_of_the_target(factor: float) -> None:
    train = made()
    scaled = replace(train, target=(train.target * factor).astype(np.float32))
    assert float_tolerance(scaled) == pytest.approx(factor * float_tolerance(train), rel=1e-3)
    assert float_tolerance(train) < FLOAT_TOLERANCE * np.ptp(train.target)


def test_outliers_do_not_widen_the_tolerance() -> None:
    train = made()
    target = train.target.copy()
    target[0, 0] = 1e30
    assert float_tolerance(replace(train, target=target)) == pytest.approx(float_tolerance(train), rel=0.1)


def test_a_target_far_from_zero_has_steps_of_float32() -> None:
    train = made()
    target = (train.target + 1e6).astype(np.float32)
    assert float_tolerance(replace(train, target=target)) == pytest.approx(4 * np.spacing(np.float32(1e6)))


@pytest.mark.parametrize("factor", [1e-5, 1e5])
def test_a_run_in_another_unit_passes(tmp_path: Path, factor: float) -> None:
    config = small_run.write(
        tmp_path,
        students="{kinds: [gru], hidden: [4], rank: 2, epochs: 2}",
        search="{candidates: 1, refine: 0, ablate: 0}",
        compress="{sparsity: [0.0], activation_bits: [16], epochs: 2}",
    )
    table = pd.read_csv(tmp_path / "cells.csv")
    table["discharge_capacity_Ah"] *= factor
    table.to_csv(tmp_path / "cells.csv", index=False)
    report = stages.compress(load_config(config), tmp_path / "out", small_run.Log())
    pairs = report.parity
    assert {pair.verdict for name, pair in pairs.items() if name != "twin_tflite"} == {"PASS"}
    assert 0 < pairs["torch_onnx"].tolerance < 1e-3 * factor, "in the unit of the table"


def test_equal_forecasts_of_different_integers_are_no_parity() -> None:
    real = np.zeros((3, 2), np.float32)
    integers = np.zeros((3, 2), np.int8)
    other = integers.copy()
    other[1, 1] = 1
    pair = compare_pair(
        (Engine.TWIN, Engine.BOARD),
        Forecasts(real=real, integers=integers),
        Forecasts(real=real, integers=other[:2]),
        0.0,
    )
    assert (pair.windows, pair.equal, pair.verdict) == (3, 2, "FAIL")
