"""The file: its needed columns, with the number that each row has for a person who opens it in a spreadsheet."""

import csv
import difflib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.errors import DataError

SAMPLES = Path(__file__).parent.parent
FIRST_ROW = 2  # the header is row 1
SHOWN = 5  # rows named in one message
LONGEST_HEADER_BYTES = 1 << 20
BLOCK_BYTES = 1 << 22
MISSING = ["", "NA", "N/A", "n/a", "null", "NULL", "None", "<NA>", "#N/A"]


@dataclass(frozen=True, kw_only=True, eq=False)
class RawTable:
    """Needed columns of a file as pyarrow arrays, and the row number of each entry, int64 [n]."""

    file: str
    columns: dict[str, Any]
    number: NDArray[np.int64]


def read_file(path: Path, numeric: Sequence[str], text: Sequence[str]) -> RawTable:
    """Read a .csv, .csv.gz or .parquet. DataError with the file's name for whatever cannot be read.

    Text columns are dictionary arrays. Numeric columns are float64, or text where some entry is no number.
    """
    import pyarrow

    check_path(path)
    try:
        if path.suffix == ".parquet":
            return _read_parquet(path, numeric, text)
        return _read_csv(path, numeric, text)
    except UnicodeDecodeError as error:
        raise _not_utf8(path, f" (byte {error.start})") from None
    except (pyarrow.ArrowException, OSError, EOFError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        if "UTF8" in str(error):
            raise _not_utf8(path, "") from None
        if isinstance(error, PermissionError):
            raise DataError(f"table '{path.name}' cannot be read: permission denied") from None
        raise DataError(f"table '{path.name}' cannot be read: {_first_line(error)}") from None


def check_path(path: Path) -> None:
    """DataError unless a path is a file of a known type that can be read again and again."""
    if not path.exists():
        names = [other.name for other in path.parent.glob("*")] if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, names, 1)
        raise DataError(
            f"table '{path}' does not exist",
            hint=f"did you mean '{near[0]}'?" if near else "the path is relative to the YAML file",
        )
    if path.is_dir():
        raise DataError(f"table '{path}' is a folder", hint="name a .csv, .csv.gz or .parquet file in it")
    if not path.is_file():
        raise DataError(
            f"table '{path}' is a pipe or a device, which can be read only once",
            hint="save it to a .csv file first: the table is read again for training, scores and checks",
        )
    if not path.name.endswith((".csv", ".csv.gz", ".parquet")):
        raise DataError(
            f"table '{path.name}': the type of file is not known",
            hint="use .csv, .csv.gz or .parquet, or a built-in table: sample, sample_charge, sample_motion",
        )


def _not_utf8(path: Path, where: str) -> DataError:
    return DataError(f"table '{path.name}' is not UTF-8 text{where}", hint="save it as 'CSV UTF-8'")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


# ---- CSV ------------------------------------------------------------------------------------------------------------


def _read_csv(path: Path, numeric: Sequence[str], text: Sequence[str]) -> RawTable:
    import pyarrow
    from pyarrow import csv as arrow_csv

    head = _head(path)
    head.decode("utf-8-sig", errors="strict" if len(head) < LONGEST_HEADER_BYTES else "ignore")
    names = next(csv.reader(io.StringIO(head.decode("utf-8-sig", errors="replace"), newline="")), None)
    if names is None:
        raise DataError(f"table '{path.name}' is empty")
    names = [name.strip() for name in names]
    needed = list(dict.fromkeys([*text, *numeric]))
    check_names(names, needed, path.name)
    unlike: list[Any] = []

    def keep(row: Any) -> str:
        unlike.append(row)
        return "skip"

    def read(numbers: Any) -> Any:
        unlike.clear()
        kinds = dict.fromkeys(text, pyarrow.dictionary(pyarrow.int32(), pyarrow.string()))
        return arrow_csv.read_csv(
            path,
            read_options=arrow_csv.ReadOptions(
                use_threads=False,  # rows are numbered only then
                block_size=BLOCK_BYTES,
                skip_rows=1,
                column_names=[name if name in needed else f"{name}#{at}" for at, name in enumerate(names)],
            ),
            parse_options=arrow_csv.ParseOptions(
                newlines_in_values=b'"' in head, ignore_empty_lines=False, invalid_row_handler=keep
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(numeric, numbers) | kinds,
                include_columns=needed,
                null_values=MISSING,
            ),
        )

    try:
        table = read(pyarrow.float64())
    except pyarrow.ArrowInvalid as error:
        if "straddling" in str(error):
            raise DataError(
                f"table '{path.name}' has a row of more than {BLOCK_BYTES >> 20} MiB",
                hint="is a quotation mark never closed?",
            ) from None
        if "conversion error to double" not in str(error):
            raise
        table = read(pyarrow.string())  # who asks for numbers will say which rows hold none
    if unlike:
        raise _unlike_header(path.name, unlike)
    columns = {name: table.column(name) for name in needed}
    return RawTable(file=path.name, columns=columns, number=np.arange(len(table), dtype=np.int64) + FIRST_ROW)


def _unlike_header(file: str, rows: Sequence[Any]) -> DataError:
    shown = ", ".join(f"row {row.number} has {row.actual_columns}" for row in rows[:SHOWN])
    more = f", and {len(rows) - SHOWN} more rows" if len(rows) > SHOWN else ""
    return DataError(
        f"table '{file}': the header has {rows[0].expected_columns} fields, {shown}{more}",
        hint="put text that holds a comma into quotation marks, and one comma between fields",
    )


def _head(path: Path) -> bytes:
    """The beginning of a text file, perhaps compressed."""
    import pyarrow

    with pyarrow.input_stream(str(path), compression="gzip" if path.suffix == ".gz" else None) as stream:
        content: bytes = stream.read(LONGEST_HEADER_BYTES)
    return content


# ---- Parquet --------------------------------------------------------------------------------------------------------


def _read_parquet(path: Path, numeric: Sequence[str], text: Sequence[str]) -> RawTable:
    import pyarrow
    from pyarrow import parquet

    needed = list(dict.fromkeys([*text, *numeric]))
    with parquet.ParquetFile(path) as file:
        names = list(file.schema_arrow.names)
        check_names(names, needed, path.name)
        for name in needed:
            _check_type(file.schema_arrow.field(name).type, name, path.name)
        table = file.read(columns=needed)
    number = np.arange(len(table), dtype=np.int64) + FIRST_ROW
    columns = {name: table.column(name) for name in needed}
    for name in text:
        if not pyarrow.types.is_dictionary(columns[name].type):
            columns[name] = columns[name].dictionary_encode()
    return RawTable(file=path.name, columns=columns, number=number)


def _check_type(kind: Any, name: str, file: str) -> None:
    from pyarrow import types

    inner = kind.value_type if types.is_dictionary(kind) else kind
    plain = (types.is_floating, types.is_integer, types.is_boolean, types.is_string, types.is_large_string,
             types.is_string_view, types.is_temporal, types.is_decimal, types.is_null)  # fmt: skip
    if not any(is_kind(inner) for is_kind in plain):
        raise DataError(
            f"table '{file}': column '{name}' holds {kind} in each row",
            hint="one number or one text in each row can be used; give each entry a column of its own",
        )


def check_names(names: Sequence[str], needed: Sequence[str], file: str) -> None:
    """DataError when needed columns are missing or there twice."""
    twice = [name for name in needed if names.count(name) > 1]
    if twice:
        raise DataError(
            f"table '{file}': column '{twice[0]}' is there {names.count(twice[0])} times", hint="rename or remove one"
        )
    missing = [name for name in needed if name not in names]
    if not missing:
        return
    if len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
        raise DataError(
            f"table '{file}': the header has one column, '{names[0][:60]}'", hint="separate columns by commas"
        )
    lower = {name.lower(): name for name in names}
    near = [difflib.get_close_matches(name.lower(), list(lower), 1, 0.5) for name in missing]
    listed = ", ".join(
        f"'{name}'" + (f" (did you mean '{lower[close[0]]}'?)" if close else "")
        for name, close in zip(missing, near, strict=True)
    )
    raise DataError(f"table '{file}' has no column {listed}", hint=f"its columns are: {', '.join(names)}")
