"""Columns as numbers, texts and flags; every entry that is not what it should be is named with its row."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.errors import DataError
from edgekd.data.table.read import MISSING, SHOWN, RawTable

LONGEST_TEXT = 256
TRUE, FALSE = {"true", "t", "yes", "y"}, {"false", "f", "no", "n", ""}
F64 = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Texts:
    """A text column as categories: names, sorted, and the place of each row's text among them, int32 [n]; -1: empty."""

    names: tuple[str, ...]
    code: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.code)

    def __getitem__(self, row: int) -> str:
        """The text of one row, '' where it is empty."""
        return self.names[self.code[row]] if self.code[row] >= 0 else ""

    def take(self, index: NDArray[Any]) -> "Texts":
        """The rows at `index` (positions or a mask)."""
        return Texts(names=self.names, code=self.code[index])


class Columns:
    """The columns of a file, checked one by one. `close` reports the mistakes of all columns in one error."""

    def __init__(self, raw: RawTable) -> None:
        self._raw = raw
        filled = np.zeros(len(raw.number), dtype=bool)
        for column in raw.columns.values():
            filled |= _filled(column)
        self._kept = np.flatnonzero(filled) if not filled.all() else slice(None)
        self.number: NDArray[np.int64] = raw.number[self._kept]
        self._mistakes: list[str] = []
        if not len(self.number):
            raise DataError(f"table '{raw.file}' has a header and no rows")

    def close(self) -> None:
        """DataError that lists what is wrong in all columns that were asked for."""
        if self._mistakes:
            raise DataError(
                f"table '{self._raw.file}': " + "; ".join(self._mistakes),
                hint="correct these rows; the header is row 1",
            )

    def texts(self, name: str, *, required: bool = False) -> Texts:
        """A text column. Texts may have LONGEST_TEXT characters; where they are required, none may be empty."""
        column = self._raw.columns[name].unify_dictionaries()
        pieces = [chunk.indices.fill_null(-1).to_numpy(zero_copy_only=False) for chunk in column.chunks]
        code = np.concatenate(pieces).astype(np.int32, copy=False)[self._kept]
        words = [_word(value) for value in (column.chunks[0].dictionary.to_pylist() if column.chunks else [])]
        names = tuple(sorted({word for word in words if word}))
        place = {name: at for at, name in enumerate(names)}
        code = np.array([*(place.get(word, -1) for word in words), -1], dtype=np.int32)[code]
        texts = Texts(names=names, code=code)
        long = np.array([*(len(word) > LONGEST_TEXT for word in names), False])[code]
        self.note(name, f"has more than {LONGEST_TEXT} characters", long, lambda row: texts[row][:30] + "...")
        if required:
            self.note(name, "is empty", code < 0, lambda row: "")
        return texts

    def numbers(self, name: str) -> F64:
        """A numeric column as float64 [n], missing values as NaN; zeros where it holds anything else."""
        from pyarrow import types

        column = self._raw.columns[name]
        kind = column.type
        if types.is_temporal(kind):
            self._mistakes.append(f"column '{name}' holds dates, numbers are needed")
            return np.zeros(len(self.number))
        if types.is_floating(kind) or types.is_integer(kind) or types.is_boolean(kind) or types.is_decimal(kind):
            values = column.cast("float64").to_numpy(zero_copy_only=False)
            return np.asarray(values, dtype=np.float64)[self._kept]
        if types.is_null(kind):
            return np.full(len(self.number), np.nan)
        words = [_word(value) for value in column.to_pylist()]
        parsed = [_parse(word) for word in words]
        wrong = np.array([value is None for value in parsed])[self._kept]
        text = np.array(words, dtype=object)[self._kept]
        self.note(name, "is not a number", wrong, lambda row: str(text[row]))
        return np.array([0.0 if value is None else value for value in parsed], dtype=np.float64)[self._kept]

    def holds_times(self, name: str) -> bool:
        """Whether a column holds dates or times, as such or as text."""
        from pyarrow import types

        column = self._raw.columns[name]
        if types.is_temporal(column.type):
            return True
        if not types.is_string(column.type) and not types.is_large_string(column.type):
            return False
        first = next((word for word in map(_word, column.slice(0, 100).to_pylist()) if word), "")
        return _parse(first) is None and _is_time(first)

    def refuse(self, name: str, what: str) -> None:
        """Note a mistake of a whole column."""
        self._mistakes.append(f"column '{name}' {what}")

    def times(self, name: str) -> F64:
        """A column of dates and times as seconds since 1970, float64 [n]."""
        import pandas as pd

        values = self._raw.columns[name].to_pandas()
        parsed = pd.to_datetime(values, errors="coerce", utc=True)
        seconds = (parsed - pd.Timestamp(0, tz="UTC")).dt.total_seconds().to_numpy()[self._kept]
        words = values.astype(str).to_numpy(dtype=object)[self._kept]
        self.note(name, "is no date and time", np.isnan(seconds), lambda row: str(words[row]))
        return np.nan_to_num(np.asarray(seconds, dtype=np.float64))

    def flags(self, name: str) -> NDArray[np.bool_]:
        """True where a flag is set: a number that is not zero, true or yes. Empty is false."""
        texts = self.texts(name)
        flags = [*(_flag(word) for word in texts.names), False]
        wrong = np.array([flag is None for flag in flags])[texts.code]
        self.note(name, "is neither true nor false", wrong, lambda row: texts[row])
        return np.array([bool(flag) for flag in flags])[texts.code]

    def note(self, name: str, what: str, wrong: NDArray[np.bool_], shown: Callable[[int], str]) -> None:
        """Note one mistake that counts the wrong rows of a column and names the first few."""
        if wrong.any():
            self._mistakes.append(f"column '{name}' {what} in {rows_named(np.flatnonzero(wrong), self.number, shown)}")


def rows_named(at: NDArray[Any], number: NDArray[np.int64], shown: Callable[[int], str]) -> str:
    """`6 rows: row 3 ('x'), row 4 (empty), ...`: the rows at positions `at`, the first few by number and content."""
    first = [(int(number[i]), shown(int(i))) for i in at[:SHOWN]]
    listed = ", ".join(f"row {row}" + (f" ('{text[:33]}')" if text else " (empty)") for row, text in first)
    return f"{len(at)} row{'s' * (len(at) > 1)}: {listed}{', ...' * (len(at) > SHOWN)}"


def _filled(column: Any) -> NDArray[np.bool_]:
    """Where a column holds anything, bool [n]."""
    from pyarrow import compute, types

    valid = column.is_valid()
    if types.is_dictionary(column.type):
        chunks = column.unify_dictionaries().chunks
        words = [bool(_word(value)) for value in chunks[0].dictionary.to_pylist()] if chunks else []
        code = np.concatenate([chunk.indices.fill_null(-1).to_numpy(zero_copy_only=False) for chunk in chunks])
        return np.array([*words, False])[code]
    if types.is_string(column.type) or types.is_large_string(column.type):
        valid = compute.and_kleene(valid, compute.not_equal(compute.utf8_trim_whitespace(column), "")).fill_null(False)
    return np.asarray(valid.to_numpy())


def _word(value: Any) -> str:
    """An entry as text; a missing value is ''. Whole floats print as integers: 3.0 and '3' are one name."""
    if value is None or str(value) in ("<NA>", "NaT", "nan"):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _parse(text: str) -> float | None:
    """A decimal number, NaN for a missing value, None for anything else."""
    if text in MISSING or text in ("NaN", "nan"):
        return np.nan
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _is_time(text: str) -> bool:
    import pandas as pd

    return bool(pd.notna(pd.to_datetime(text, errors="coerce")))


def _flag(text: str) -> bool | None:
    if text.lower() in TRUE | FALSE:
        return text.lower() in TRUE
    value = _parse(text)
    return None if value is None else not np.isnan(value) and value != 0


def sequence_text(values: Sequence[object], most: int = 8) -> str:
    """The first few values of a sequence, for a message."""
    listed = ", ".join(map(str, values[:most]))
    return f"{listed}, ..." if len(values) > most else listed
