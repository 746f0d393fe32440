import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.contracts.candidate import LOSSES, OPTIMIZERS, Candidate
from edgekd.contracts.errors import ConfigError

candidates = st.builds(
    Candidate,
    kind=st.sampled_from(["liquid", "gru", "mlp", "tcn", "cfc"]),
    hidden=st.integers(1, 512),
    weight_bits=st.sampled_from([4, 8]),
    activation_bits=st.sampled_from([8, 16]),
    sparsity=st.integers(0, 99).map(lambda per_cent: per_cent / 100),
    block_sparsity=st.integers(0, 99).map(lambda per_cent: per_cent / 100),
    patch=st.none() | st.integers(1, 4096),
    euler_steps=st.none() | st.integers(1, 16),
    rank=st.none() | st.integers(1, 512),
    loss=st.none() | st.sampled_from(sorted(LOSSES.values())),
    target_weight=st.none() | st.integers(0, 100).map(lambda per_cent: per_cent / 100),
    optimizer=st.none() | st.sampled_from(OPTIMIZERS),
    finetuned=st.booleans(),
)


@given(candidates)
def test_a_name_is_read_back(one: Candidate) -> None:
    assert Candidate.parse(one.name) == one
    assert 1 <= one.units_left <= one.hidden


@pytest.mark.parametrize(
    "name", ["", "liquid16", "liquid16_w8a16_s100", "Liquid16_w8a16_s50", "liquid16_w8a16_s50\n", "gru4_w8a8_s00_r8_p5"]
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="not a candidate's name"):
        Candidate.parse(name)
