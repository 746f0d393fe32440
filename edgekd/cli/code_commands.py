"""Commands about generated code: of any integer .tflite, or of a run."""

from pathlib import Path
from typing import Annotated

import typer

from edgekd.cli.options import Board, CodeFolder, Compiler, Json, existing, existing_file, path
from edgekd.cli.output import print_result, say


def codegen(
    model: Annotated[Path, typer.Argument(parser=existing_file, help="int8 .tflite file", metavar="MODEL.tflite")],
    out: Annotated[Path, typer.Option(parser=path, help="folder for the code", metavar="FOLDER")],
    name: Annotated[str | None, typer.Option(help="prefix of its functions; default: that of the file")] = None,
    board: Annotated[str, typer.Option(help="a name that edgekd boards lists")] = "nano33ble",
) -> None:
    """Turn any integer .tflite into plain C, equal to TFLite-Micro to the last bit."""
    from edgekd.program.model_file import read_model_file

    read_model_file(model)  # what is wrong with the file is said before what takes seconds to import
    from edgekd.evaluate.code_folder import write_code

    code = write_code(model, name, board, out)
    kernels = len(code.sources) - 1
    say(f"wrote {out / code.name}.c and .h, {kernels} kernels, an example and a sketch that check themselves")
    say(f"next: edgekd emulate {out}, edgekd verify {out} --random 1000")


def emulate(
    folder: CodeFolder,
    board: Board = None,
    profile: Annotated[bool, typer.Option("--profile", help="layer by layer")] = False,
    picture: Annotated[
        Path | None, typer.Option(parser=path, help="draw the profile: .svg or .png", metavar="FILE")
    ] = None,
    arduino: Annotated[bool, typer.Option("--arduino", help="with the flags of Arduino's core: -Os, softfp")] = False,
    compiler: Compiler = None,
    json_: Json = False,
) -> None:
    """Run code on the emulated board: flash, RAM, stack, cycles, time, energy."""
    from edgekd.deploy.run_model import ms_on
    from edgekd.pipeline.emulation import emulate as measure
    from edgekd.report import measurement_view

    measured = measure(folder, board, profile="arduino" if arduino else "speed", compiler=compiler)
    on_boards = ms_on(folder, measured.board, measured.ms)
    if picture:
        measurement_view.draw(measured, picture)
    result = {**measured.to_dict(), "ms_on": on_boards}
    print_result(result, json_, lambda: say(measurement_view.table(measured, on_boards, layers=profile)))


def verify(
    folder: CodeFolder,
    windows: Annotated[
        Path | None,
        typer.Option(parser=existing_file, help=".npy or .npz with windows [N, ...]", metavar="FILE"),
    ] = None,
    random: Annotated[int, typer.Option(help="draw so many random windows instead", min=0)] = 0,
    board: Board = None,
    compiler: Compiler = None,
    json_: Json = False,
) -> None:
    """Prove that code computes what TFLite-Micro does, on this computer and on the emulated board."""
    from edgekd.evaluate.code_parity import require_equal
    from edgekd.evaluate.code_parity import verify as compare_engines
    from edgekd.report import measurement_view

    result = compare_engines(folder, windows, random, board, compiler=compiler)
    print_result(result.to_dict(), json_, lambda: say(measurement_view.verdicts(result)))
    require_equal(result)


def export(
    source: Annotated[
        Path, typer.Argument(parser=existing, help="finished run, or int8 .tflite file", metavar="RUN|FILE.tflite")
    ],
    as_: Annotated[str, typer.Option("--as", help="arduino, platformio, cmake, zephyr, esp-idf or plain")],
    out: Annotated[Path, typer.Option(parser=path, help="folder for the package", metavar="DIR")],
    model: Annotated[
        str | None, typer.Option(help="candidate of the run, default: the chosen one; name of a .tflite's functions")
    ] = None,
    board: Annotated[str, typer.Option(help="which a .tflite is measured on")] = "nano33ble",
) -> None:
    """Write a model as a package for a build system: code, kernels, README, license, vectors and a self-test."""
    from edgekd.evaluate.exporting import export_package

    folder = export_package(source, as_, out, model=model, board=board)
    say(f"wrote {folder}; its README.md says how to use and test it")


COMMANDS = (codegen, emulate, verify, export)
