"""Arguments and options that several commands share, and how their values are read."""

from pathlib import Path
from typing import Annotated

import typer

from edgekd.api import MOST_CANDIDATES
from edgekd.contracts.errors import ConfigError

_SECONDS = {"s": 1, "m": 60, "h": 3600}


def path(text: str) -> Path:
    """A path with `~` expanded, also where the shell leaves it: `--out=~/runs`."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{text}: {error}") from None


def existing_file(text: str) -> Path:
    """A file that is there: told before anything is loaded."""
    return _existing(text, "is this its name?")


def config_file(text: str) -> Path:
    """A configuration that is there."""
    return _existing(text, "edgekd init writes one to start from")


def run_folder(text: str) -> Path:
    """A folder that is there."""
    return _existing(text, "is this the folder of a finished run?")


def code_folder(text: str) -> Path:
    """A folder that is there."""
    return _existing(text, "edgekd codegen makes such a folder, edgekd compress that of a run")


def existing(text: str) -> Path:
    """A run or a file that is there."""
    return _existing(text, "a finished run, or a .tflite file")


def _existing(text: str, hint: str) -> Path:
    place = path(text)
    if not place.exists():
        raise ConfigError(f"{place}: No such file or directory", hint=hint)
    return place


def length_of_time(text: str) -> float:
    """Seconds of 90s, 10m or 2h. ConfigError for anything else."""
    if not (text[:-1].isdecimal() and text[-1:] in _SECONDS):
        raise ConfigError(f"--time {text} is no length of time", hint="as 90s, 10m or 2h")
    return float(text[:-1]) * _SECONDS[text[-1]]


NewConfigFile = Annotated[
    Path, typer.Argument(parser=path, help="configuration to write; .yaml is added", metavar="NAME.yaml")
]
ConfigFile = Annotated[
    Path, typer.Argument(parser=config_file, help="configuration, made by edgekd init", metavar="NAME.yaml")
]
RunFolder = Annotated[Path, typer.Argument(parser=run_folder, help="folder of a run, as runs/battery", metavar="RUN")]
CodeFolder = Annotated[
    Path,
    typer.Argument(parser=code_folder, help="folder made by edgekd codegen, or of a run", metavar="FOLDER"),
]
Table = Annotated[
    Path,
    typer.Argument(parser=existing_file, help="table with the columns the run was trained on", metavar="TABLE"),
]
Board = Annotated[str | None, typer.Option(help="another board than the code was made for")]
Candidate = Annotated[str | None, typer.Option(help="candidate; default: the chosen one")]
Candidates = Annotated[int | None, typer.Option(min=1, max=MOST_CANDIDATES, help="default: search.candidates")]
Compiler = Annotated[str | None, typer.Option(help="gcc or zig; default: gcc where it is installed")]
Json = Annotated[bool, typer.Option("--json", help="print JSON on standard output")]
Out = Annotated[Path | None, typer.Option(parser=path, help="folder of the run; default runs/<name>", metavar="FOLDER")]
Port = Annotated[str | None, typer.Option(help="serial port; default: the one board that is connected")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="no progress")]
Time = Annotated[
    float | None,
    typer.Option(parser=length_of_time, help="search so that all is done by then, as 90s, 10m or 2h", metavar="TIME"),
]
Workers = Annotated[int | None, typer.Option(min=1, max=256, help="processes; default: one per core, 2 GB each")]
