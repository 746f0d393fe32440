"""Tasks: what they make of a series, how they encode and decode, and that firmware decodes to the same bits."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekd.contracts.board import load_board, resource
from edgekd.contracts.config import check
from edgekd.contracts.declarations import distillation_losses
from edgekd.contracts.task import TASKS as SECTIONS
from edgekd.contracts.task import ClassifySection, RemainingSection
from edgekd.contracts.yamlfile import Document
from edgekd.data.metrics import majority
from edgekd.emulate.compiler import compile_image
from edgekd.emulate.host import HostLibrary
from edgekd.emulate.machine import Machine
from edgekd.tasks import TASKS, task_from_json, task_of
from edgekd.tasks.classify import Classify
from edgekd.tasks.estimate import Estimate
from edgekd.tasks.float_softmax import exponential, softmax
from edgekd.tasks.forecast import Forecast
from edgekd.tasks.remaining import Remaining

F32 = np.float32
FIRMWARE = resource("firmware")
SOURCES = [FIRMWARE / "kernels" / "edgekd_probabilities.c"]
EXAMPLES = [
    Forecast(column="q", horizon=3),
    Estimate(column="soc"),
    Classify(column="move", classes=("a", "b"), smooth=3),
    Remaining(column="q", until=0.9),
]


def test_every_section_has_a_task_and_every_task_a_loss() -> None:
    assert set(SECTIONS) == set(TASKS)
    for kind in TASKS:
        assert any(kind in loss.tasks for loss in distillation_losses().values())


@pytest.mark.parametrize("task", EXAMPLES, ids=lambda task: task.kind)
def test_a_task_survives_being_written_and_read(task: object) -> None:
    assert task_from_json(task.to_json()) == task  # type: ignore[attr-defined]


def test_tasks_come_from_sections() -> None:
    section = ClassifySection(classify="move", classes=["b", "a"], smooth=5)
    assert task_of(section) == Classify(column="move", classes=("b", "a"), smooth=5)
    assert task_of(RemainingSection(remaining="q", until=0.9)) == Remaining(column="q", until=0.9)


def test_values_decode_to_what_was_encoded() -> None:
    rng = np.random.default_rng(0)
    for task in (EXAMPLES[0], EXAMPLES[1], EXAMPLES[3]):
        target = rng.uniform(1, 9, (20, task.steps)).astype(F32)
        base = rng.normal(size=20).astype(F32)
        again = task.decode(task.encode(target, base, F32(0.7)), base, F32(0.7))
        np.testing.assert_allclose(again, target, rtol=1e-5)


def test_remaining_counts_samples_until_the_last_crossing() -> None:
    value = np.array([1.0, 0.95, 0.89, 0.93, 0.91, 0.88, 0.87, np.nan, 0.86], F32)
    order = np.array([1, 2, 3, 4, 5, 8, 9, 10, 11])
    known = np.isfinite(value)
    labels = Remaining(column="q", until=0.9).labels(order, value, known)
    np.testing.assert_array_equal(labels.target[:6], [7, 6, 5, 4, 3, 0])
    assert labels.known[:6].all() and not labels.known[6:].any() and not labels.bound.any()
    never = Remaining(column="q", until=0.5).labels(order, value, known)
    assert never.bound.all() and never.known.all()
    np.testing.assert_array_equal(never.target[[0, -1]], [11, 1])
    always = Remaining(column="q", until=2.0).labels(order, value, known)
    assert not always.known.any()


def test_a_negative_life_is_none() -> None:
    task = Remaining(column="q", until=0.9)
    assert task.decode(np.array([[-5.0], [2.0]], F32), np.zeros(2, F32), F32(3)).tolist() == [[0.0], [6.0]]


def test_classes_are_encoded_as_one_of_many_and_errors_are_shares() -> None:
    task = Classify(column="move", classes=("a", "b", "c"))
    np.testing.assert_array_equal(
        task.encode(np.array([[2.0], [0.0]], F32), np.zeros(2, F32), F32(1)), [[0, 0, 1], [1, 0, 0]]
    )
    answers = np.array([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]], F32)
    np.testing.assert_array_equal(task.errors(answers, np.array([[1.0], [2.0]], F32)), [[0], [1]])
    assert task.summaries(answers) == [("b",), ("a",)]


def test_majority_is_that_of_the_last_answers_of_a_series() -> None:
    answer, series = np.array([0, 1, 1, 0, 0, 2, 2, 1]), np.array([0, 0, 0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(majority(answer, series, 3), [0, 1, 1, 1, 0, 2, 2, 2])


def test_softmax_is_one() -> None:
    y = np.random.default_rng(0).normal(size=(500, 7)).astype(F32) * np.logspace(-3, 2, 500, dtype=F32)[:, None]
    exact = np.exp(y.astype(np.float64) - y.max(axis=1, keepdims=True))
    exact /= exact.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(softmax(y), exact, atol=3e-7)
    x = np.linspace(-87, 0, 5000, dtype=F32)
    np.testing.assert_allclose(exponential(x), np.exp(x.astype(np.float64)), rtol=3e-7)


FUSED = ("-O3", "-march=haswell", "-ffp-contract=fast")
FAST_MATH = ("-fno-math-errno", "-fno-signed-zeros", "-fno-trapping-math", "-ffinite-math-only", "-fassociative-math",
             "-freciprocal-math")  # fmt: skip
BUILDS = {"plain": (), "fma": FUSED, "fast math": (*FUSED, *FAST_MATH)}


@pytest.fixture(scope="module", params=[*BUILDS, "board"])
def probabilities_in_c(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    folder: Path = tmp_path_factory.mktemp("softmax")
    include = [FIRMWARE / "include"]
    if request.param == "board":
        board = load_board("nano33ble")
        image = compile_image(SOURCES, include, board, folder / "p.elf", entries=["edgekd_probabilities"])
        return Machine(image).call
    if request.param != "plain" and "fma" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("a processor with FMA")
    return HostLibrary(SOURCES, include, folder, flags=BUILDS[request.param]).call


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 12), size=st.sampled_from([1e-3, 1.0, 30.0, 200.0]))
def test_firmware_has_the_same_probabilities_to_the_last_bit(probabilities_in_c, seed, count, size) -> None:  # type: ignore[no-untyped-def]
    y = (np.random.default_rng(seed).normal(size=(8, count)) * size).astype(F32)
    for row, wanted in zip(y.copy(), softmax(y), strict=True):
        probabilities_in_c("edgekd_probabilities", row, count)
        np.testing.assert_array_equal(row, wanted)


DATA = {"series": "s", "order": "o", "inputs": ["a", "b"], "window": 50}
# name: (data, task, other sections, where, words)
REFUSED = {
    "no task": ({}, None, {}, "task", "required key is missing, as task: {forecast"),
    "a text": ({}, "soc", {}, "task", "must be one of forecast, estimate, classify, remaining"),
    "another key": ({}, {"predict": "c"}, {}, "task", "must be one of forecast, estimate"),
    "empty": ({}, {}, {}, "task", "must be one of forecast"),
    "a list": ({}, ["c"], {}, "task", "must be one of forecast"),
    "two tasks": ({}, {"estimate": "c", "classify": "d"}, {}, "task.classify", "unknown key"),
    "estimate nothing": ({}, {"estimate": None}, {}, "task.estimate", "must be text (got None)"),
    "estimate a number": ({}, {"estimate": 5}, {}, "task.estimate", "must be text (got 5)"),
    "estimate an empty name": ({}, {"estimate": ""}, {}, "task.estimate", "at least 1"),
    "estimate an input": ({}, {"estimate": "a"}, {}, "task", "'a' is among data.inputs, so there is nothing"),
    "estimate with horizon": ({}, {"estimate": "c", "horizon": 5}, {}, "task.horizon", "unknown key; known"),
    "estimate until": ({}, {"estimate": "c", "until": 5.0}, {}, "task.until", "unknown key"),
    "estimate the order": ({}, {"estimate": "o"}, {}, "task", "is 'o', the column that is named by data.order"),
    "estimate the series": ({}, {"estimate": "s"}, {}, "task", "is 's', the column that is named by data.series"),
    "forecast without horizon": ({}, {"forecast": "a"}, {}, "task.horizon", "required key is missing"),
    "forecast no horizon": ({}, {"forecast": "a", "horizon": 0}, {}, "task.horizon", "or equal to 1"),
    "forecast half a step": ({}, {"forecast": "a", "horizon": 1.5}, {}, "task.horizon", "valid integer"),
    "forecast too far": ({}, {"forecast": "a", "horizon": 5000}, {}, "task.horizon", "less than or equal to 4096"),
    "forecast the order": ({}, {"forecast": "o", "horizon": 5}, {}, "task", "named by data.order"),
    "forecast classes": ({}, {"forecast": "a", "horizon": 5, "classes": []}, {}, "task.classes", "unknown key"),
    "classify an input": ({}, {"classify": "b"}, {}, "task", "'b' is among data.inputs, so there is nothing"),
    "classify one class": ({}, {"classify": "c", "classes": ["x"]}, {}, "task.classes", "two classes"),
    "classify a class twice": ({}, {"classify": "c", "classes": ["x", "x"]}, {}, "task.classes", "has an entry twice"),
    "classify numbers": ({}, {"classify": "c", "classes": [1, 2]}, {}, "task.classes.0", "must be text (got 1)"),
    "classify a text of classes": ({}, {"classify": "c", "classes": "x"}, {}, "task.classes", "must be a list"),
    "classify too many": ({}, {"classify": "c", "classes": list("a" * 65)}, {}, "task.classes", "at most 64"),
    "classify an empty class": ({}, {"classify": "c", "classes": ["", "x"]}, {}, "task.classes.0", "at least 1"),
    "smooth over two": ({}, {"classify": "c", "smooth": 2}, {}, "task.smooth", "2 must be odd"),
    "smooth over none": ({}, {"classify": "c", "smooth": 0}, {}, "task.smooth", "or equal to 1"),
    "smooth a text": ({}, {"classify": "c", "smooth": "yes"}, {}, "task.smooth", "valid integer"),
    "classify divided": ({"divide_by": 2.0}, {"classify": "c"}, {}, "task", "remove data.divide_by"),
    "remaining divided": ({"divide_by": 2.0}, {"remaining": "a", "until": 1.0}, {}, "task", "remove data.divide_by"),
    "remaining without until": ({}, {"remaining": "a"}, {}, "task.until", "required key is missing"),
    "remaining until a text": ({}, {"remaining": "a", "until": "end"}, {}, "task.until", "valid number"),
    "remaining until infinity": ({}, {"remaining": "a", "until": float("inf")}, {}, "task.until", "finite number"),
    "remaining with horizon": ({}, {"remaining": "a", "until": 1.0, "horizon": 3}, {}, "task.horizon", "unknown key"),
    "old target": ({"target": "a"}, {"estimate": "c"}, {}, "data.target", "is now a key of its own: task: {forecast"),
    "old horizon": ({"horizon": 9}, {"estimate": "c"}, {}, "data.horizon", "stands in the task now"),
    "no series": ({"series": None}, {"estimate": "c"}, {}, "data.series", "must be text"),
    "group a number": ({"group": 3}, {"estimate": "c"}, {}, "data.group", "must be text (got 3)"),
    "series as input": ({"inputs": ["s"]}, {"estimate": "c"}, {}, "data.inputs", "named by series"),
    "group as input": ({"group": "g", "inputs": ["g"]}, {"estimate": "c"}, {}, "data.inputs", "named by group"),
    "order as input": ({"inputs": ["o"]}, {"estimate": "c"}, {}, "data.inputs", "named by order"),
    "order is series": ({"order": "s"}, {"estimate": "c"}, {}, "data.order", "named by series"),
    "ignore is order": ({"ignore": "o"}, {"estimate": "c"}, {}, "data.ignore", "named by order"),
    "slices a text": ({"slices": "g"}, {"estimate": "c"}, {}, "data.slices", "must be a list"),
    "slice twice": ({"slices": ["g", "g"]}, {"estimate": "c"}, {}, "data.slices", "has an entry twice"),
    "slice is order": ({"slices": ["o"]}, {"estimate": "c"}, {}, "data.slices", "named by order"),
    "too many slices": ({"slices": [f"g{i}" for i in range(9)]}, {"estimate": "c"}, {}, "data.slices", "at most 8"),
    "every nothing": ({"every": 0.0}, {"estimate": "c"}, {}, "data.every", "greater than 0"),
    "every below nothing": ({"every": -1.0}, {"estimate": "c"}, {}, "data.every", "greater than 0"),
    "every a word": ({"every": "often"}, {"estimate": "c"}, {}, "data.every", "'often' is no length of time; as 100ms"),
    "every month": ({"every": "1mo"}, {"estimate": "c"}, {}, "data.every", "no length of time"),
    "every zero seconds": ({"every": "0s"}, {"estimate": "c"}, {}, "data.every", "no length of time"),
    "another scaling": ({"scaling": "minmax"}, {"estimate": "c"}, {}, "data.scaling", "'standard' or 'robust'"),
    "class loss for a value": ({}, {"estimate": "c"}, {"distill": {"stage1": "soft_labels"}}, "distill", "not for"),
    "value loss for classes": ({}, {"classify": "c"}, {"distill": {"stage2": "output_l1"}}, "distill", "not for"),
    "searched loss": ({}, {"classify": "c"}, {"search": {"loss": ["output_mse"]}}, "search", "not for classify"),
    "a renamed loss": ({}, {"estimate": "c"}, {"distill": {"stage1": "memory"}}, "distill.stage1", "'memkd' now"),
    "no loss": ({}, {"estimate": "c"}, {"distill": {"stage1": "l3"}}, "distill.stage1", "got 'l3'"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_mistakes_around_tasks_are_told_with_their_place(name: str) -> None:
    data, task, others, where, words = REFUSED[name]
    whole = {"name": "x", "data": {**DATA, **data}, **({} if task is None else {"task": task}), **others}
    config, mistakes = check(Document(whole))
    assert config is None
    told = {".".join(map(str, at)): what for _, at, what in mistakes}
    assert words in told.get(where, ""), told


def test_losses_default_to_those_of_the_task() -> None:
    for task, loss in (({"classify": "c"}, "soft_labels"), ({"estimate": "c"}, "output_l1")):
        config, mistakes = check(Document({"name": "x", "data": DATA, "task": task}))
        assert config is not None and not mistakes
        assert (config.stage_loss("stage1"), config.distill.stage2) == (loss, loss)
