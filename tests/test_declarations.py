"""What modules declare about themselves is found without torch, and is what the modules hold."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from edgekd.contracts.candidate import Candidate
from edgekd.contracts.config import load_config
from edgekd.contracts.declarations import PACKAGE, ModelKind, _declared, distillation_losses, model_kinds
from edgekd.contracts.errors import ConfigError
from edgekd.distill import losses
from edgekd.models.kinds import KINDS


def test_every_declared_kind_has_its_network_and_a_mark_of_its_own() -> None:
    kinds = model_kinds()
    assert {"gru", "liquid", "mlp", "tcn"} <= set(kinds)
    assert {name: (network.kind, network.recurrent) for name, network in KINDS.items()} == {
        name: (name, kind.recurrent) for name, kind in kinds.items()
    }
    for field in ("label", "marker", "color", "dark_color"):
        values = [getattr(kind, field) for kind in kinds.values()]
        assert len(set(values)) == len(values), field
    assert all(
        re.fullmatch("#[0-9a-f]{6}", color) for kind in kinds.values() for color in (kind.color, kind.dark_color)
    )


def test_every_module_of_losses_declares_one_and_names_candidates_by_its_code() -> None:
    declared = distillation_losses()
    modules = {path.stem for path in (PACKAGE / "distill" / "losses").glob("*.py")} - {"__init__", "loss_step"}
    assert set(declared) == modules
    assert len({loss.code for loss in declared.values()}) == len(declared)
    for name, loss in declared.items():
        assert callable(losses.function_of(name))
        candidate = Candidate(kind="gru", hidden=4, weight_bits=8, activation_bits=8, sparsity=0.0, loss=name)
        assert candidate.name == f"gru4_w8a8_s00_{loss.code}"
        assert Candidate.parse(candidate.name) == candidate


def test_a_declaration_under_another_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(
        'KIND = ModelKind(name="gru", label="", marker="star", color="", dark_color="", recurrent=True)\n'
    )
    with pytest.raises(ValueError, match="belongs in gru.py"):
        _declared(tmp_path, ModelKind)


def test_a_configuration_is_checked_without_a_framework() -> None:
    code = (
        "import sys; from edgekd.contracts.config import Config; from edgekd.contracts.candidate import Candidate;"
        "sys.exit(bool({'torch', 'onnx', 'tensorflow', 'optuna'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_loss_that_was_renamed_is_told(tmp_path: Path) -> None:
    path = tmp_path / "battery.yaml"
    path.write_text("distill: {stage1: memory}\n")
    with pytest.raises(
        ConfigError, match=r"distill.stage1: should be .*'memkd'.* \(got 'memory'\), which is 'memkd' now"
    ):
        load_config(path)
