"""Commands about runs: from a configuration to a report, and what can be asked of a finished run."""

import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekd.cli.options import (
    Candidate,
    Candidates,
    ConfigFile,
    Json,
    NewConfigFile,
    Out,
    Quiet,
    RunFolder,
    Table,
    Time,
    Workers,
    existing_file,
    path,
    run_folder,
)
from edgekd.cli.output import front_table, print_result, say, show_tables
from edgekd.contracts.errors import ConfigError

if TYPE_CHECKING:
    from edgekd.contracts.results import Report
    from edgekd.run import Progress


def init(
    file: NewConfigFile,
    task: Annotated[str, typer.Option(help="forecast, estimate, classify or remaining")] = "forecast",
    table: Annotated[
        Path | None,
        typer.Option(
            parser=existing_file, help="propose columns of this table; default: a built-in one", metavar="TABLE"
        ),
    ] = None,
) -> None:
    """Write a commented configuration for a built-in table, or one that is proposed for your own."""
    from edgekd.contracts.examples import TASKS, example
    from edgekd.run import write_atomic

    if file.name in ("", ".."):
        raise ConfigError(f"{file} is no name of a file", hint="edgekd init battery.yaml")
    file = file if file.suffix in (".yaml", ".yml") else file.with_name(f"{file.name}.yaml")
    if file.exists():
        raise ConfigError(f"{file} exists and is left as it is", hint="choose another name, or remove it")
    name = "".join(c if c.isalnum() and c.isascii() else "_" for c in file.stem.lower())
    name = name if name[:1].isalpha() else f"run_{name}"
    if task not in TASKS:
        raise ConfigError(f"unknown task '{task}'", hint=f"tasks: {', '.join(TASKS)}")
    if table:
        from edgekd.data.propose import propose

        text = propose(table, task, name[:32])
        text = text.replace(f"  table: {table.name}\n", f"  table: {os.path.relpath(table, file.parent)}\n")
    else:
        text = example(task, name[:32])
    write_atomic(file, text)
    say(f"wrote {file}; next: edgekd check {file}, edgekd compress {file}")


def check(
    file: ConfigFile,
    full: Annotated[bool, typer.Option("--full", help="print the whole configuration, with its defaults")] = False,
    json_: Json = False,
) -> None:
    """Check a configuration and its table: every mistake at once, or what a run will do. Or, for the folder of a run,
    that no file was changed since it was made.
    """
    if file.is_dir():
        from edgekd.pipeline.stages import check_run

        pieces = check_run(file)
        print_result({"ok": True, "pieces": pieces}, json_, lambda: say(f"{file}: all {pieces} pieces are as made"))
        return
    from edgekd.contracts.config import dump_config, load_config

    try:
        config = load_config(file)
        from edgekd.data.prepared import plan

        planned = plan(config)
    except ConfigError as error:
        if json_:
            print_result({"ok": False, "problems": str(error).splitlines(), "hint": error.hint}, True, lambda: None)
        raise

    def lines() -> None:
        say(f"{file}: no mistakes; edgekd compress {file} would make {config.search.candidates} candidates of this:")
        say("\n".join(planned.lines()))
        if full:
            say(f"\n{dump_config(config)}")

    result = {"ok": True, "plan": planned.to_json(), "config": config.model_dump(mode="json")}
    print_result(result, json_, lines)


def compress(
    file: ConfigFile,
    out: Out = None,
    candidates: Candidates = None,
    time: Time = None,
    workers: Workers = None,
    quiet: Quiet = False,
    json_: Json = False,
) -> None:
    """Distil, prune, quantize, export, verify and report: models, firmware and a report in runs/<name>/."""
    from edgekd.api import limit_search
    from edgekd.progress import show

    config = limit_search(file, candidates, time)
    folder = out or Path("runs") / config.name
    with show(quiet) as progress:
        processes, seconds = _load(progress, workers, time)
        from edgekd.pipeline import stages

        result = stages.compress(config, folder, progress, seconds=seconds, workers=processes)
    print_result(result.to_dict(), json_, lambda: _show_report(result, folder))


def search(
    file: ConfigFile,
    out: Out = None,
    candidates: Candidates = None,
    time: Time = None,
    workers: Workers = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with the search that the folder holds")] = False,
    quiet: Quiet = False,
    json_: Json = False,
) -> None:
    """Search alone: the Pareto front on validation; edgekd compress goes on from it."""
    from edgekd.api import limit_search
    from edgekd.contracts.results import FrontPoint
    from edgekd.progress import show

    config = limit_search(file, candidates, time)
    folder = out or Path("runs") / config.name
    started = (folder / "search" / "study.db").exists()
    if started and not resume:
        raise ConfigError(f"{folder} holds a search", hint="--resume goes on with it; or use another --out")
    if resume and not started:
        raise ConfigError(f"{folder} holds no search to go on with", hint="leave out --resume, or name its --out")
    with show(quiet) as progress:
        processes, seconds = _load(progress, workers, time)
        from edgekd.pipeline import stages

        candidates_on_front = stages.explore(config, folder, progress, seconds=seconds, workers=processes)
    points = [
        FrontPoint(name=candidate.name, val=result.val, measured=result.measured)
        for candidate, result in candidates_on_front.items()
    ]
    rows = [{"name": candidate.name, **result.to_dict()} for candidate, result in candidates_on_front.items()]
    print_result(rows, json_, lambda: say(front_table(points)))
    if not json_:
        say(f"next: edgekd compress {file}, which verifies, chooses and reports")


def _load(progress: "Progress", workers: int | None, seconds: float | None) -> tuple[int, float]:
    """Load what a search needs, and return how many workers it has and for how many seconds."""
    progress.start("loading", 1)
    from edgekd.pipeline import stages  # noqa: F401
    from edgekd.search.executor import most_processes

    progress.finish()
    return workers or most_processes(), math.inf if seconds is None else seconds


def front(
    folder: RunFolder,
    export: Annotated[str | None, typer.Option(help="build the firmware of this candidate", metavar="NAME")] = None,
    quiet: Quiet = False,
    json_: Json = False,
) -> None:
    """Print the Pareto front of a finished run, or build the firmware of one of its points."""
    from edgekd.pipeline import front
    from edgekd.progress import show

    if export:
        with show(quiet) as progress:
            place = front.export(folder, export, progress)
        say(f"firmware: {place}")
        return
    points = front.front(folder)
    print_result([point.row() for point in points], json_, lambda: say(front_table(points)))


def report(
    folder: RunFolder,
    open_: Annotated[bool, typer.Option("--open", help="show report.html in a browser")] = False,
    json_: Json = False,
) -> None:
    """Print the tables of a finished run."""
    from edgekd.contracts.results import read_report

    result = read_report(folder)
    print_result(result.to_dict(), json_, lambda: _show_report(result, folder))
    if open_:
        import webbrowser

        webbrowser.open((folder / "report" / "report.html").resolve().as_uri())


def _show_report(report: "Report", run: Path) -> None:
    from edgekd.report import tables

    show_tables(tables(report, str(run)))


def predict(
    folder: RunFolder,
    table: Table,
    engine: Annotated[str, typer.Option(help="twin, tflm, host, board, tflite, onnx or torch")] = "twin",
    out: Annotated[
        Path | None, typer.Option(parser=path, help="write a .csv file instead of printing", metavar="FILE")
    ] = None,
    model: Candidate = None,
) -> None:
    """Forecast every group of a table from each of its windows."""
    from edgekd.pipeline.predict import predict as predict_table
    from edgekd.run import write_atomic

    text = predict_table(folder, table, engine, model)
    if out:
        write_atomic(out, text)
        say(f"wrote {out}")
    else:
        sys.stdout.write(text)


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(parser=run_folder, help="folders of two or more runs", metavar="RUN RUN ..."),
    ],
    out: Annotated[
        Path, typer.Option(parser=path, help="folder for the pictures and the page", metavar="FOLDER")
    ] = Path("compare"),
    force: Annotated[bool, typer.Option("--force", help="also when their test data differ")] = False,
    json_: Json = False,
) -> None:
    """Lay the Pareto fronts of several runs side by side: hypervolume, and which run owns which part."""
    from edgekd.contracts.results import read_report
    from edgekd.report import comparison, comparison_tables

    names = [run.resolve().name for run in runs]
    labels = names if len(set(names)) == len(names) else [os.path.relpath(run) for run in runs]
    reports = {label: read_report(run) for label, run in zip(labels, runs, strict=True)}
    result = comparison.write_comparison(reports, out, force=force)
    print_result(comparison.to_json(result), json_, lambda: show_tables(comparison_tables(result)))
    if not json_:
        say(f"page: {out / 'comparison.html'}")


COMMANDS = (init, check, compress, search, front, report, predict, compare)
