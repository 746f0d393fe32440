"""YAML 1.2 with the position of every value: `no` and `on` are text, `1e-3` is a number, and a key may occur once."""

import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from edgekd.errors import ConfigError

LARGEST_FILE_BYTES = 1 << 20
LARGEST_NODE_COUNT = 20_000

Path_ = tuple[str | int, ...]

_PATTERNS = {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?(?:[0-9][0-9_]*|0x[0-9a-fA-F]+|0o[0-7]+)",
    "float": r"[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",  # noqa: E501
}
_SCALARS = [(kind, re.compile(f"(?:{pattern})\\Z")) for kind, pattern in _PATTERNS.items()]


@dataclass
class Document:
    """What a file says, and where: positions are (line, column), both from 1, of values by their path."""

    value: Any
    positions: dict[Path_, tuple[int, int]] = field(default_factory=dict)
    problems: list[tuple[Path_, str]] = field(default_factory=list)

    def position(self, path: Path_) -> tuple[int, int]:
        """Where the value at `path` is, or the innermost value around it."""
        while path and path not in self.positions:
            path = path[:-1]
        return self.positions.get(path, (1, 1))


def read_yaml(path: Path) -> Document:
    """Read one document. ConfigError when the file cannot be read as YAML at all; duplicate keys are `problems`."""
    text = _text(path)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise ConfigError(
            f"{path}{where}: not valid YAML: {error.problem or error.context}", hint=_hint(error)
        ) from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise ConfigError(f"{path}: nested too deeply") from None
    if node is None:
        raise ConfigError(f"{path} is empty", hint="edgekd init writes one to start from")
    document = Document(None)
    document.value = _Builder(document).build(node, ())
    return document


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", hint="edgekd init writes a configuration") from None
    if len(content) > LARGEST_FILE_BYTES:
        raise ConfigError(f"{path} has {len(content)} bytes, a configuration at most {LARGEST_FILE_BYTES}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text (byte {error.start})") from None


def _hint(error: yaml.MarkedYAMLError) -> str | None:
    return "indent with spaces, not with tabs" if "\\t" in str(error) else None


class _Builder:
    """Plain values from nodes; aliases may repeat nodes, but not without end."""

    def __init__(self, document: Document) -> None:
        self.document, self.count = document, 0

    def build(self, node: Any, path: Path_) -> Any:
        self.count += 1
        if self.count > LARGEST_NODE_COUNT or len(path) > 20:
            raise ConfigError("the configuration has too many or too deeply nested values")
        mark = node.start_mark
        self.document.positions[path] = (mark.line + 1, mark.column + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, i)) for i, item in enumerate(node.value)]
        return _scalar(node)

    def _mapping(self, node: Any, path: Path_) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(_scalar(key_node)) if isinstance(key_node, yaml.ScalarNode) else "?"
            inner = (*path, key)
            if key in found:
                self.document.problems.append((inner, "the key occurs twice"))
            found[key] = self.build(value_node, inner)
            if isinstance(value_node, yaml.ScalarNode) and not value_node.value:
                mark = key_node.start_mark
                self.document.positions[inner] = (mark.line + 1, mark.column + 1)
        return found


def _scalar(node: Any) -> Hashable:
    if node.style in ("'", '"', "|", ">") or node.tag == "tag:yaml.org,2002:str" and node.style:
        return str(node.value)
    for kind, pattern in _SCALARS:
        if pattern.match(node.value):
            return _convert(kind, node.value)
    return str(node.value)


def _convert(kind: str, text: str) -> Hashable:
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind == "int":
        return int(text, 0) if text.lstrip("+-").startswith(("0x", "0o")) else int(text)
    return float(text.replace(".inf", "inf").replace(".Inf", "inf").replace(".INF", "inf").replace(".nan", "nan"))
