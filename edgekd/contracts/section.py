"""What the sections of a configuration share: strictness, rules between keys, and the types of values."""

import functools
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

Fraction = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Length = Annotated[int, Field(ge=1, le=4096)]
Width = Annotated[int, Field(ge=1, le=512)]
Bytes = Annotated[int, Field(ge=1, lt=2**32)]
Text = Annotated[str, Field(min_length=1)]
Rule = Callable[[Any, Any, ValidationInfo], Any]


def reads(*keys: str) -> Callable[[Rule], Rule]:
    """Mark a rule between keys: it is skipped where a key that it reads is missing or wrong, which is reported itself.

    Goes below `classmethod`; the rule finds the keys in `info.data`, so they must be declared before its own.
    """

    def decorate(rule: Rule) -> Rule:
        @functools.wraps(rule)
        def checked(cls: type, value: Any, info: ValidationInfo) -> Any:
            return rule(cls, value, info) if all(key in info.data for key in keys) else value

        return checked

    return decorate


class Section(BaseModel):
    """Frozen; unknown keys and wrong types are mistakes, nothing is converted, numbers are finite.

    Rules between keys belong to the later key's own validator: so they are reported beside all other mistakes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True)

    @field_validator("*")
    @classmethod
    def _no_repeats(cls, value: Any) -> Any:
        if isinstance(value, list) and len(set(map(repr, value))) < len(value):
            raise ValueError("has an entry twice")
        return value
