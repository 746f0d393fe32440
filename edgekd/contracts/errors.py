"""Errors a user can act on. Each class has its own exit code; the command line prints it, never a traceback."""


class EdgekdError(Exception):
    """What is wrong, where, with the value and the limit; `hint` is one thing to try."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class ConfigError(EdgekdError):
    """The configuration or a command-line argument cannot be used."""

    exit_code = 2


class DataError(EdgekdError):
    """The table, or a file that was handed in, cannot be used."""

    exit_code = 2


class ModelError(EdgekdError):
    """A model file cannot be used: malformed, or an operator that is not supported."""

    exit_code = 2


class ToolMissing(EdgekdError):
    """A program or Python package that this step needs is not installed."""

    exit_code = 3


class DoesNotFit(EdgekdError):
    """Nothing meets the budget, or the image does not fit the board."""

    exit_code = 4


class Disagreement(EdgekdError):
    """The firmware and its reference compute different numbers."""

    exit_code = 5


class BoardUnreachable(EdgekdError):
    """No board, or not the right one, answers: nothing is connected, or the port cannot be used, or is silent."""

    exit_code = 6
