"""Guides: Markdown that ships with the package."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from edgekd.cli.output import say
from edgekd.contracts.errors import ConfigError

GUIDES = Path(__file__).resolve().parents[1] / "guides"


def guide(
    topic: Annotated[str | None, typer.Argument(help="one of those that edgekd guide lists", metavar="[TOPIC]")] = None,
) -> None:
    """Explain a topic, with an example that runs; without a topic, list them."""
    topics = {path.stem: path for path in sorted(GUIDES.glob("*.md"))}
    if topic is None:
        for name, path in topics.items():
            say(f"{name:<14} {_title(path)}")
        say("next: edgekd guide TOPIC")
        return
    if topic not in topics:
        raise ConfigError(f"there is no guide to '{topic}'", hint=f"topics: {', '.join(topics)}")
    text = topics[topic].read_text(encoding="utf-8")
    for mark, insertion in _INSERTIONS.items():
        if mark in text:
            text = text.replace(mark, insertion())
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(text))
    else:
        print(text, end="")


def _title(path: Path) -> str:
    return path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def _terms() -> str:
    """List the terms that reports explain in place."""
    from edgekd.report.glossary import TERMS

    return "\n".join(f"- **{word}**: {TERMS[word]}" for word in sorted(TERMS, key=str.lower))


def _operators() -> str:
    """List the operators with their types and limits."""
    from edgekd.program.ops import OPERATORS

    rows = [f"| {operator.name} | {operator.types} | {operator.limits} |" for operator in OPERATORS.values()]
    return "\n".join(["| operator | activations | limits |", "|---|---|---|", *rows])


_INSERTIONS = {"<!-- terms -->": _terms, "<!-- operators -->": _operators}

COMMANDS = (guide,)
