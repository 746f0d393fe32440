"""Commented configurations for the built-in tables, one for each task: what `edgekd init` writes."""

from pathlib import Path

FOLDER = Path(__file__).parent
TASKS = ("forecast", "estimate", "classify", "remaining")


def example(task: str, name: str) -> str:
    """The configuration for a task, for a run of this name."""
    return (FOLDER / f"{task}.yaml").read_text(encoding="utf-8").replace("NAME", name)
