"""A model as a package for a build system: that of a finished run, from raw samples to answers, or any .tflite."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from edgekd import __version__
from edgekd.codegen.c_graph import generate, stored
from edgekd.codegen.c_model import generate_model
from edgekd.codegen.c_names import model_name
from edgekd.codegen.exports import KINDS, Costs, Exported, package
from edgekd.codegen.sketches import common_values
from edgekd.codegen.write import comment, render
from edgekd.contracts.errors import ConfigError, ToolMissing
from edgekd.contracts.results import Measurement, Parity, read_report
from edgekd.data.prepared import load_prepared
from edgekd.data.windows import evenly_spaced
from edgekd.deploy.run_model import choose
from edgekd.evaluate.code_folder import load_code, write_code
from edgekd.evaluate.firmware import SELF_TEST_WINDOWS, self_test_vectors
from edgekd.program import reference
from edgekd.program.graph_inputs import random_inputs
from edgekd.program.model_file import read_model_file
from edgekd.program.package import load_model
from edgekd.program.reader import read_tflite
from edgekd.run import write_files

EXACT = ("twin_tflm", "twin_host", "twin_board")
"""Pairs of engines that have to agree to the last bit."""


def export_package(source: Path, kind: str, out: Path, *, model: str | None = None, board: str = "nano33ble") -> Path:
    """Write the package of a run's model, or of a .tflite file, into a folder below `out` that bears its name.

    model: another candidate than the chosen one; board: which a .tflite file is measured on. Returns the folder.
    Raises ConfigError for another kind or candidate, ModelError for a file that cannot be used.
    """
    if kind not in KINDS:
        raise ConfigError(f"--as {kind} is not known", hint=f"one of {', '.join(KINDS)}")
    exported = _of_run(source, model) if source.is_dir() else _of_file(source, model, board)
    folder = out / exported.name
    write_files(folder, package(exported, kind))
    return folder


def _of_run(run: Path, candidate: str | None) -> Exported:
    chosen, report = choose(run, model=candidate), read_report(run)
    model = load_model(chosen.model)
    code = generate_model(model)
    raw = evenly_spaced(load_prepared(run / "data").windows["val"].raw, SELF_TEST_WINDOWS)
    values = common_values(model, self_test_vectors(chosen.model, raw))
    reported = report.candidate(chosen.candidate)
    assert reported is not None  # `choose` has looked
    files = dict(code.files) | {
        f"{code.name}_test_vectors.h": render("self_test.h.j2", **values),
        **_self_test(code.name, "export_model_self_test.c.j2", values),
    }
    columns = ", ".join(column["title"] for column in values["columns"])
    return Exported(
        name=code.name,
        about=comment(f"{code.name}: {chosen.candidate}, {model.kind} of {report.target}"),
        files=files,
        models={f"{graph}.tflite": content for graph, content in model.graphs().items()},
        computes=(
            f"After {values['window']} samples of {columns} it answers with {values['outputs']} "
            f"value{'s' if values['outputs'] > 1 else ''} of {report.target}"
            + (f", in {values['unit']}" if values["unit"] else "")
            + f". Error on validation groups: {reported.val.error:.4g}"
            + (f", on test groups: {reported.test.error:.4g}" if reported.test else "")
            + " (as in the report of the run)."
        ),
        api=(
            f"void {code.name}_init({code.name}_state *s);                          /* forget all samples */\n"
            f"void {code.name}_push({code.name}_state *s, const float *sample);     /* one sample, raw units */\n"
            f"edgekd_status {code.name}_predict(const {code.name}_state *s, float *out); "
            "/* EDGEKD_NOT_READY before a whole window */"
        ),
        verified=_verified(report.parity_by_candidate.get(chosen.candidate)),
        tests=len(raw),
        costs=_costs(reported.measured),
        unmeasured="the board of the run is not emulated",
    )


def _of_file(path: Path, name: str | None, board: str) -> Exported:
    content = read_model_file(path)
    program = read_tflite(content)
    code = generate(program, model_name(name or path.stem))
    window = random_inputs(program, 1)
    outputs = [value[0] for value in reference.run(program, window)]
    vectors = f"{code.name}_vectors.h"
    values = {
        "version": __version__,
        "name": code.name,
        "inputs": stored("input", code.inputs, [value[0] for value in window]),
        "outputs": stored("output", code.outputs, outputs),
        "has_state": code.init is not None,
    }
    files = dict(code.files) | {vectors: render("native_vectors.h.j2", **values)}
    files |= _self_test(code.name, "export_graph_self_test.c.j2", values)
    costs, unmeasured = None, ""
    try:
        costs = _costs(_measured(path, code.name, board))
    except ToolMissing as error:
        unmeasured = str(error)
    return Exported(
        name=code.name,
        about=comment(f"{code.name}: the network of {path.name}, {code.macs:,} multiply-adds"),
        files=files,
        models={f"{code.name}.tflite": content},
        computes=f"What TFLite-Micro computes from `model/{code.name}.tflite`, on its integers.",
        api=f"/* {code.name}_run(workspace, inputs ..., outputs ...): see {code.name}.h */",
        verified="Stored window: computed by edgekd's reference interpreter. `edgekd verify` compares more of them.",
        tests=1,
        costs=costs,
        unmeasured=unmeasured,
    )


def _self_test(name: str, template: str, values: Mapping[str, object]) -> dict[str, str | bytes]:
    return {
        f"{name}_self_test.h": render("export_self_test.h.j2", name=name),
        f"{name}_self_test.c": render(template, **values),
    }


def _measured(path: Path, name: str, board: str) -> Measurement:
    with tempfile.TemporaryDirectory(prefix="edgekd-") as folder:
        code = Path(folder) / "code"
        write_code(path, name, board, code)
        return load_code(code, board).measure(Path(folder))


def _costs(measured: Measurement | None) -> Costs | None:
    if measured is None:
        return None
    return Costs(
        flash_bytes=measured.flash_above_empty_bytes,
        ram_bytes=measured.ram_bytes,
        stack_bytes=measured.stack_bytes,
        cycles=measured.cycles,
        ms=measured.ms,
        how=f"Emulated {measured.board}, {measured.compiler}. {measured.note[:1].upper()}{measured.note[1:]}.",
    )


def _verified(parity: Parity | None) -> str:
    if parity is None:
        return "Not compared on this candidate yet: `edgekd front RUN --export NAME` does it."
    lines = [
        f"- {pair.label}: {pair.equal:,} of {pair.windows:,} windows equal to the last bit"
        for name, pair in parity.items()
        if name in EXACT
    ]
    return "\n".join(["On every validation and test window, from raw samples to answers:", "", *lines])
