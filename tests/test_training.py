from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import small_run
import torch

from edgekd.contracts.batch import Batch, student_of
from edgekd.contracts.candidate import Candidate
from edgekd.contracts.config import load_config
from edgekd.contracts.declarations import distillation_losses
from edgekd.data import prepared as prepare
from edgekd.evaluate import training
from edgekd.evaluate.training import Trainer
from edgekd.run import read_json
from edgekd.search.batches import divide


def named(*names: str) -> list[Candidate]:
    return [Candidate.parse(name) for name in names]


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    """A teacher that was hardly taught."""
    folder = tmp_path_factory.mktemp("trainer")
    config = load_config(small_run.write(folder, teacher="{kind: gru, hidden: 4, members: 2, epochs: 1}"))
    for name in ("data", "teacher"):
        (folder / name).mkdir()
    prepare.prepare(config, folder / "data")
    prepared = prepare.load_prepared(folder / "data")
    training.train_teacher(config, prepared, folder / "teacher")
    return Trainer(config, prepared, training.load_teacher(config, prepared, folder / "teacher"))


def widths(found: Sequence[Batch]) -> list[list[int]]:
    return [[one.hidden for one in batch.candidates] for batch in found]


def test_batches_are_of_one_kind_patch_and_number_of_steps() -> None:
    ours = named("gru4_w8a8_s00", "mlp4_w8a8_s00", "gru4_w8a8_s00_p10", "liquid4_w8a8_s00_e2", "liquid4_w8a8_s00_e1")
    found = divide(ours, "000", [0])
    assert sorted(one.name for batch in found for one in batch.candidates) == sorted(one.name for one in ours)
    assert len(found) == len({batch.name for batch in found}) == 5


def test_batches_are_cut_by_width_where_padding_costs_more_than_calls() -> None:
    narrow = named(*(f"gru4_w8a{bits}_s{share}" for bits in (8, 16) for share in ("00", "25", "50")))
    wide = named("gru64_w8a8_s00", "gru64_w8a16_s00")
    assert widths(divide([*wide, *narrow], "000", [0])) == [[4] * 6, [64] * 2]
    assert widths(divide(named("gru4_w8a8_s00", "gru8_w8a8_s00"), "000", [0])) == [[4, 8]]
    assert widths(divide(named("gru16_w8a8_s00", "gru32_w8a8_s00"), "000", [0])) == [[16, 32]]
    assert widths(divide(named("gru16_w8a8_s00", "gru32_w8a8_s00"), "000", [0, 1, 2])) == [[16], [32]]


def test_students_are_shared_by_what_is_student_index_them() -> None:
    batch = Batch(
        name="x",
        candidates=tuple(named("gru8_w8a8_s00", "gru8_w8a16_s50", "gru8_w8a8_s00_mse", "gru4_w8a8_s00")),
        seeds=(0, 1),
    )
    assert len(batch.members) == 8
    assert [(one.name, seed) for one, seed in batch.students] == [
        (name, seed) for name in ("gru8_w8a8_s00", "gru8_w8a8_s00_mse", "gru4_w8a8_s00") for seed in (0, 1)
    ]
    assert batch.student_index == [0, 1, 0, 1, 2, 3, 4, 5]


def test_of_several_seeds_the_best_on_validation_stays(trainer: Trainer, tmp_path: Path) -> None:
    batch = Batch(name="x", candidates=tuple(named("mlp4_w8a8_s00", "mlp4_w8a16_s50")), seeds=(0, 1, 2))
    trainer.train(batch, tmp_path)
    chosen = {name: one["seed"] for name, one in read_json(tmp_path / "members.json").items()}
    for one in batch.candidates:
        errors = []
        for seed in batch.seeds:
            members = [(one, seed)]
            students, _ = trainer._stage1([(student_of(one), seed)], 1)
            errors.append(float(trainer._stage2(students, [0], members, 1)[2]))
        assert chosen[one.name] == batch.seeds[errors.index(min(errors))]
    found = training.load_batch(trainer.config, trainer.prepared, batch, tmp_path)
    assert [int(live.sum()) for live in found.compressed.unit_mask] == [4, 2]
    assert [found.stage1.seeds[at] for at in found.stage1_of] == [chosen[one.name] for one in batch.candidates]


def test_what_the_search_varies_trains_together_as_alone(trainer: Trainer) -> None:
    ours = named("gru4_w8a8_s00_r1", "gru4_w8a16_s00_r2_mem", "gru4_w8a8_s50_r2_cos_t50", "gru3_w8a8_s00_r2_muon")
    together, errors = trainer._stage1([(one, 0) for one in ours], 1)
    for member, one in enumerate(ours):
        alone, error = trainer._stage1([(one, 0)], 1)
        torch.testing.assert_close(errors[member : member + 1], error, rtol=1e-4, atol=1e-5)
        for name, value in alone.extract(0).items():
            torch.testing.assert_close(together.extract(member)[name], value, rtol=1e-3, atol=1e-4)


def test_a_patch_of_another_length_has_the_memory_of_the_same_samples(trainer: Trainer) -> None:
    prepared = trainer.prepared_loss("memkd", 10)
    changes, pairs = prepared.teacher, prepared.pairs
    assert pairs.max() == 4  # five steps of ten samples
    assert changes.shape[2] == pairs.shape[1]
    assert trainer.examples("train", 10).relative.shape[1] == 5
    (error,) = trainer._stage1([(named("gru4_w8a8_s00_p10_mem")[0], 0)], 1)[1]
    assert 0 < float(error) < 10


@pytest.mark.parametrize("code", [loss.code for loss in distillation_losses().values() if "forecast" in loss.tasks])
def test_every_loss_trains_students_whose_patch_is_not_the_teachers(trainer: Trainer, code: str) -> None:
    members = [(candidate, 0) for candidate in named(f"cfc4_w8a8_s00_p10_{code}")]
    (error,) = trainer._stage1(members, 1)[1]
    assert 0 < float(error) < 10


def test_an_ablation_has_an_error_for_each_seed_and_what_is_left_out(trainer: Trainer) -> None:
    batch = Batch(name="x", candidates=tuple(named("mlp4_w8a8_s50")), seeds=(0, 1))
    found = trainer.ablate(batch)["mlp4_w8a8_s50"]
    assert set(found) == {"nothing", "stage 2", "distillation"}
    assert all(len(errors) == 2 and min(errors) > 0 for errors in found.values())
    students, _ = trainer._stage1(batch.students, 1)
    recovered, quantizer, _ = trainer._stage2(students, batch.student_index, batch.members, 1)
    errors = trainer._errors(recovered, batch.candidates[0], quantizer)
    assert found["nothing"] == pytest.approx(errors)
    targets_alone = [(replace(one, target_weight=1.0), seed) for one, seed in batch.students]
    without, _ = trainer._stage1(targets_alone, 1)
    assert not torch.equal(without.extract(0)["out_weight"], students.extract(0)["out_weight"])
