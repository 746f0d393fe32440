"""Where inner buffers lie in the workspace: by lifetime, the largest first, in place where a loop allows it."""

from dataclasses import dataclass

from edgekd.program.lowering.ir import ALIGNMENT, Buffer, FusedLoop, Graph


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Offset in bytes of every inner buffer that is no part of another, and the workspace's size."""

    offsets: dict[Buffer, int]
    bytes: int


@dataclass(kw_only=True)
class _Life:
    """First and last step that touches a buffer, and buffers whose place it may take at its first step."""

    first: int
    last: int
    heirs_of: set[Buffer]


def plan(graph: Graph) -> Plan:
    """Place every inner buffer of a graph."""
    lives = _lives(graph)
    offsets: dict[Buffer, int] = {}
    for buffer in sorted(lives, key=lambda buffer: (-buffer.bytes, lives[buffer].first)):
        offsets[buffer] = _lowest(buffer, offsets, lives)
    return Plan(offsets=offsets, bytes=max((offset + _padded(buffer) for buffer, offset in offsets.items()), default=0))


def _lives(graph: Graph) -> dict[Buffer, _Life]:
    lives: dict[Buffer, _Life] = {}
    for position, step in enumerate(graph.steps):
        for buffer in (*step.reads, *step.writes):
            root = buffer.root
            if root.role == "inner":
                life = lives.setdefault(root, _Life(first=position, last=position, heirs_of=set()))
                life.last = position
    for position, step in enumerate(graph.steps):
        if isinstance(step, FusedLoop):
            for out in step.writes:
                if out in lives:
                    lives[out].heirs_of = {read for read in _last_read_in_order(step) if read in lives} - {out}
                    lives[out].heirs_of = {read for read in lives[out].heirs_of if lives[read].last == position}
    return lives


def _last_read_in_order(loop: FusedLoop) -> set[Buffer]:
    """Whole buffers of the loop that are read at element i only when element i is written."""
    read: dict[Buffer, bool] = {}
    for load in loop.loads:
        if isinstance(load.source, Buffer):
            root = load.source.root
            read[root] = read.get(root, True) and load.index.direct and load.source is root
    itemsize = {out.bytes // out.size for out in loop.writes}
    return {buffer for buffer, direct in read.items() if direct and itemsize == {buffer.bytes // buffer.size}}


def _lowest(buffer: Buffer, offsets: dict[Buffer, int], lives: dict[Buffer, _Life]) -> int:
    """The lowest free offset; one that takes the place of another buffer takes exactly that place."""
    for candidate in sorted({0, *offsets.values(), *(offset + _padded(placed) for placed, offset in offsets.items())}):
        if all(_agree(buffer, candidate, other, offsets[other], lives) for other in offsets):
            return candidate
    raise AssertionError("the end of the workspace is always free")


def _agree(a: Buffer, a_at: int, b: Buffer, b_at: int, lives: dict[Buffer, _Life]) -> bool:
    life, other = lives[a], lives[b]
    apart = a_at + _padded(a) <= b_at or b_at + _padded(b) <= a_at
    if apart or life.first > other.last or other.first > life.last:
        return True
    return a_at == b_at and (b in life.heirs_of or a in other.heirs_of)


def _padded(buffer: Buffer) -> int:
    return -(-buffer.bytes // ALIGNMENT) * ALIGNMENT
