"""The generated C of an integer .tflite in a folder: written, read back and compiled."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from edgekd import __version__
from edgekd.codegen.c_graph import Code, examples, generate
from edgekd.codegen.c_names import model_name
from edgekd.contracts.board import Board, load_board
from edgekd.contracts.errors import DataError, EdgekdError, ToolMissing
from edgekd.contracts.results import Measurement
from edgekd.emulate.compiler import Image, Profile, check_syntax, compile_image, find_compiler
from edgekd.emulate.graph_harness import run_calls
from edgekd.emulate.measure import ProfiledLayer, measure
from edgekd.evaluate.firmware import MEASURED_WINDOWS
from edgekd.program import reference
from edgekd.program.graph_inputs import random_inputs
from edgekd.program.model_file import read_model_file
from edgekd.program.program import Program
from edgekd.program.reader import read_tflite
from edgekd.run import read_json, write_files

ABOUT = "edgekd.json"


@dataclass(frozen=True, kw_only=True)
class Generated:
    """A folder that `write_code` made: what is compiled are the files in it, whoever changed them since."""

    folder: Path
    program: Program
    content: bytes
    code: Code
    board: Board

    @property
    def sources(self) -> list[Path]:
        """The C files to compile."""
        return [self.folder / name for name in self.code.sources]

    def image(self, folder: Path, *, profile: Profile = "speed", compiler: str | None = None) -> Image:
        """Link it with the memory of its caller. compiler: gcc or zig, the first that is installed when None."""
        memory = folder / "memory.c"
        memory.write_text(self.code.memory, encoding="utf-8")
        return compile_image(
            [*self.sources, memory],
            [self.folder],
            self.board,
            folder / "graph.elf",
            entries=self.code.entries,
            profile=profile,
            compiler=find_compiler(self.board, compiler) if compiler else None,  # type: ignore[arg-type]
        )

    def measure(self, build: Path, *, profile: Profile = "speed", compiler: str | None = None) -> Measurement:
        """Build it in the folder `build` and measure random windows on the emulated board: the most expensive counts.

        Raises ToolMissing without a compiler, DoesNotFit when the image is larger than the board.
        """
        code = self.code
        layers = [
            ProfiledLayer(name=layer.name, function=layer.function, macs=layer.macs, bytes=layer.bytes)
            for layer in code.layers
        ]
        windows = random_inputs(self.program, MEASURED_WINDOWS)
        calls = run_calls(code.entry, code.variables, windows, code.inputs, code.init)
        return measure(self.image(build, profile=profile, compiler=compiler), code.entry, calls, layers=layers)


def write_code(model: Path, name: str | None, board: str, out: Path) -> Code:
    """Generate the C of a .tflite file into the folder `out`, with a C program and a sketch that check themselves.

    Raises ModelError for a file that cannot be read or an operator that has no kernel, ConfigError for the board.
    """
    target = load_board(board)
    content = read_model_file(model)
    program = read_tflite(content)
    prefix = model_name(name or model.stem)
    code = generate(program, prefix)
    window = random_inputs(program, 1)
    files = dict(code.files) | {
        **examples(code, [value[0] for value in window], [value[0] for value in reference.run(program, window)]),
        f"{prefix}.tflite": content,
        ABOUT: f'{{"edgekd": "{__version__}", "name": "{prefix}", "board": "{board}"}}\n',
    }
    _require_c(code, target)
    write_files(out, files)
    return code


def load_code(folder: Path, board: str | None = None) -> Generated:
    """Read a folder made by `write_code`. DataError when it is none."""
    about = read_json(folder / ABOUT)
    try:
        name, own = str(about["name"]), str(about["board"])
    except (KeyError, TypeError):
        raise DataError(f"{folder / ABOUT} is damaged", hint="run edgekd codegen again") from None
    content = read_model_file(folder / f"{name}.tflite")
    program = read_tflite(content)
    return Generated(
        folder=folder, program=program, content=content, code=generate(program, name), board=load_board(board or own)
    )


def _require_c(code: Code, board: Board) -> None:
    """EdgekdError unless a compiler takes the generated source; what cannot be compiled for is not checked."""
    if not board.emulated:
        return
    with tempfile.TemporaryDirectory(prefix="edgekd-") as name:
        folder = Path(name)
        write_files(folder, code.files)
        try:
            check_syntax(folder / f"{code.name}.c", [folder], board)
        except ToolMissing:
            return
        except EdgekdError as error:
            raise EdgekdError(
                f"the C generated for '{code.name}' cannot be compiled, nothing was written: {error}",
                hint="this is a bug: please report it with the .tflite file",
            ) from None
