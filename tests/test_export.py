import functools
import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from model_folders import make_model_folder, preprocess, windows

from edgekd.contracts.board import load_board
from edgekd.contracts.errors import ModelError
from edgekd.evaluate.firmware import run_native
from edgekd.export.model import load_member, onnx_runner
from edgekd.export.tflite import float_tflite, quantized_tflite
from edgekd.models.fake_quant import FakeQuantizer
from edgekd.models.kinds import KINDS, build
from edgekd.models.population import Population, Shape
from edgekd.program import reference
from edgekd.program.interpreters import Tflite, TfliteMicro
from edgekd.program.package import TFLM, Deployed, Forecaster, Runner, load_model, unroll
from edgekd.program.reader import read_tflite

ALL = pytest.mark.parametrize(("kind", "bits"), [(k, b) for k in KINDS for b in (8, 16)])
REL, LVL, BASE = preprocess().transform(windows(300, seed=3))


@functools.cache
def model_folder(kind: str, bits: int) -> Path:
    return make_model_folder(Path(tempfile.mkdtemp(prefix="edgekd-")), kind, bits)


def by_torch(population: Population) -> np.ndarray:
    with torch.no_grad():
        y: np.ndarray = population(torch.from_numpy(REL), torch.from_numpy(LVL), FakeQuantizer.off())[0][0].numpy()
    return y


@ALL
def test_the_twin_equals_tflite_micro_over_whole_windows(kind: str, bits: int) -> None:
    model = load_model(model_folder(kind, bits))
    ours = Forecaster(model, lambda content: lambda x: reference.run(read_tflite(content), x)).integers(REL, LVL)
    theirs = Forecaster(model, lambda content: TfliteMicro(content).run).integers(REL, LVL)
    assert ours.dtype == f"int{bits}"
    assert np.array_equal(ours, theirs)
    assert len(np.unique(ours)) > 20  # not stuck


def before_september_2024(content: bytes) -> Runner:
    """FULLY_CONNECTED as TFLite-Micro computed it until September 2024: the first scale counts for all channels."""
    program = read_tflite(content)
    tensors = list(program.tensors)
    for op in program.ops:
        if op.kind == "FULLY_CONNECTED":
            weight = tensors[op.inputs[1]]
            assert weight.quantization is not None
            first = replace(weight.quantization, scale=weight.quantization.scale[:1], zero_point=np.zeros(1, np.int64))
            tensors[op.inputs[1]] = replace(weight, quantization=first)
    return functools.partial(reference.run, replace(program, tensors=tuple(tensors)))


@ALL
def test_old_and_new_tflite_micro_agree_on_what_the_sketch_carries(kind: str, bits: int) -> None:
    native, micro = (load_model(folder) for folder in (model_folder(kind, bits), model_folder(kind, bits) / TFLM))
    new = Forecaster(micro, lambda content: TfliteMicro(content).run).integers(REL, LVL)
    assert np.array_equal(Forecaster(micro, before_september_2024).integers(REL, LVL), new)
    assert len(np.unique(new)) > 20  # not stuck
    per_channel = Forecaster(native, lambda content: TfliteMicro(content).run).integers(REL, LVL)
    assert not np.array_equal(Forecaster(native, before_september_2024).integers(REL, LVL), per_channel)


@pytest.mark.parametrize("bits", [4, 8])
def test_what_the_sketch_carries_has_one_scale_for_each_fully_connected_matrix(bits: int, tmp_path: Path) -> None:
    folder = make_model_folder(tmp_path, "gru", 8, weight_bits=bits)
    for content in load_model(folder / TFLM).graphs().values():
        program = read_tflite(content)
        matrices = [program.tensors[op.inputs[1]] for op in program.ops if op.kind == "FULLY_CONNECTED"]
        assert matrices
        assert all(len(one.quantization.scale) == 1 for one in matrices if one.quantization)
        assert {one.dtype for one in matrices} == {f"int{bits}"}


@pytest.mark.parametrize(
    ("kind", "bits", "euler_steps"), [("cfc", 8, 1), ("cfc", 16, 1), ("liquid", 8, 1), ("liquid", 16, 2)]
)
def test_liquid_cells_are_equal_on_every_rung(kind: str, bits: int, euler_steps: int, tmp_path: Path) -> None:
    """The reference, C on this computer and the emulated board; TFLite-Micro is compared above."""
    folder = make_model_folder(tmp_path, kind, bits, euler_steps=euler_steps)
    raw = windows(100, seed=3)
    relative, level, _ = preprocess().transform(raw)
    model = load_model(folder)
    wanted = Forecaster(model, lambda content: lambda x: reference.run(read_tflite(content), x)).integers(
        relative, level
    )
    by_engine = run_native(folder, raw, load_board("nano33ble"))
    assert len(by_engine) == 2
    for answers in by_engine.values():
        assert np.array_equal(answers.integers, wanted[: len(answers.integers)])
    assert len(np.unique(wanted)) > 20


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("options", [{"weight_bits": 4}, {"euler_steps": 2}, {"patch": 2}, {"patch": 20}])
def test_the_twin_equals_tflite_micro_for_every_option(kind: str, options: dict[str, int], tmp_path: Path) -> None:
    model = load_model(make_model_folder(tmp_path, kind, 8, **options))  # type: ignore[arg-type]
    constants = replace(preprocess(), patch=options.get("patch", preprocess().patch))
    relative, level, _ = constants.transform(windows(100, seed=3))
    ours = Forecaster(model, lambda content: lambda x: reference.run(read_tflite(content), x)).integers(relative, level)
    theirs = Forecaster(model, lambda content: TfliteMicro(content).run).integers(relative, level)
    assert np.array_equal(ours, theirs)
    if "weight_bits" in options:
        programs = [read_tflite(one) for one in model.graphs().values()]
        narrow = [t.dtype for one in programs for t in one.tensors if t.data is not None and len(t.shape) > 1]
        assert "int4" in narrow


@ALL
def test_the_integer_model_is_near_the_float_one(kind: str, bits: int) -> None:
    folder = model_folder(kind, bits)
    integer = Forecaster(load_model(folder), lambda content: TfliteMicro(content).run)(REL, LVL)
    away = np.abs(integer - by_torch(load_member(folder)))
    inside = np.abs(REL).max(axis=(1, 2)) < 3  # spikes beyond the ranges of the fixture saturate
    spread = np.ptp(by_torch(load_member(folder)))
    assert away[inside].mean() < spread * (0.05 if bits == 8 else 0.005)


@ALL
def test_float_engines_agree(kind: str, bits: int) -> None:
    folder = model_folder(kind, bits)
    member = load_member(folder)
    units = int(member.unit_mask.sum())
    wanted = by_torch(member)
    for runner in (
        lambda name: onnx_runner(folder / f"{name}.onnx"),
        lambda name: Tflite((folder / f"{name}_float.tflite").read_bytes()).run,
    ):
        cell = runner("cell") if member.recurrent else None
        np.testing.assert_allclose(unroll(cell, runner("head"), units, REL, LVL), wanted, atol=2e-6)


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("bits", [8, 16])
def test_fake_quantization_is_the_grid_of_the_export(kind: str, bits: int) -> None:
    """Training on the grid sees what the chip computes, to a few steps of the output's grid."""
    shape = Shape(patches=5, columns=2, outputs=7, rank=3)
    population = build(kind, [6], [1], shape)
    quantizer = FakeQuantizer(torch.tensor([8]), torch.tensor([bits]))
    quantizer.observe()
    relative, level, _ = preprocess().transform(windows(64, seed=0))
    with torch.no_grad():
        population(torch.from_numpy(relative), torch.from_numpy(level), quantizer)
        quantizer.freeze()
        seen = population(torch.from_numpy(REL), torch.from_numpy(LVL), quantizer)[0][0].numpy()
    integer = Forecaster(load_model(model_folder(kind, bits)), lambda content: TfliteMicro(content).run)
    step = float(integer._output.quantization.scale[0])
    away = np.abs(integer(REL, LVL) - seen)
    assert away.mean() < 4 * step
    assert away.max() < 16 * step


def test_two_exports_are_equal_byte_for_byte(tmp_path: Path) -> None:
    first, second = (make_model_folder(tmp_path / one, "liquid", 8) for one in "ab")
    contents = [
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (first, second)
    ]
    assert contents[0] == contents[1]


def test_pruned_units_are_gone_from_the_matrices() -> None:
    population = build("gru", [8], [0], Shape(patches=5, columns=2, outputs=7, rank=3))
    population.unit_mask[0, 4:] = 0
    sizes = {i.name: list(i.dims) for i in population.graphs(0)["cell"].graph.initializer}
    assert sizes["cell.update.weight"] == [4, 4 + 4]
    assert sizes["cell.new.bias"] == [4]


def test_a_value_without_a_range_is_named() -> None:
    population = build("mlp", [4], [0], Shape(patches=5, columns=2, outputs=7, rank=0))
    model = population.graphs(0)["head"]
    with pytest.raises(ModelError, match="'state' of the graph has no range"):
        quantized_tflite(float_tflite(model), model, {"input": (-1, 1), "y": (-1, 1)}, (8, 8))


def test_damaged_folders_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    source = model_folder("gru", 16)
    shutil.copytree(source, folder)
    load_model(folder)
    (folder / "cell.tflite").write_bytes((model_folder("gru", 8) / "cell.tflite").read_bytes())
    with pytest.raises(ModelError, match="differ in shape, type or scale"):
        load_model(folder)
    (folder / "cell.tflite").unlink()
    with pytest.raises(ModelError, match="No such file"):
        load_model(folder)
    (folder / "cell.tflite").write_bytes((source / "cell.tflite").read_bytes())
    info = json.loads((folder / "model.json").read_text())
    del info["steps"]
    (folder / "model.json").write_text(json.dumps(info))
    with pytest.raises(ModelError, match="model.json cannot be used"):
        load_model(folder)


def test_a_model_without_a_cell_takes_all_patches_at_once() -> None:
    model = load_model(model_folder("mlp", 8))
    assert isinstance(model, Deployed)
    assert list(model.graphs()) == ["head"]
    program = read_tflite(model.head)
    assert program.tensors[program.inputs[0]].shape == (1, 5 * 2 + 2)
