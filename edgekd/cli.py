"""The command line: parse, call one function, print. Heavy packages are loaded by the command that needs them."""

import contextlib
import json
import math
import os
import sys
import traceback
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgekd import __version__
from edgekd.contracts.errors import EdgekdError

if TYPE_CHECKING:
    from edgekd.contracts.config import Config
    from edgekd.run import Progress

STOPPED = 130
MOST_CANDIDATES = 10_000

app = typer.Typer(
    help="Distil a time-series model until it fits a microcontroller, and prove that the firmware computes it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ConfigFile = Annotated[Path, typer.Argument(help="configuration, made by edgekd init", metavar="NAME.yaml")]
RunFolder = Annotated[Path, typer.Argument(help="folder of a run, as runs/battery", metavar="RUN")]
CodeFolder = Annotated[Path, typer.Argument(help="folder made by edgekd codegen, or of a run", metavar="FOLDER")]
Compiler = Annotated[str | None, typer.Option(help="gcc or zig; default: gcc where it is installed")]
Port = Annotated[str | None, typer.Option(help="serial port; default: the one board that is connected")]
Out = Annotated[Path | None, typer.Option(help="folder of the run; default runs/<name>")]
Candidates = Annotated[int | None, typer.Option(min=1, max=MOST_CANDIDATES, help="default: search.candidates")]
Time = Annotated[str | None, typer.Option(help="search so that all is done by then, as 90s, 10m or 2h")]
Workers = Annotated[int | None, typer.Option(min=1, max=256, help="processes; default: one per core, 2 GB each")]
Storage = Annotated[
    str, typer.Option(help="database that several machines share: postgresql://user:password@host/name")
]
Store = Annotated[str, typer.Option(help="with --storage: folder that all of them reach, or s3://bucket, for models")]
Json = Annotated[bool, typer.Option("--json", help="print JSON on standard output")]


def main() -> None:
    """Run the command line; every error ends in one message and a documented exit code."""
    try:
        if app(standalone_mode=False) == STOPPED:  # what typer makes of a KeyboardInterrupt
            raise KeyboardInterrupt
    except EdgekdError as error:
        _fail(str(error), error.exit_code, error.hint)
    except (KeyboardInterrupt, typer.Abort):
        _fail("stopped; finished pieces are kept, run the same command to go on", STOPPED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        _unexpected(error)


def _unexpected(error: Exception) -> None:
    if hasattr(error, "exit_code") and hasattr(error, "format_message"):  # wrong arguments, found by typer
        _fail(error.format_message(), 2, "edgekd --help")
    if isinstance(error, OSError):
        _fail(f"{error.filename or 'file'}: {error.strerror or error}", 1)
    if os.environ.get("EDGEKD_DEBUG"):
        traceback.print_exc()
    _fail(
        f"internal error: {type(error).__name__}: {error}",
        70,
        "this is a bug: run again with EDGEKD_DEBUG=1 and report it",
    )


def _fail(message: str, code: int, hint: str | None = None) -> None:
    print(f"edgekd: {message}", file=sys.stderr)
    if hint:
        print(f"  hint: {hint}", file=sys.stderr)
    raise SystemExit(code)


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="print the version")] = False) -> None:
    if version:
        print(__version__)
        raise typer.Exit


@app.command()
def init(path: ConfigFile) -> None:
    """Write a commented configuration for the built-in sample."""
    from edgekd.contracts.config import TEMPLATE
    from edgekd.contracts.errors import ConfigError
    from edgekd.run import write_atomic

    if path.exists():
        raise ConfigError(f"{path} exists and is left as it is", hint="choose another name, or remove it")
    name = "".join(c if c.isalnum() and c.isascii() else "_" for c in path.stem.lower())
    name = name if name[:1].isalpha() else f"run_{name}"
    write_atomic(path, TEMPLATE.replace("NAME", name[:32]))
    print(f"wrote {path}; next: edgekd compress {path}")


@app.command()
def check(path: ConfigFile) -> None:
    """Check a configuration and its table: every mistake at once, or what a run will do."""
    from edgekd.contracts.config import dump_config, load_config

    config = load_config(path)
    print(dump_config(config))
    from edgekd.pipeline.prepare import plan

    print(plan(config))


@app.command()
def compress(
    path: ConfigFile,
    out: Out = None,
    candidates: Candidates = None,
    time: Time = None,
    workers: Workers = None,
    storage: Storage = "",
    artifacts: Store = "",
    json_: Json = False,
) -> None:
    """Distil, prune, quantise, export, verify and report: models, firmware and a report in runs/<name>/."""
    config, seconds = _wanted(path, candidates, time)
    folder = out or Path("runs") / config.name
    from edgekd.progress import show

    with show() as progress:
        options = _loaded(progress, workers, storage, artifacts)
        from edgekd import pipeline

        found = pipeline.compress(config, folder, progress, seconds=seconds, **options)
    _print(found, json_, lambda: _print_report(found))
    if not json_:
        print(f"report:   {folder / 'report' / 'report.html'}")
        print(f"firmware: {folder / 'firmware' / found['chosen']['name']}")


@app.command()
def search(
    path: ConfigFile,
    out: Out = None,
    candidates: Candidates = None,
    time: Time = None,
    workers: Workers = None,
    storage: Storage = "",
    artifacts: Store = "",
    resume: Annotated[bool, typer.Option("--resume", help="go on with the search that the folder holds")] = False,
    json_: Json = False,
) -> None:
    """Search alone: the Pareto front on validation; edgekd compress goes on from it. Any number of them may share a
    storage.
    """
    from edgekd.contracts.errors import ConfigError

    config, seconds = _wanted(path, candidates, time)
    folder = out or Path("runs") / config.name
    held = (folder / "search" / "study.db").exists()
    if held and not (resume or storage):
        raise ConfigError(f"{folder} holds a search", hint="--resume goes on with it; or use another --out")
    if resume and not held and not storage:
        raise ConfigError(f"{folder} holds no search to go on with", hint="leave out --resume, or name its --out")
    from edgekd.progress import show

    with show() as progress:
        options = _loaded(progress, workers, storage, artifacts)
        from edgekd import pipeline

        found = pipeline.explore(config, folder, progress, seconds=seconds, **options)
    rows = [one | {"val_mae": one["val"]["mae"]} | one.get("native", {}) for one in found]
    _print(found, json_, lambda: _print_front(rows))
    if not json_:
        print(f"next: edgekd compress {path}, which verifies, chooses and reports")


def _loaded(progress: "Progress", workers: int | None, storage: str, artifacts: str) -> dict[str, Any]:
    """Load what a search needs; how many processes share it, and where they meet."""
    progress.start("loading", 1)
    from edgekd.pipeline.search import Shared
    from edgekd.pipeline.workers import most_workers

    progress.finish()
    return {"workers": workers or most_workers(), "shared": Shared(storage, artifacts)}


def _wanted(path: Path, candidates: int | None, time: str | None) -> "tuple[Config, float]":
    """The configuration with as many candidates as the command line says, and how many seconds there are."""
    from edgekd.contracts.config import load_config

    config = load_config(path)
    wanted = candidates or (MOST_CANDIDATES if time else config.search.candidates)
    config = config.model_copy(update={"search": config.search.model_copy(update={"candidates": wanted})})
    return config, _seconds(time) if time else math.inf


def _seconds(text: str) -> float:
    """Read 90s, 10m or 2h. ConfigError for anything else."""
    from edgekd.contracts.errors import ConfigError

    units = {"s": 1, "m": 60, "h": 3600}
    if not (text[:-1].isdecimal() and text[-1:] in units):
        raise ConfigError(f"--time {text} is no length of time", hint="as 90s, 10m or 2h")
    return float(text[:-1]) * units[text[-1]]


@app.command()
def front(
    folder: RunFolder,
    export: Annotated[str | None, typer.Option(help="build the firmware of this candidate", metavar="NAME")] = None,
    json_: Json = False,
) -> None:
    """Print the Pareto front of a finished run, or build the firmware of one of its points."""
    from edgekd.pipeline import front

    if export:
        from edgekd.progress import show

        with show() as progress:
            place = front.export(folder, export, progress)
        print(f"firmware: {place}")
        return
    found = front.front(folder)

    _print(found, json_, lambda: _print_front(found))


def _print_front(points: list[dict[str, Any]]) -> None:
    """A table of errors and measured costs; test errors where they are known."""
    tested = any("test_mae" in one for one in points)
    heads = f"{'name':<28} {'val MAE':>9} " + (f"{'test MAE':>9} " if tested else "")
    serials = list(dict.fromkeys(serial for one in points for serial in one.get("ms_on", {})))
    boards_ = "".join(f" {f'ms on {serial}':>15}" for serial in serials)
    print(f"{heads}{'flash B':>8} {'RAM B':>7} {'ms':>8} {'uJ':>8}{boards_}")
    for one in points:
        costs = [one.get(name) for name in ("flash_bytes", "ram_bytes", "ms", "energy_uj")]
        shown = ["-" if cost is None else f"{cost:.4g}" if cost < 1000 else f"{cost:.0f}" for cost in costs]
        line = " ".join(text.rjust(width) for text, width in zip(shown, (8, 7, 8, 8), strict=True))
        test = f"{one['test_mae']:>9.5f} " if tested else ""
        line += "".join(f" {one['ms_on'][serial]:>{max(15, len(serial) + 6)}.4g}" for serial in serials)
        print(f"{one['name']:<28} {one['val_mae']:>9.5f} {test}{line}")


@app.command()
def report(
    folder: RunFolder,
    open_: Annotated[bool, typer.Option("--open", help="show report.html in a browser")] = False,
    json_: Json = False,
) -> None:
    """Print the tables of a finished run."""
    from edgekd.run import read_json

    found = read_json(folder / "report" / "report.json")
    _print(found, json_, lambda: _print_report(found))
    if open_:
        webbrowser.open((folder / "report" / "report.html").resolve().as_uri())


@app.command()
def predict(
    folder: RunFolder,
    table: Annotated[Path, typer.Argument(help="table with the columns the run was trained on")],
    engine: Annotated[str, typer.Option(help="twin, tflm, host, board, tflite, onnx or torch")] = "twin",
    out: Annotated[Path | None, typer.Option(help="write a .csv file instead of printing")] = None,
    model: Annotated[str | None, typer.Option(help="candidate; default: the chosen one")] = None,
) -> None:
    """Forecast every group of a table from each of its windows."""
    from edgekd.pipeline.predict import predict as run_predict
    from edgekd.run import write_atomic

    text = run_predict(folder, table, engine, model)
    if out:
        write_atomic(out, text)
        print(f"wrote {out}")
    else:
        sys.stdout.write(text)


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(help="folders of two or more runs", metavar="RUN RUN ...")],
    out: Annotated[Path, typer.Option(help="folder for the pictures and the page")] = Path("compare"),
    force: Annotated[bool, typer.Option("--force", help="also when their test data differ")] = False,
    json_: Json = False,
) -> None:
    """Lay the Pareto fronts of several runs side by side: hypervolume, and which run owns which part."""
    from rich.console import Console

    from edgekd.report import compare as comparison
    from edgekd.report import comparison_tables
    from edgekd.run import read_json

    names = [run.resolve().name for run in runs]
    labels = names if len(set(names)) == len(names) else [os.path.relpath(run) for run in runs]
    reports = {label: read_json(run / "report" / "report.json") for label, run in zip(labels, runs, strict=True)}
    found = comparison.write_comparison(reports, out, force=force)

    def show() -> None:
        for one in comparison_tables(found):
            Console().print(one)
        print(f"page: {out / 'comparison.html'}")

    _print(found, json_, show)


@app.command()
def codegen(
    model: Annotated[Path, typer.Argument(help="int8 .tflite file", metavar="MODEL.tflite")],
    out: Annotated[Path, typer.Option(help="folder for the code")],
    name: Annotated[str | None, typer.Option(help="prefix of its functions; default: that of the file")] = None,
    board: Annotated[str, typer.Option(help="a name that edgekd boards lists")] = "nano33ble",
) -> None:
    """Turn any integer .tflite into plain C, equal to TFLite-Micro to the last bit."""
    from edgekd.pipeline.codegen import write_code

    code = write_code(model, name, board, out)
    kernels = len(code.sources) - 1
    print(f"wrote {out / code.name}.c and .h, {kernels} kernels, an example and a sketch that check themselves")
    print(f"next: edgekd emulate {out}, edgekd verify {out} --random 1000")


@app.command()
def emulate(
    folder: CodeFolder,
    board: Annotated[str | None, typer.Option(help="another board than the code was made for")] = None,
    profile: Annotated[bool, typer.Option("--profile", help="layer by layer")] = False,
    picture: Annotated[Path | None, typer.Option(help="draw the profile: .svg or .png")] = None,
    arduino: Annotated[bool, typer.Option("--arduino", help="with the flags of Arduino's core: -Os, softfp")] = False,
    compiler: Compiler = None,
    json_: Json = False,
) -> None:
    """Run code on the emulated board: flash, RAM, stack, cycles, time, energy."""
    from edgekd.deploy.run_model import ms_on
    from edgekd.pipeline.codegen import emulate as run
    from edgekd.report import measurement_view

    measured = run(folder, board, profile="arduino" if arduino else "speed", compiler=compiler)
    found = measured.to_json() | {"ms_on": ms_on(folder, measured.board, measured.ms)}
    if picture:
        measurement_view.draw(found, picture)
    _print(found, json_, lambda: print(measurement_view.table(found, layers=profile)))


@app.command()
def verify(
    folder: CodeFolder,
    windows: Annotated[Path | None, typer.Option(help=".npy or .npz with windows [N, ...]")] = None,
    random: Annotated[int, typer.Option(help="draw so many random windows instead", min=0)] = 0,
    board: Annotated[str | None, typer.Option(help="another board than the code was made for")] = None,
    compiler: Compiler = None,
    json_: Json = False,
) -> None:
    """Prove that code computes what TFLite-Micro does, on this computer and on the emulated board."""
    from edgekd.pipeline.codegen import require_equal
    from edgekd.pipeline.codegen import verify as run
    from edgekd.report import measurement_view

    found = run(folder, windows, random, board, compiler=compiler)
    _print(found, json_, lambda: print(measurement_view.verdicts(found)))
    require_equal(found)


@app.command()
def flash(
    folder: RunFolder,
    board: Annotated[str | None, typer.Option(help="another than the run's; virtual: one in the emulator")] = None,
    port: Port = None,
    sketch: Annotated[str, typer.Option(help="native, stream, ble, or tflm for TFLite-Micro")] = "native",
    model: Annotated[str | None, typer.Option(help="candidate; default: the chosen one")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="print what would be run")] = False,
    noise: Annotated[float, typer.Option(help="virtual board: share of the bytes that arrive damaged")] = 0.0,
    reset_every: Annotated[
        float | None, typer.Option(min=0.1, help="virtual board: it loses power each time so many seconds have passed")
    ] = None,
) -> None:
    """Compile the run's sketch and put it on a board; or start a virtual board and print its port."""
    from edgekd.deploy import flash as uploading
    from edgekd.deploy.run_model import VIRTUAL, choose
    from edgekd.progress import show

    chosen = choose(folder, board, model)
    if board == VIRTUAL and not dry_run:
        from edgekd.pipeline.device import virtual_board

        with virtual_board(chosen, sketch, noise=noise, reset_every_s=reset_every or math.inf) as virtual:
            print(f"{chosen.candidate} on a virtual {chosen.board.title}: {virtual.port}", flush=True)
            print(f"next: edgekd validate {folder} --port {virtual.port} (here, Ctrl-C ends it)", flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                virtual.serve(lambda: False)
        return
    staged = folder / "boards" / chosen.board.name
    if dry_run:
        print("\n".join(uploading.plan(chosen.sketch(sketch), chosen.board, staged, port)))
        return
    with show() as progress:
        done = uploading.flash(
            chosen.sketch(sketch), chosen.board, staged, port=port, progress=progress,
            said=lambda line: print(line, file=sys.stderr),
        )  # fmt: skip
    device = done.port.device
    print(f"{chosen.candidate} is on {device}; next: edgekd validate {folder} --port {device}")


@app.command()
def validate(
    folder: RunFolder,
    port: Port = None,
    windows: Annotated[int, typer.Option(help="how many test windows", min=1)] = 100,
    json_: Json = False,
) -> None:
    """Replay test windows on a board: equal to the last bit, or the first difference; and its cycles."""
    from edgekd.contracts.errors import BoardUnreachable, Disagreement
    from edgekd.pipeline import device as boards_of
    from edgekd.progress import show

    with show() as progress:
        found = boards_of.validate_run(folder, port, windows, progress)
    line = found["line"]

    def lines() -> None:
        print(f"{found['candidate']} on {found['board']} ({found['serial']}): {found['windows']} windows,")
        print(f"  {found['equal']} equal to the last bit, {found['lost']} lost")
        if found["ratio"]:
            print(f"  {found['cycles_measured']:,.0f} cycles measured, {found['cycles_predicted']:,.0f} predicted")
            print(f"  {found['ms_measured']:.4g} ms a forecast")
            print(f"  ratio {found['ratio']}, kept in {folder / 'boards'}/{found['serial']}.json")
        print(f"  line: {line['requests']} requests, {line['unanswered']} sent again, {line['damaged']} damaged")
        print(f"  board: {line['resets']} resets, {line['reloads']} windows sent again")

    _print(found, json_, lines)
    if found["first_difference"]:
        raise Disagreement(f"the board computes other numbers: {found['first_difference']}", hint="flash it again")
    if found["lost"]:
        raise BoardUnreachable(f"{found['lost']} of {found['windows']} windows were lost", hint="try another cable")


@app.command()
def monitor(
    folder: Annotated[Path | None, typer.Argument(help="the run whose model it should carry", metavar="[RUN]")] = None,
    port: Port = None,
    plot: Annotated[Path | None, typer.Option(help="write a page that shows the forecasts, as live.html")] = None,
    seconds: Annotated[float | None, typer.Option(help="stop after so long; default: Ctrl-C")] = None,
) -> None:
    """Show what a board says: forecasts as small pictures, damaged lines marked."""
    from edgekd.deploy.monitor import describe, listen, numbers, tune_in
    from edgekd.report.live import LivePage

    with tune_in(folder, port) as (link, about):
        page = LivePage(file=plot, **about) if plot else None
        if page:
            page.write(now=True)
            print(f"page: {plot}", file=sys.stderr)
        for line in listen(link, seconds):
            if line:
                print(describe(line), flush=True)
            if page and line:
                page.hear(numbers(line), describe(line))
            if page:
                page.write()
        if page:
            page.write(now=True)


@app.command()
def stream(
    table: Annotated[Path, typer.Argument(help="table with the columns the run was trained on")],
    group: Annotated[str, typer.Option(help="which cell, machine or person")],
    run: Annotated[
        Path | None, typer.Option(help="folder of the run that the board carries; default: looked for below runs/")
    ] = None,
    port: Port = None,
    every: Annotated[int, typer.Option(help="forecast after every so many samples", min=1)] = 1,
) -> None:
    """Feed a recorded group to a board sample by sample; prints each forecast as CSV."""
    from edgekd.pipeline import device as boards_of

    runs = [run] if run else sorted(path.parent.parent for path in Path("runs").glob("*/report/report.json"))
    for order, values in boards_of.stream(runs, table, group, port, every):
        print(f"{order},{','.join(f'{value:.9g}' for value in values)}", flush=True)


@app.command()
def boards(json_: Json = False) -> None:
    """List the boards edgekd knows."""
    from dataclasses import asdict

    from edgekd.contracts.board import board_names, load_board

    known = [load_board(name) for name in board_names()]

    def table() -> None:
        print(f"{'name':<16} {'core':<14} {'clock':>8} {'flash':>10} {'RAM':>10}  title")
        for one in known:
            sizes = f"{one.clock_hz / 1e6:>4.0f} MHz {one.sketch_flash_bytes:>10} {one.ram_bytes:>10}"
            print(f"{one.name:<16} {one.core:<14} {sizes if one.emulated else '':>30}  {one.title}")

    _print([asdict(one) for one in known], json_, table)


def _print(value: Any, as_json: bool, otherwise: Callable[[], None]) -> None:
    if as_json:
        print(json.dumps(value, indent=1, sort_keys=True))
    else:
        otherwise()


def _print_report(found: dict[str, Any]) -> None:
    from rich.console import Console

    from edgekd.report import tables

    console = Console()
    for one in tables(found):
        console.print(one)
