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
            say(f"{name:<10} {_title(path)}")
        say("next: edgekd guide TOPIC")
        return
    if topic not in topics:
        raise ConfigError(f"there is no guide to '{topic}'", hint=f"topics: {', '.join(topics)}")
    text = topics[topic].read_text(encoding="utf-8")
    if topic == "glossary":
        text += _terms()
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(text))
    else:
        print(text, end="")


def _title(path: Path) -> str:
    return path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def _terms() -> str:
    """Return the terms that reports explain in place."""
    from edgekd.report.glossary import TERMS

    return "".join(
        f"- **{word}**: {meaning}\n" for word, meaning in sorted(TERMS.items(), key=lambda term: term[0].lower())
    )


COMMANDS = (guide,)
