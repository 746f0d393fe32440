"""Augmentation: what is changed, by how much, and what is left alone."""

from typing import Any

import numpy as np
import pytest
from data_sections import windows

from edgekd.contracts.config import Augment, check
from edgekd.contracts.yamlfile import Document
from edgekd.data.augment import augmented

COLUMNS = ("v", "a", "x", "y", "z")
RAW = np.random.default_rng(0).normal(size=(50, 30, 5)).astype(np.float32)
TRAIN = windows(RAW, np.arange(50, dtype=np.float32)[:, None])


def changed(**settings: Any) -> np.ndarray:
    """The first copies of the windows."""
    both = augmented(TRAIN, COLUMNS, Augment(**settings), seed=1)
    np.testing.assert_array_equal(both.raw[:50], RAW)
    np.testing.assert_array_equal(both.target[:, 0], np.tile(np.arange(50), len(both) // 50))
    assert len(both.mask) == len(both.group) == len(both)
    return both.raw[50:100]


def test_nothing_is_changed_unless_it_is_asked() -> None:
    assert augmented(TRAIN, COLUMNS, Augment(), seed=1) is TRAIN
    assert augmented(TRAIN, COLUMNS, Augment(copies=0, offset={"v": 1.0}), seed=1) is TRAIN
    assert len(augmented(TRAIN, COLUMNS, Augment(copies=3, offset={"v": 1.0}), seed=1)) == 200


def test_offsets_and_scales_are_of_whole_windows_and_of_named_columns() -> None:
    away = changed(offset={"a": 0.3}) - RAW
    assert np.ptp(away[:, :, 1], axis=1).max() < 1e-5 and 0.2 < np.abs(away[:, 0, 1]).max() <= 0.3
    assert not away[:, :, [0, 2, 3, 4]].any()
    factor = changed(scale={"v": 0.1})[:, :, 0] / RAW[:, :, 0]
    assert np.ptp(factor, axis=1).max() < 1e-4 and 0.9 <= factor.min() < factor.max() <= 1.1


def test_jitter_is_of_every_sample() -> None:
    away = (changed(jitter={"v": 0.5}) - RAW)[:, :, 0]
    assert away.std() == pytest.approx(0.5, rel=0.1) and np.ptp(away, axis=1).min() > 0.5


def test_mirrored_columns_change_their_sign_together() -> None:
    copies = changed(mirror=[["x", "z"]])
    sign = copies[:, :, 2] / RAW[:, :, 2]
    np.testing.assert_allclose(np.abs(sign), 1)
    np.testing.assert_allclose(copies[:, :, 4], RAW[:, :, 4] * sign)
    assert 10 < (sign[:, 0] < 0).sum() < 40
    np.testing.assert_array_equal(copies[:, :, 3], RAW[:, :, 3])


def test_rotations_keep_lengths_and_angles() -> None:
    copies = changed(rotate=[["x", "y", "z"]], rotate_degrees=30.0)[:, :, 2:]
    np.testing.assert_allclose(np.linalg.norm(copies, axis=2), np.linalg.norm(RAW[:, :, 2:], axis=2), rtol=1e-5)
    cosine = (copies * RAW[:, :, 2:]).sum(2) / np.linalg.norm(copies, axis=2) / np.linalg.norm(RAW[:, :, 2:], axis=2)
    assert np.cos(np.radians(30)) - 1e-5 <= cosine.min() < 0.95
    first, second = copies[:, 0], copies[:, 1]
    was = (RAW[:, 0, 2:] * RAW[:, 1, 2:]).sum(1)
    np.testing.assert_allclose((first * second).sum(1), was, atol=1e-5)


@pytest.mark.parametrize(
    ("augment", "where", "words"),
    [
        ({"offset": {"zz": 1.0}}, "augment", "'zz' is none of data.inputs: a, b"),
        ({"offset": {"a": 0}}, "augment.offset.a", "greater than 0"),
        ({"mirror": [["a"], ["a"]]}, "augment.mirror", "has an entry twice"),
        ({"rotate": [["a", "b"]]}, "augment.rotate.0", "at least 3"),
        ({"copies": 99}, "augment.copies", "less than or equal to 16"),
        ({"noise": {}}, "augment.noise", "unknown key"),
    ],
)
def test_mistakes(augment: dict[str, Any], where: str, words: str) -> None:
    data = {"series": "s", "order": "o", "inputs": ["a", "b"], "window": 50}
    config, mistakes = check(Document({"name": "x", "data": data, "task": {"estimate": "c"}, "augment": augment}))
    assert config is None
    assert words in {".".join(map(str, at)): what for _, at, what in mistakes}.get(where, "")
