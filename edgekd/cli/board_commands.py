"""Commands about boards, real or virtual."""

import contextlib
import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekd.cli.options import Candidate, Json, Port, Quiet, RunFolder, Table, path, run_folder
from edgekd.cli.output import print_result, say
from edgekd.contracts.text import printable_lines

if TYPE_CHECKING:
    from edgekd.contracts.results import BoardValidation
    from edgekd.deploy.run_model import Chosen


def flash(
    folder: RunFolder,
    board: Annotated[str | None, typer.Option(help="another than the run's; virtual: one in the emulator")] = None,
    port: Port = None,
    sketch: Annotated[str, typer.Option(help="native, stream, ble, or tflm for TFLite-Micro")] = "native",
    model: Candidate = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="print what would be run")] = False,
    compile_only: Annotated[
        bool, typer.Option("--compile-only", help="compile, and say how to copy the result: no board is needed")
    ] = False,
    noise: Annotated[float, typer.Option(help="virtual board: share of the bytes that arrive damaged")] = 0.0,
    reset_every: Annotated[
        float | None, typer.Option(min=0.1, help="virtual board: it loses power each time so many seconds have passed")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Compile the run's sketch and put it on a board; or start a virtual board and print its port."""
    from edgekd.deploy import flash as uploading
    from edgekd.deploy.run_model import VIRTUAL, choose
    from edgekd.progress import show

    chosen = choose(folder, board, model)
    if board == VIRTUAL and not dry_run:
        _serve_virtual_board(folder, chosen, sketch, noise, reset_every)
        return
    staged = folder / "boards" / chosen.board.name
    if dry_run:
        say("\n".join(uploading.plan(chosen.sketch(sketch), chosen.board, staged, port)))
        return
    tell = lambda line: print(printable_lines(line), file=sys.stderr)  # noqa: E731
    source = chosen.sketch(sketch)
    with show(quiet) as progress:
        if compile_only:
            built = uploading.compile_only(source, chosen.board, staged, progress=progress, on_output=tell)
        else:
            built = uploading.flash(source, chosen.board, staged, port=port, progress=progress, on_output=tell)
    if compile_only:
        say("\n".join(uploading.how_to_copy(built)))
        return
    place = built.port.device if built.port else built.board.title
    at = f" --port {built.port.device}" if built.port else ""
    say(f"{chosen.candidate} is on {place}; next: edgekd validate {folder}{at}")


def _serve_virtual_board(
    folder: Path, chosen: "Chosen", sketch: str, noise: float, reset_every_s: float | None
) -> None:
    """Serve until Ctrl-C or SIGTERM, or until the process that started this one is gone."""
    from edgekd.pipeline.on_board import virtual_board

    parent = os.getppid()
    with virtual_board(chosen, sketch, noise=noise, reset_every_s=reset_every_s or math.inf) as virtual:
        say(f"{chosen.candidate} on a virtual {chosen.board.title}: {virtual.port}")
        say(f"next: edgekd validate {folder} --port {virtual.port} (here, Ctrl-C ends it)")
        with contextlib.suppress(KeyboardInterrupt):
            virtual.serve(lambda: os.getppid() != parent)


def validate(
    folder: RunFolder,
    port: Port = None,
    board: Annotated[str | None, typer.Option(help="virtual: one in the emulator, for this command only")] = None,
    windows: Annotated[int, typer.Option(help="how many test windows", min=1)] = 100,
    quiet: Quiet = False,
    json_: Json = False,
) -> None:
    """Replay test windows on a board: equal to the last bit, or the first difference; and its cycles."""
    from edgekd.contracts.errors import BoardUnreachable, Disagreement
    from edgekd.pipeline.on_board import validate_run
    from edgekd.progress import show

    with show(quiet) as progress:
        result = validate_run(folder, port, windows, progress, board=board)
    print_result(result.to_dict(), json_, lambda: say(_validation(result, folder)))
    if result.first_difference:
        raise Disagreement(f"the board computes other numbers: {result.first_difference}", hint="flash it again")
    if result.lost:
        raise BoardUnreachable(f"{result.lost} of {result.windows} windows were lost", hint="try another cable")


def _validation(result: "BoardValidation", folder: Path) -> str:
    link = result.line
    lines = [
        f"{result.candidate} on {result.board} ({result.serial}): {result.windows} windows,",
        f"  {result.equal} equal to the last bit, {result.lost} lost",
    ]
    if result.ratio:
        lines += [
            f"  {result.cycles_measured:,.0f} cycles measured, {result.cycles_predicted:,.0f} predicted",
            f"  {result.ms_measured:.4g} ms a forecast",
            f"  ratio {result.ratio}, kept in {folder / 'boards'}/{result.serial}.json",
        ]
    lines += [
        f"  line: {link.requests} requests, {link.unanswered} sent again, {link.damaged} damaged",
        f"  board: {link.resets} resets, {link.reloads} windows sent again",
    ]
    return "\n".join(lines)


def monitor(
    folder: Annotated[
        Path | None,
        typer.Argument(parser=run_folder, help="the run whose model it should carry", metavar="[RUN]"),
    ] = None,
    port: Port = None,
    plot: Annotated[
        Path | None,
        typer.Option(parser=path, help="write a page that shows the forecasts, as live.html", metavar="FILE"),
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="stop after so long; default: Ctrl-C")] = None,
) -> None:
    """Show what a board says: forecasts as small pictures, damaged lines marked."""
    from dataclasses import asdict

    from edgekd.deploy.monitor import describe, listen, numbers, open_monitor
    from edgekd.report.live_page import LivePage

    with open_monitor(folder, port) as (link, board):
        page = LivePage(file=plot, **asdict(board)) if plot else None
        if page:
            page.write(now=True)
            print(f"page: {plot}", file=sys.stderr)
        for line in listen(link, seconds):
            if line:
                say(describe(line))
            if page and line:
                page.hear(numbers(line), describe(line))
            if page:
                page.write()
        if page:
            page.write(now=True)


def stream(
    table: Table,
    group: Annotated[str, typer.Option(help="which cell, machine or person")],
    run: Annotated[
        Path | None,
        typer.Option(
            parser=run_folder,
            help="folder of the run that the board carries; default: looked for below runs/",
            metavar="RUN",
        ),
    ] = None,
    port: Port = None,
    every: Annotated[int, typer.Option(help="forecast after every so many samples", min=1)] = 1,
) -> None:
    """Feed a recorded group to a board sample by sample; prints each forecast as CSV."""
    from edgekd.pipeline.on_board import stream as feed

    runs = [run] if run else sorted(report.parent.parent for report in Path("runs").glob("*/report/report.json"))
    for order, values in feed(runs, table, group, port, every):
        print(f"{order},{','.join(f'{value:.9g}' for value in values)}", flush=True)


def boards(json_: Json = False) -> None:
    """List the boards edgekd knows."""
    from dataclasses import asdict

    from edgekd.contracts.board import board_names, load_board

    known = [load_board(name) for name in board_names()]

    def table() -> None:
        say(f"{'name':<16} {'core':<14} {'clock':>8} {'flash':>10} {'RAM':>10}  title")
        for board in known:
            sizes = f"{board.clock_hz / 1e6:>4.0f} MHz {board.sketch_flash_bytes:>10} {board.ram_bytes:>10}"
            say(f"{board.name:<16} {board.core:<14} {sizes if board.emulated else '':>30}  {board.title}")

    print_result([asdict(board) for board in known], json_, table)


COMMANDS = (flash, validate, monitor, stream, boards)
