"""Generated C on this computer: the same calls as on the emulated board."""

import numpy as np
import pytest

from edgekd.contracts.errors import EdgekdError, ToolMissing
from edgekd.emulate.host import HostLibrary, find_host_compiler

SOURCE = """
#include <stdint.h>
int32_t counter = 40;
int32_t mixed(int32_t a, float b, const int8_t *c, float d) { return a + (int32_t)(b * 10.0f) + c[2] + (int32_t)d; }
void scale(float *out, const float *x, int32_t n, float f) {
    for (int32_t i = 0; i < n; i++) { out[i] = x[i] * f + 1.0f; }
}
int32_t count(void) { return ++counter; }
"""


@pytest.fixture(scope="module", autouse=True)
def compiler():
    try:
        return find_host_compiler()
    except ToolMissing as error:
        pytest.skip(str(error))


@pytest.fixture
def library(tmp_path) -> HostLibrary:
    (tmp_path / "code.c").write_text(SOURCE)
    return HostLibrary([tmp_path / "code.c"], [], tmp_path)


def test_arguments_of_every_kind(library):
    assert library.call("mixed", -5, 2.5, np.array([1, 2, -7], dtype=np.int8), 3.0) == -5 + 25 - 7 + 3
    x = np.array([1.5, -2.25, 0.1], dtype=np.float32)
    out = np.zeros(3, dtype=np.float32)
    library.call("scale", out, x, 3, 0.3)
    np.testing.assert_array_equal(out, x * np.float32(0.3) + np.float32(1))
    with pytest.raises(ValueError, match="C-contiguous"):
        library.call("scale", out[::2], x, 1, 1.0)


def test_variables_can_be_read_and_written(library):
    assert library.call("count") == 41
    library.write("counter", np.int32([7]))
    assert library.call("count") == 8
    assert np.frombuffer(library.read("counter", 4), dtype=np.int32) == 8


def test_a_changed_source_is_compiled_anew(library, tmp_path):
    (tmp_path / "code.c").write_text(SOURCE.replace("= 40", "= 50"))
    assert HostLibrary([tmp_path / "code.c"], [], tmp_path).call("count") == 51
    assert library.call("count") == 41


def test_nothing_is_left_in_the_folder(library, tmp_path):
    assert [path.name for path in tmp_path.iterdir()] == ["code.c"]


def test_errors(library, tmp_path):
    with pytest.raises(EdgekdError, match="no function 'nothing'"):
        library.call("nothing")
    with pytest.raises(EdgekdError, match="no variable 'nothing'"):
        library.read("nothing", 4)
    (tmp_path / "broken.c").write_text("int f(void) { return missing; }")
    with pytest.raises(EdgekdError, match=r"compiling broken.c for this computer failed:\n.*missing"):
        HostLibrary([tmp_path / "broken.c"], [], tmp_path)


def test_missing_compiler(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    find_host_compiler.cache_clear()
    with pytest.raises(ToolMissing, match="no C compiler") as caught:
        find_host_compiler()
    find_host_compiler.cache_clear()
    assert caught.value.hint == "pip install ziglang"
