"""Named results: written and read back, and what is said of files that are none."""

import json
from pathlib import Path

import pytest
from report_examples import example
from typer.testing import CliRunner

from edgekd import __version__
from edgekd.cli import app
from edgekd.contracts.errors import DataError
from edgekd.contracts.results import CandidateResult, Refused, Report, read_outcome, read_report, report_path

CONTENTS = {
    "empty": "{}",
    "a list": "[]",
    "cut": '{"edgekd": "0.1.0", "name"',
    "not text": "\udcff",
    "deep": "[" * 100_000,
    "another version": json.dumps({"edgekd": "0.0.7", "name": "battery", "candidates": {"gru": {"native": {}}}}),
}


def run_with(folder: Path, content: str) -> Path:
    path = report_path(folder)
    path.parent.mkdir(parents=True)
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    return folder


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
@pytest.mark.parametrize(
    "command",
    [
        ["front", "RUN"],
        ["front", "RUN", "--export", "gru4_w8a8_s00"],
        ["report", "RUN"],
        ["predict", "RUN", "table.csv"],
        ["validate", "RUN"],
        ["emulate", "RUN"],
        ["flash", "RUN"],
        ["flash", "RUN", "--board", "virtual"],
        ["compare", "RUN", "RUN"],
    ],
    ids=" ".join,
)
def test_a_report_that_is_none_is_named_by_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], content: str
) -> None:
    run_with(tmp_path / "run", content)
    (tmp_path / "run" / "manifest.json").write_text("{}")
    (tmp_path / "table.csv").write_text("cell_id,cycle\n")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, [word.replace("RUN", "run") for word in command])
    assert isinstance(result.exception, DataError), result.exception
    assert "report.json" in str(result.exception)
    assert "edgekd compress again" in str(result.exception.hint)


def test_the_version_that_wrote_a_report_is_named(tmp_path: Path) -> None:
    run_with(tmp_path, CONTENTS["another version"])
    with pytest.raises(DataError) as caught:
        read_report(tmp_path)
    assert f"edgekd 0.0.7 wrote it, this is {__version__}" in str(caught.value.hint)


def test_a_report_is_read_back_as_it_was(tmp_path: Path) -> None:
    report = Report.parse(example())
    run_with(tmp_path, report.to_json())
    assert read_report(tmp_path) == report
    assert read_report(tmp_path).to_json() == report.to_json()


def test_a_result_of_the_search_is_read_back_as_it_was(tmp_path: Path) -> None:
    candidate = Report.parse(example()).candidates[0]
    result = CandidateResult(float=candidate.float_, **{
        name: getattr(candidate, name) for name in CandidateResult.model_fields if name != "float_"
    })  # fmt: skip
    path = tmp_path / "score.json"
    for outcome in (result, Refused(refused="too large")):
        path.write_text(outcome.to_json())
        assert read_outcome(path) == outcome
    path.write_text('{"refused": 1}')
    with pytest.raises(DataError, match=r"score\.json"):
        read_outcome(path)


def test_every_score_has_one_error_that_is_made_small() -> None:
    report = Report.parse(example())
    assert report.chosen.val.error == report.chosen.val.mae
    assert report.best_baseline[0] == min(report.baselines, key=lambda name: report.baselines[name].test.error)
