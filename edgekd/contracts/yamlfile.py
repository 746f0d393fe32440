"""YAML 1.2 with the position of every value: `no` and `on` are text, `1e-3` is a number, and a key may occur once."""

import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from edgekd.contracts.errors import ConfigError

LARGEST_FILE_BYTES = 1 << 16
LARGEST_NODE_COUNT = 10_000
DEEPEST_NODE = 20
LONGEST_NUMBER = 40

Path_ = tuple[str | int, ...]
Position = tuple[int, int]

_INFINITY, _NAN = r"[-+]?\.(?:inf|Inf|INF)", r"\.(?:nan|NaN|NAN)"
_SCALARS = {  # the core schema, https://yaml.org/spec/1.2.2/#103-core-schema
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+",
    "float": rf"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|{_INFINITY}|{_NAN}",
}
_PATTERNS = {kind: re.compile(pattern) for kind, pattern in _SCALARS.items()}


@dataclass
class Document:
    """What a file says, and where: positions are (line, column), both from 1, of values and of keys by their path."""

    value: Any
    values: dict[Path_, Position] = field(default_factory=dict)
    keys: dict[Path_, Position] = field(default_factory=dict)
    problems: list[tuple[Path_, str]] = field(default_factory=list)

    def position(self, path: Path_, *, key: bool = False) -> Position:
        """Where the value at `path` is, or its key; the innermost key around it when there is no such value."""
        own = self.keys if key else self.values
        if path in own:
            return own[path]
        while path and path not in self.keys:
            path = path[:-1]
        return self.keys.get(path, (1, 1))


def read_yaml(path: Path) -> Document:
    """Read one document.

    ConfigError when the file cannot be read as YAML at all; keys that occur twice and tags are `problems`.
    """
    text = _text(path)
    try:
        node = yaml.compose(text, Loader=_Untyped)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        what = ": ".join(part for part in (error.context, error.problem) if part)
        raise ConfigError(f"{path}{where}: not valid YAML: {what}", hint=_hint(error)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{path}:{line}: holds the control character U+{ord(text[error.position]):04X}") from None
    except RecursionError:
        raise ConfigError(f"{path}: nested too deeply") from None
    if node is None:
        raise ConfigError(f"{path} is empty", hint="edgekd init writes one to start from")
    return _Builder(path).document(node)


def dump_yaml(value: Any) -> str:
    """YAML that `read_yaml` reads back equal."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:  # no more than needed: the path may name a device
            content = file.read(LARGEST_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        what = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path}: {what}", hint="edgekd init writes a configuration") from None
    if len(content) > LARGEST_FILE_BYTES:
        raise ConfigError(f"{path} has more than {LARGEST_FILE_BYTES} bytes", hint="is it the configuration?")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: is not UTF-8 text", hint="save it as UTF-8") from None


def _hint(error: yaml.MarkedYAMLError) -> str | None:
    return "indent with spaces, not with tabs" if "\\t" in str(error) else None


class _Untyped(yaml.SafeLoader):  # type: ignore[misc]
    """Leaves the tag of a node empty unless the file writes one."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        return ""


class _Builder:
    """Plain values from nodes; aliases may repeat nodes, but not without end."""

    def __init__(self, path: Path) -> None:
        self._path, self._count, self._found = path, 0, Document(None)

    def document(self, node: Any) -> Document:
        self._found.value = self._build(node, ())
        return self._found

    def _build(self, node: Any, path: Path_) -> Any:
        self._count += 1
        at = _position(node)
        if self._count > LARGEST_NODE_COUNT or len(path) > DEEPEST_NODE:
            raise ConfigError(f"{self._path}:{at[0]}:{at[1]}: too many, or too deeply nested, values")
        self._found.values[path] = at
        if node.tag:
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            self._found.problems.append((path, f"the tag {tag} is not understood"))
        if isinstance(node, yaml.MappingNode):
            return dict(self._entries(node, path))
        if isinstance(node, yaml.SequenceNode):
            return [self._build(item, (*path, i)) for i, item in enumerate(node.value)]
        return _scalar(node.value) if node.style is None else str(node.value)

    def _entries(self, node: Any, path: Path_) -> Iterator[tuple[str, Any]]:
        seen = set()
        for key_node, value_node in node.value:
            scalar = isinstance(key_node, yaml.ScalarNode)
            key = str(key_node.value) if scalar else "?"
            inner = (*path, key)
            if not scalar:
                self._found.problems.append((inner, "a key must be text"))
            elif key in seen:
                self._found.problems.append((inner, "the key occurs twice"))
            seen.add(key)
            self._found.keys[inner] = _position(key_node)
            yield key, self._build(value_node, inner)


def _position(node: Any) -> Position:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _scalar(text: str) -> Hashable:
    kind = next((kind for kind, pattern in _PATTERNS.items() if pattern.fullmatch(text)), "str")
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind == "str" or len(text) > LONGEST_NUMBER:  # Python refuses thousands of digits; no number needs them
        return text
    if kind == "int":
        return int(text, 0) if text.startswith(("0x", "0o")) else int(text)
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    """Quotes text that YAML 1.2 reads as something else, as `1e3`."""


def _text_node(dumper: _Dumper, text: str) -> Any:
    style = None if _scalar(text) == text and text.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text_node)
