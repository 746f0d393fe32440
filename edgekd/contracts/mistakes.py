"""Mistakes in a configuration, in the words of its user: where, what is wrong, and what was probably meant."""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from edgekd.contracts.declarations import distillation_losses
from edgekd.contracts.yamlfile import Document, Position

Loc = tuple[int | str, ...]
Mistake = tuple[Position, Loc, str]
Unions = Mapping[Loc, Mapping[str, type[BaseModel]]]
"""Keys under which one of several sections stands, by the tag that pydantic adds to the place of a mistake there."""

_WORDS = {
    "dict_type": "must hold `key: value` lines",
    "model_type": "must hold `key: value` lines",
    "list_type": "must be a list, as [a, b]",
    "string_type": "must be text",
    "string_pattern_mismatch": "must be lower-case letters, digits and _, at most 32, a letter first",
}
_NEEDED: dict[Loc, str] = {
    ("data", "series"): ", the column that says which rows follow each other (data.group did until 0.1)",
    ("task",): ", as task: {forecast: capacity_Ah, horizon: 100}, or estimate, classify, remaining",
}
_RENAMED = {"blocks": "block_sparsity", "optimiser": "optimizer", "substeps": "euler_steps"}
"""Keys of release 0.1 under their present names."""
_MOVED: dict[Loc, str] = {
    ("data", "target"): "is now a key of its own: task: {forecast: COLUMN, horizon: N}",
    ("data", "horizon"): "stands in the task now: task: {forecast: COLUMN, horizon: N}",
}


def listed(path: Path, mistakes: list[Mistake]) -> str:
    """All mistakes, a line each, in the order of the file."""
    lines = [
        f"{path}:{line}:{column}: {'.'.join(map(str, at)) or 'file'}: {what}"
        for (line, column), at, what in sorted(mistakes, key=lambda mistake: (mistake[0], str(mistake[1])))
    ]
    count = f"{len(lines)} mistakes" if len(lines) > 1 else "1 mistake"
    return "\n".join([f"{count} in the configuration", *lines])


def mistakes_of(error: ValidationError, document: Document, root: type[BaseModel], unions: Unions) -> Iterator[Mistake]:
    """What pydantic found in the sections below `root`, as mistakes with their places in the document."""
    for problem in error.errors(include_url=False):
        loc, kind = _untagged(problem["loc"], unions), problem["type"]
        if kind == "extra_forbidden":
            section = _section(root, problem["loc"][:-1], unions)
            yield document.position(loc, key=True), loc, _unknown(loc, section, root, unions)
        elif kind == "missing":
            yield document.position(loc[:-1], key=True), loc, f"required key is missing{_NEEDED.get(loc, '')}"
        elif kind == "value_error":
            yield document.position(loc), loc, str(problem["ctx"]["error"])
        else:
            message = f"{_WORDS.get(kind, _lower(problem['msg']))} (got {_short(problem['input'])})"
            yield document.position(loc), loc, message + _former_value(problem["input"])


def _former_value(value: Any) -> str:
    """Name a distillation loss whose name has changed."""
    renamed = [loss.name for loss in distillation_losses().values() if loss.former_name and loss.former_name == value]
    return f", which is '{renamed[0]}' now" if renamed else ""


def _untagged(loc: Loc, unions: Unions) -> Loc:
    """A place as the user writes it."""
    for key in unions:
        if loc[: len(key)] == key:
            return key + loc[len(key) + 1 :]
    return loc


def _unknown(loc: Loc, section: type[BaseModel], root: type[BaseModel], unions: Unions) -> str:
    """Name the nearest key of the section, or the section that has such a key."""
    if loc in _MOVED:
        return _MOVED[loc]
    renamed = _RENAMED.get(str(loc[-1]), "")
    known = list(section.model_fields)
    near = [renamed] if renamed in known else difflib.get_close_matches(str(loc[-1]), known, 1)
    elsewhere = [
        ".".join(map(str, (*at, loc[-1])))
        for at, other in _sections(root, unions)
        if loc[-1] in other.model_fields and at != loc[:-1]
    ]
    if near or elsewhere:
        return f"unknown key, did you mean '{(near or elsewhere)[0]}'?"
    return (
        f"unknown key; known are {', '.join(name for name, field in section.model_fields.items() if not field.exclude)}"
    )


def _section(root: type[BaseModel], tagged: Loc, unions: Unions) -> type[BaseModel]:
    """The section at a place, as pydantic writes it."""
    for key, sections in unions.items():
        if tagged[: len(key)] == key:
            return sections[str(tagged[len(key)])]
    return dict(_sections(root, unions))[tagged]


def _sections(root: type[BaseModel], unions: Unions) -> Iterator[tuple[Loc, type[BaseModel]]]:
    """Every section with its place, as the user writes it."""
    yield (), root
    for name, field in root.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield (name,), field.annotation
    for key, sections in unions.items():
        yield from ((key, section) for section in sections.values())


def _lower(message: str) -> str:
    text = message.replace("Input should", "should")
    return text[:1].lower() + text[1:]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
