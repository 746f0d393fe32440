"""The built-in sample: rebuilt byte for byte, of the promised size, called simulated, and hard enough to be of use."""

import gzip
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from edgekd.contracts.config import Data
from edgekd.data import simulate
from edgekd.data.table import BUILT_IN, SAMPLE, read_table
from edgekd.tasks.forecast import Forecast

ROOT = Path(__file__).parent.parent
SECTION = Data(
    series="cell_id",
    order="cycle",
    inputs=["discharge_capacity_Ah", "internal_resistance_ohm", "temperature_C"],
    divide_by=1.1,
    ignore="is_outlier",
    window=100,
)
TASK = Forecast(column="discharge_capacity_Ah", horizon=100)


@pytest.fixture(scope="module")
def table():
    return read_table(SECTION, TASK, ROOT)


def test_sample_is_what_the_model_gives():
    assert gzip.decompress(SAMPLE.read_bytes()) == simulate.sample_csv()


def test_script_rebuilds_the_file_byte_for_byte(tmp_path):
    """In a copy of the checkout. zlib-ng packs differently: there the contents are compared."""
    (tmp_path / "edgekd" / "data").mkdir(parents=True)
    (tmp_path / "scripts").mkdir()
    (tmp_path / "edgekd" / "__init__.py").touch()  # the whole package is not needed
    modules = (f"edgekd/data/{name}.py" for name in ("__init__", "simulate", "simulate_charge", "simulate_motion"))
    for name in (*modules, "scripts/make_sample"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    script = tmp_path / "scripts" / "make_sample"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, timeout=60)
    built = {path: (tmp_path / "edgekd" / "data" / path.name).read_bytes() for path in BUILT_IN.values()}
    assert done.stdout == "".join(f"edgekd/data/{path.name}: {len(content)} bytes\n" for path, content in built.items())
    for path, content in built.items():
        assert gzip.decompress(content) == gzip.decompress(path.read_bytes())
        assert "ng" in zlib.ZLIB_RUNTIME_VERSION or content == path.read_bytes()


def test_size_and_number_of_cells(table):
    lengths = [len(one.order) for one in table.series]
    assert SAMPLE.stat().st_size < 1_000_000
    assert len(table.groups) == len(table.series) == 48
    assert min(lengths) >= 300 and max(lengths) <= 1500
    assert not table.problems
    assert 0 < table.ignored < 0.005 * table.rows


def test_it_is_called_simulated(table):
    assert all(name.startswith("sim") for name in table.groups)
    assert "SIMULATED" in simulate.__doc__


def test_values_lie_where_published_cells_do(table):
    first = np.array([one.target[:10].mean() for one in table.series])
    last = np.array([np.median(one.target[-5:]) for one in table.series])
    assert first.min() > 0.94 and first.max() < 1.0
    assert (last < 0.83).mean() > 0.8
    columns = np.concatenate([one.inputs for one in table.series])
    assert columns[:, 1].min() > 0.012 and columns[:, 1].max() < 0.03
    assert columns[:, 2].min() > 25 and columns[:, 2].max() < 45


def test_random_numbers_do_not_depend_on_numpy():
    """Raw 64-bit draws of PCG64, scaled: changes of NumPy's Generator do not reach the sample."""
    raw = np.random.PCG64(1).random_raw(2)
    np.testing.assert_array_equal(simulate.Draws(1).uniform(0, 1, 2), [(int(r) >> 11) * 2.0**-53 for r in raw])
    normal = simulate.Draws(2).normal(20_000)
    assert abs(normal.mean()) < 0.03 and abs(normal.std() - 1) < 0.03
