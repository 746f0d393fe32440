import jinja2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.codegen.write import array_literal, comment, float_literal, render
from edgekd.contracts.errors import EdgekdError


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float_literal_reads_back_exactly(value: float) -> None:
    text = float_literal(value)
    assert text.endswith("f")
    assert "." in text or "e" in text
    assert np.float32(text[:-1]) == np.float32(value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39])
def test_what_c_cannot_write_is_refused(value: float) -> None:
    with np.errstate(over="ignore"), pytest.raises(EdgekdError, match="cannot be a constant"):
        float_literal(value)


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=300), st.sampled_from([0, 4, 8]))
def test_arrays_keep_their_values_in_lines_of_120(values: list[int], indent: int) -> None:
    text = array_literal(np.array(values, dtype=np.int64), indent)
    assert all(len(line) <= 120 and line.startswith(" " * indent) for line in text.splitlines())
    assert [eval(item.strip()) for item in text.rstrip(",").split(",")] == values


def test_the_smallest_integers_keep_their_type() -> None:
    assert array_literal(np.array([-(2**31), 5], dtype=np.int32), 0) == "(-2147483647 - 1), 5,"


def test_a_comment_cannot_be_closed_from_inside() -> None:
    assert comment("a */ int x;\n/* b") == "a * / int x; / * b"


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("*/\\? \n\r\x1b\u202e"), max_size=40))
def test_a_comment_is_one_line_of_what_can_be_seen(text: str) -> None:
    line = comment(text)
    assert line.isprintable()
    assert not {"*/", "/*", "\\", "??"} & {line[i : i + size] for i in range(len(line)) for size in (1, 2)}


@pytest.mark.parametrize("text", ["/*/", "*\\/", "/\\*", "????/", "a\\"])
def test_what_c_would_put_together_is_taken_apart(text: str) -> None:
    line = comment(text)
    assert "*/" not in line and "/*" not in line and "\\" not in line and "??" not in line


def test_a_name_the_template_needs_and_does_not_get_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render("model_data.h.j2", name="x")
