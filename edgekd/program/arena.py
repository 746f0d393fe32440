"""The smallest arena TFLite-Micro runs a graph in, found by trying: what it reports can be less than what it needs.

With too small an arena it may crash instead of failing, so the trying is done in a process of its own: this module, run
as a program, tries ever smaller arenas for the graph on its standard input and prints each size that worked.
"""

import subprocess
import sys

from edgekd.contracts.errors import EdgekdError, ModelError
from edgekd.program.interpreters import LARGEST_ARENA, prepare_micro

ALIGNMENT = 16


def arena_bytes(content: bytes) -> int:
    """Bytes of the smallest arena, a multiple of 16. ModelError when TFLite-Micro cannot run the graph at all."""
    prepare_micro(content, LARGEST_ARENA)
    enough = _smallest(content, LARGEST_ARENA, halve=True)
    return _smallest(content, enough, halve=False)


def _smallest(content: bytes, start: int, *, halve: bool) -> int:
    """The last of the sizes from `start` down that worked: halved each time, or `ALIGNMENT` less each time."""
    command = [sys.executable, "-m", "edgekd.program.arena", str(start), "halve" if halve else "step"]
    worked = subprocess.run(command, input=content, capture_output=True, check=False).stdout.split()
    if not worked:
        raise EdgekdError(
            "TFLite-Micro's arena could not be measured", hint="does python -m edgekd.program.arena start?"
        )
    return int(worked[-1])


def main(start: int, how: str, content: bytes) -> None:
    """Try arenas from `start` bytes down until one fails."""
    size = start
    while size >= ALIGNMENT:
        try:
            prepare_micro(content, size)
        except ModelError:
            return
        print(size, flush=True)
        size = size // 2 if how == "halve" else size - ALIGNMENT


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.stdin.buffer.read())
