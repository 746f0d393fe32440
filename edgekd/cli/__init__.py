"""The command line: parse, call one function, print. Heavy packages are loaded by the command that needs them."""

import os
import select
import sys
import traceback
from typing import Annotated, NoReturn

import typer

from edgekd import __version__
from edgekd.cli import board_commands, code_commands, guide_command, run_commands
from edgekd.cli.stopping import STOPPED, asked_to_stop, end_stopped, stop_on_signals
from edgekd.contracts.errors import EdgekdError, ToolMissing
from edgekd.contracts.text import printable_lines
from edgekd.environment import use_own_cache

BUG = 70
TRAINING_SIDE = "pip install 'edgekd[train]' installs everything; without it there is the device side alone"

app = typer.Typer(
    help="Distil a time-series model until it fits a microcontroller, and prove that the firmware computes it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for commands in (run_commands, code_commands, board_commands, guide_command):
    for command in commands.COMMANDS:
        app.command()(command)


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="print the version")] = False) -> None:
    if version:
        print(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line; every error ends in one message and a documented exit code."""
    _open_standard_streams()
    stop_on_signals()
    use_own_cache()
    try:
        if app(standalone_mode=False) == STOPPED:  # what typer makes of a KeyboardInterrupt
            raise KeyboardInterrupt
        sys.stdout.flush()
    except EdgekdError as error:
        if asked_to_stop():
            end_stopped()
        _fail(str(error), error.exit_code, error.hint)
    except (KeyboardInterrupt, typer.Abort):
        end_stopped()
    except BrokenPipeError as error:
        _reader_left(error)
    except SystemExit as left:  # what typer makes of a broken pipe
        if not isinstance(left.__context__, BrokenPipeError):
            raise
        _reader_left(left.__context__)
    except Exception as error:
        _unexpected(error)


def _open_standard_streams() -> None:
    """Give a process that was started with closed streams empty ones: else the next file opened becomes its output."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115


def _reader_left(error: BrokenPipeError) -> None:
    """Be quiet when standard output was closed by its reader, as `head` does; any other broken pipe is an error."""
    output = select.poll()
    output.register(1, select.POLLOUT)
    closed = any(events & (select.POLLERR | select.POLLHUP) for _, events in output.poll(0))
    if not closed and not os.path.samestat(os.fstat(1), os.stat(os.devnull)):  # where rich has put it then
        _unexpected(error)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what is still in the buffer


def _unexpected(error: Exception) -> NoReturn:
    if asked_to_stop():
        end_stopped()
    if hasattr(error, "exit_code") and hasattr(error, "format_message"):  # wrong arguments, found by typer
        _fail(error.format_message(), 2, "edgekd --help")
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("edgekd"):
        package = error.name.partition(".")[0]
        _fail(f"this needs the package {package}, which is not installed", ToolMissing.exit_code, TRAINING_SIDE)
    if isinstance(error, OSError):
        _fail(f"{error.filename or 'file'}: {error.strerror or error}", 1)
    if os.environ.get("EDGEKD_DEBUG"):
        traceback.print_exc()
    _fail(
        f"internal error: {type(error).__name__}: {error}",
        BUG,
        "this is a bug: run again with EDGEKD_DEBUG=1 and report it",
    )


def _fail(message: str, code: int, hint: str | None = None) -> NoReturn:
    print(f"edgekd: {printable_lines(message)}", file=sys.stderr)
    if hint:
        print(f"  hint: {printable_lines(hint)}", file=sys.stderr)
    raise SystemExit(code)
