"""The configuration: what is accepted, what is refused and where, and that no file whatever ends in a traceback."""

import math
import os
import threading
from copy import deepcopy
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from edgekd.contracts.config import ColumnSplit, Config, check, dump_config, load_config
from edgekd.contracts.errors import ConfigError
from edgekd.contracts.examples import example
from edgekd.contracts.yamlfile import LARGEST_FILE_BYTES, Document, dump_yaml, read_yaml

BATTERY = example("forecast", "battery")


def load(folder: Path, text: str | bytes) -> Config:
    path = folder / "battery.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_config(path)


def mistakes(folder: Path, text: str | bytes) -> list[str]:
    """The lines of the message that name a place, without the folder."""
    with pytest.raises(ConfigError) as found:
        load(folder, text)
    return [line.removeprefix(f"{folder}/") for line in str(found.value).splitlines() if line.startswith(str(folder))]


def scalar(folder: Path, text: str) -> object:
    path = folder / "scalar.yaml"
    path.write_text(f"a: {text}\n")
    return read_yaml(path).value["a"]


def test_defaults_and_folder(tmp_path: Path) -> None:
    config = load(tmp_path, BATTERY)
    assert (config.data.patch, config.data.level, config.data.train_stride) == (5, 9, 2)
    assert config.base_dir == tmp_path
    assert load(tmp_path, BATTERY.replace("stride: 10", "stride: 3")).data.train_stride == 1
    assert load(tmp_path, BATTERY.replace("stride: 10", "stride: 3\n  train_stride: 7")).data.train_stride == 7
    column = load(tmp_path, BATTERY.replace("{val: 0.15, test: 0.25}", "{column: part, train: 1, test: 2}"))
    assert column.data.split == ColumnSplit(column="part", train=1, test=2, val=0.2)


def test_a_configuration_cannot_be_changed(tmp_path: Path) -> None:
    config = load(tmp_path, BATTERY)
    with pytest.raises(ValidationError, match="frozen"):
        config.data.window = 50


def test_what_is_written_reads_back_equal(tmp_path: Path) -> None:
    config = load(tmp_path, BATTERY)
    text = dump_config(config)
    assert load(tmp_path, text) == config
    assert str(tmp_path) not in text


def test_a_byte_order_mark_and_other_line_ends(tmp_path: Path) -> None:
    assert load(tmp_path, b"\xef\xbb\xbf" + BATTERY.encode()) == load(tmp_path, BATTERY.replace("\n", "\r\n"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("on", "on"), ("yes", "yes"), ("true", True), ("FALSE", False), ("~", None), ("", None),
        ("1e-3", 1e-3), ("1E3", 1e3), (".5", 0.5), ("1.", 1.0), ("010", 10), ("0x1F", 31), ("0o17", 15), ("-7", -7),
        ("1_000", "1_000"), ("1_", "1_"), ("0x", "0x"), ("12:30", "12:30"), ("2026-01-01", "2026-01-01"), ("=", "="),
        (".inf", math.inf), ("-.INF", -math.inf), ("1e999", math.inf), ("'1'", "1"), ('"true"', "true"),
        ("9" * 41, "9" * 41), ("|\n  5", "5\n"),
    ],
)  # fmt: skip
def test_scalars_of_yaml_1_2(tmp_path: Path, text: str, value: object) -> None:
    found = scalar(tmp_path, text)
    assert found == value
    assert type(found) is type(value)


def test_nan_is_read_and_refused(tmp_path: Path) -> None:
    for text in (".nan", ".NaN", ".NAN"):
        assert math.isnan(scalar(tmp_path, text))  # type: ignore[arg-type]
    assert mistakes(tmp_path, BATTERY.replace("latency_ms: 50", "latency_ms: .NaN")) == [
        "battery.yaml:20:60: budget.latency_ms: should be a finite number (got nan)"
    ]


REFUSED = {
    "an infinite limit": ("latency_ms: 50", "latency_ms: .inf", "20:60: budget.latency_ms: should be a finite"),
    "two sparsities of one name": ("[0.0, 0.5]", "[0.5, 0.501]", "18:22: compress.sparsity: should be whole per cents"),
    "all pruned": ("[0.0, 0.5]", "[0.999]", "18:22: compress.sparsity: should be whole per cents"),
    "too many digits": ("stride: 10", "stride: " + "9" * 5000, "13:11: data.stride: should be a valid integer"),
    "too large": ("stride: 10", "stride: 10000000", "13:11: data.stride: should be less than or equal to 1000000"),
    "no inverse": ("divide_by: 1.1", "divide_by: 1e-60", "9:14: data.divide_by: should be at least 1e-09"),
    "test is train": (
        "{val: 0.15, test: 0.25}", "{column: part, train: a, test: a}", "11:41: data.split.test: is 'a', as train is",
    ),
    "val is test": (
        "{val: 0.15, test: 0.25}", "{column: part, train: a, test: b, val: b}", "11:49: data.split.val: is 'b', as",
    ),
    "a header's name": ("name: battery", "name: string", "2:7: name: 'string' is the name of a C header"),
    "our own headers' name": ("name: battery", "name: edgekd_window", "2:7: name: 'edgekd_window' is the name of"),
    "group as input": ("inputs: [disch", "inputs: [cell_id, disch", "8:11: data.inputs: is 'cell_id', the column"),
    "a tag": ("name: battery", "name: !!python/name:os.system x", "2:1: name: the tag !!python/name:os.system is not"),
    "a harmless tag": ("stride: 10", "stride: !!int '10'", "13:3: data.stride: the tag !!int is not understood"),
    "a list as key": ("stride: 10", "? [a]\n  : b\n  stride: 10", "13:5: data.?: a key must be text"),
    "a float for a count": ("stride: 10", "stride: 10.0", "13:11: data.stride: should be a valid integer (got 10.0)"),
    "true for a count": ("stride: 10", "stride: true", "13:11: data.stride: should be a valid integer (got True)"),
    "one for a list": ("[liquid, gru, mlp]", "gru", "16:19: students.kinds: must be a list, as [a, b] (got 'gru')"),
    "nothing for a section": (
        "teacher: {kind: gru, hidden: 32, members: 4}", "teacher:", "15:9: teacher: must hold `key: value` lines",
    ),
    "key of another section": (
        "board: nano33ble", "window: 5", "3:1: window: unknown key, did you mean 'data.window'?",
    ),
    "a renamed key": (
        "sparsity: [0.0, 0.5]", "blocks: [0.0]", "18:12: compress.blocks: unknown key, did you mean 'block_sparsity'?",
    ),
    "a loss of another task": (
        "stage1: output_l1", "stage1: soft_labels",
        "17:10: distill: stage1: 'soft_labels' is not for forecast; influence, memkd,",
    ),
    "British spelling": (
        "hidden: [4, 8, 16, 32]}", "optimiser: muon}",
        "16:39: students.optimiser: unknown key, did you mean 'optimizer'?",
    ),
    "nothing near": (
        "val: 0.15", "zzz: 0", "11:11: data.split.zzz: unknown key; known are val, test",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_line_and_column(tmp_path: Path, name: str) -> None:
    old, new, message = REFUSED[name]
    assert old in BATTERY
    first = mistakes(tmp_path, BATTERY.replace(old, new, 1))[0]
    assert first.startswith(f"battery.yaml:{message}")


def test_rules_between_keys_are_checked_beside_all_other_mistakes(tmp_path: Path) -> None:
    found = mistakes(tmp_path, BATTERY.replace("window: 100", "window: 52\n  level: 8\n  foo: 1\n  stride: 0", 1))
    assert found == [
        "battery.yaml:4:1: data.patch: 5 does not divide window 52",
        "battery.yaml:13:10: data.level: 8 must be odd and at most window 52",
        "battery.yaml:14:3: data.foo: unknown key; known are table, series, group, order, inputs, divide_by, ignore, "
        "slices, split, window, stride, train_stride, patch, level, scaling, max_gap, every",
        "battery.yaml:16:3: data.stride: the key occurs twice",
    ]


def keys(section: type[BaseModel], at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every key of the configuration by its path, sections included."""
    found = []
    for name, field in section.model_fields.items():
        if not field.exclude:
            found.append((*at, name))
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                found += keys(field.annotation, (*at, name))
    return found


def damaged(tree: dict[str, Any], key: tuple[str, ...], how: str) -> bool:
    """Take a key out, or give it a value of a type that no key has; False when what holds it is damaged already."""
    inner = at_path(tree, key[:-1])
    if inner is None:
        return False
    if how == "missing":
        inner.pop(key[-1], None)
    else:
        inner[key[-1]] = [[{"?": None}]]
    return True


def at_path(tree: Any, key: tuple[str, ...]) -> dict[str, Any] | None:
    for part in key:
        tree = tree.get(part) if isinstance(tree, dict) else None
    return tree if isinstance(tree, dict) else None


def test_every_key_missing_or_of_a_wrong_type_singly_and_in_pairs(tmp_path: Path) -> None:
    """A rule between keys must not fail, nor hide other mistakes, where a key that it reads is not there."""
    whole = load(tmp_path, BATTERY).model_dump(mode="json")
    sections: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for key in keys(Config):
        sections.setdefault(key[:-1], []).append(key)
    tried = [[(key, how)] for key in keys(Config) for how in ("missing", "wrong")]
    for section in sections.values():
        tried += [list(pair) for pair in combinations(product(section, ("missing", "wrong")), 2)]
    for changes in tried:
        tree = deepcopy(whole)
        wrong = [".".join(key) for key, how in changes if damaged(tree, key, how) and how == "wrong"]
        told = [".".join(map(str, at)) for _, at, _ in check(Document(tree))[1]]
        changed = {key for key, _ in changes}
        assert len(changed) < len(changes) or all(any(at.startswith(key) for at in told) for key in wrong), changes


BROKEN_FILES = {
    "control character": (BATTERY.encode() + b"\0", "21: holds the control character U+0000"),
    "not UTF-8": (BATTERY.encode() + b"a: \xff", "21: is not UTF-8 text"),
    "UTF-16": (BATTERY.encode("utf-16"), "1: is not UTF-8 text"),
    "two documents": (BATTERY + "---\na: 1\n", "21:1: not valid YAML: expected a single document"),
    "endless alias": ("a: &a [*a]\n", "1:4: too many, or too deeply nested, values"),
    "alias bomb": (
        "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(f"a{i}: &a{i} [{f'*a{i - 1},' * 9}]\n" for i in range(1, 12)),
        "1:14: too many, or too deeply nested, values",
    ),
    "undefined alias": ("a: *b\n", "1:4: not valid YAML: found undefined alias 'b'"),
    "deep": ("a: " + "[" * 30 + "]" * 30, "1:"),
}


@pytest.mark.parametrize("name", BROKEN_FILES)
def test_files_that_are_no_configuration(tmp_path: Path, name: str) -> None:
    content, message = BROKEN_FILES[name]
    assert mistakes(tmp_path, content)[0].startswith(f"battery.yaml:{message}")


def test_files_without_end_or_without_place(tmp_path: Path) -> None:
    for content, message in (
        ("[" * 20_000, "nested too deeply"),
        ("#" * (LARGEST_FILE_BYTES + 1), f"has more than {LARGEST_FILE_BYTES} bytes"),
        ("", "is empty"),
    ):
        with pytest.raises(ConfigError, match=message):
            load(tmp_path, content)
    for path, message in (
        (Path("/dev/zero"), "has more than"),
        (tmp_path, "Is a directory"),
        (tmp_path / "none", "No such file"),
        (Path("a\0b"), "null byte"),
    ):
        with pytest.raises(ConfigError, match=message):
            load_config(path)


def test_a_configuration_from_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=(BATTERY,))
    writer.start()
    assert load_config(path).name == "battery"
    writer.join()


plain = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False) | st.text(max_size=12)
values = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.dictionaries(st.text(max_size=8), values, min_size=1, max_size=4))
def test_any_value_survives_being_written_and_read(tmp_path: Path, value: dict[str, object]) -> None:
    path = tmp_path / "any.yaml"
    path.write_text(dump_yaml(value), encoding="utf-8", newline="")
    document = read_yaml(path)
    assert document.value == value
    assert not document.problems


pieces = st.sampled_from(
    ["name", "data", "a", ": ", ":", "\n", "  ", "\t", "- ", "[", "]", "{", "}", ",", "&x ", "*x", "!t ", "|", ">", "'"]
    + ['"', "#", "? ", "<<", "---\n", "...\n", "%YAML 9.9\n", "\0", "\x85", "\u2028", "é", "1e5", "~", "@", "`", "\\u"]
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60) | st.lists(pieces, max_size=25).map(lambda parts: "".join(parts).encode()))
def test_no_file_whatever_ends_in_a_traceback(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ConfigError):
        load(tmp_path, content)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, len(BATTERY) - 1), to=pieces, length=st.integers(0, 4))
def test_a_damaged_configuration_is_read_or_refused_with_its_place(
    tmp_path: Path, at: int, to: str, length: int
) -> None:
    try:
        load(tmp_path, BATTERY[:at] + to + BATTERY[at + length :])
    except ConfigError as error:
        assert "battery.yaml" in str(error)  # noqa: PT017
