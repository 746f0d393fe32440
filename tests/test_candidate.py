import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.candidate import Candidate
from edgekd.errors import ConfigError

candidates = st.builds(
    Candidate,
    kind=st.sampled_from(["liquid", "gru", "mlp", "tcn"]),
    hidden=st.integers(1, 512),
    weight_bits=st.sampled_from([4, 8]),
    activation_bits=st.sampled_from([8, 16]),
    sparsity=st.integers(0, 99).map(lambda per_cent: per_cent / 100),
    blocks=st.integers(0, 99).map(lambda per_cent: per_cent / 100),
)


@given(candidates)
def test_a_name_is_read_back(one: Candidate) -> None:
    assert Candidate.parse(one.name) == one
    assert 1 <= one.kept <= one.hidden


@pytest.mark.parametrize("name", ["", "liquid16", "liquid16_w8a16_s100", "Liquid16_w8a16_s50", "liquid16_w8a16_s50\n"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="not a candidate's name"):
        Candidate.parse(name)
