"""Text from outside (a serial line, a table, a model file) made safe to show in a terminal, a comment or a page."""

LONGEST_LINE = 4096
LONGEST = 256
"""Characters of one shown text; of a longer one, the beginning and its length are shown."""


def printable(text: str, longest: int = LONGEST) -> str:
    r"""Return `text` with everything that is not a visible character or a space as a Python escape.

    Escape sequences, line ends, bidirectional marks, zero-width characters and lone surrogates become `\x1b`, `\n`,
    `\u202e` and the like, so that what is shown is what is there, in its order, on one line. Text of more than
    `longest` characters is cut there, with a note of its length. Files that programs read keep the original.
    """
    shown = "".join(map(_visible, text[:longest]))
    return shown if len(text) <= longest else f"{shown}… ({len(text):,} characters)"


def printable_lines(text: str, longest: int = LONGEST_LINE) -> str:
    """Return lines of text, each of them as `printable` shows it."""
    return "\n".join(printable(line, longest) for line in text.split("\n"))


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
