"""Distinct names of the tensors of a graph. Code generation puts a prefix before them, see `codegen.c_names`."""

import re

LONGEST = 32


def stem(text: str, longest: int) -> str:
    """Letters and digits of ASCII in lower case, `_` for everything between them; the end of it."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[-longest:].strip("_")


class TensorNames:
    """Names that are words of C only with a prefix: they may begin with a digit, or be a keyword."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def add(self, text: str) -> str:
        """A name of its own, from the converter's first name of a tensor: 'a/b:0;c' gives 'a_b'."""
        return self.distinct(stem(text.split(";")[0].split(":")[0], LONGEST) or "tensor")

    def distinct(self, name: str) -> str:
        """`name`, with a number behind it where it is taken."""
        unique, number = name, 2
        while unique in self._taken:
            unique, number = f"{name}_{number}", number + 1
        self._taken.add(unique)
        return unique
