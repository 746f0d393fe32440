"""A model file from a user: read, and recognized when it is not the TFLite file that it should be."""

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

from edgekd.contracts.errors import ConfigError, ModelError

IDENTIFIER = b"TFL3"
"""Bytes 4 to 7 of a TFLite file."""
TO_INTEGERS = "convert it to a .tflite with int8 weights and activations first"
_KERAS = "tf.lite.TFLiteConverter.from_keras_model(model), with a representative_dataset and TFLITE_BUILTINS_INT8"
FIELDS_OF_ONNX = tuple(bytes([field << 3 | 2]) for field in (2, 3, 4, 6, 7, 8))
"""Protobuf tags of what may follow the version in a file of ONNX."""
HEAD = 4096
"""Bytes from the start of a text that are looked at."""


@dataclass(frozen=True, kw_only=True)
class Recognized:
    """What a file is instead, and how a TFLite file is made of it."""

    what: str
    hint: str


def read_model_file(path: Path) -> bytes:
    """Read the bytes of a TFLite file. ConfigError when it cannot be read, ModelError when it is something else."""
    if path.is_dir():
        saved = (path / "saved_model.pb").exists()
        raise ConfigError(
            f"{path} is a folder" + (" with a TensorFlow SavedModel" if saved else ""),
            hint="tf.lite.TFLiteConverter.from_saved_model(folder) makes a .tflite of it" if saved else None,
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", hint="is the name of the .tflite file right?") from None
    require_tflite(content, str(path))
    return content


def require_tflite(content: bytes, name: str = "the file") -> None:
    """ModelError, saying what it is instead, unless the content is that of a TFLite file."""
    if content[4:8] == IDENTIFIER:
        return
    other = recognize(content)
    if other is None:
        raise ModelError(
            f"{name} is not a TFLite file: bytes 4 to 7 are {bytes(content[4:8])!r}, not {IDENTIFIER!r}",
            hint="edgekd reads .tflite files of schema version 3",
        )
    raise ModelError(f"{name} is {other.what}, not a TFLite file", hint=other.hint)


def recognize(content: bytes) -> Recognized | None:
    """What a file is that is not a TFLite file; None when nothing is known about it."""
    if not content:
        return Recognized(what="empty", hint="was it downloaded completely?")
    if content.startswith(b"version https://git-lfs"):
        return Recognized(what="a Git LFS pointer", hint="git lfs pull fetches the file that it stands for")
    if content.startswith(b"\x89HDF\r\n\x1a\n"):
        return Recognized(what="an HDF5 file, such as Keras writes", hint=f"{TO_INTEGERS}: {_KERAS}")
    if content.startswith(b"PK\x03\x04"):
        return _archive(content)
    if content[:1] == b"\x80" and content[1:2] in b"\x02\x03\x04\x05":
        return Recognized(
            what="a Python pickle, such as torch.save wrote in the past",
            hint=f"edgekd opens no pickles; {TO_INTEGERS}, for example with litert-torch",
        )
    if content.startswith(b"\x93NUMPY"):
        return Recognized(what="a NumPy array", hint="give the model; arrays go to --windows")
    if content.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ")):
        return Recognized(what="compressed", hint="unpack it first: gunzip, bunzip2 or unxz")
    if _is_onnx(content):
        return Recognized(what="an ONNX model", hint=f"{TO_INTEGERS}, for example with onnx2tf -i model.onnx -oiqt")
    if content[8:10] == b'{"' and int.from_bytes(content[:8], "little") < len(content):
        return Recognized(what="a safetensors file", hint="it holds weights only; export the whole model as .tflite")
    return _text(content)


def _archive(content: bytes) -> Recognized:
    try:
        names = zipfile.ZipFile(io.BytesIO(content)).namelist()
    except (zipfile.BadZipFile, ValueError, OSError):
        return Recognized(what="a damaged zip archive", hint="was it downloaded completely?")
    if "config.json" in names and any(name.endswith((".h5", "metadata.json")) for name in names):
        return Recognized(what="a Keras model", hint=f"{TO_INTEGERS}: {_KERAS}")
    if any(name.endswith(("data.pkl", "serialized_exported_program.json")) or "/models/" in name for name in names):
        return Recognized(what="a PyTorch model", hint=f"{TO_INTEGERS}, for example with litert-torch")
    if names and all(name.endswith(".npy") for name in names):
        return Recognized(what="a NumPy archive", hint="give the model; arrays go to --windows")
    inside = [name for name in names if name.endswith(".tflite")]
    hint = f"unpack it: unzip, then {inside[0]}" if inside else "unpack it and give the .tflite file"
    return Recognized(what="a zip archive", hint=hint)


def _is_onnx(content: bytes) -> bool:
    """A protobuf whose first field is the version of ONNX, followed by a field that ONNX has."""
    return content[:1] == b"\x08" and content[1:2] < b"\x20" and content[2:3] in FIELDS_OF_ONNX


def _text(content: bytes) -> Recognized | None:
    try:
        text = content[:HEAD].decode("ascii").lower()
    except UnicodeDecodeError:
        return None
    if "0x" in text and ("{" in text or text.count("0x") > 8):
        return Recognized(
            what="a C array",
            hint="grep -o '0x[0-9a-fA-F][0-9a-fA-F]' FILE | cut -c3- | xxd -r -p > model.tflite gives its bytes",
        )
    if text.lstrip().startswith(("<!doctype html", "<html")):
        return Recognized(what="a web page", hint="download the raw file instead of the page that shows it")
    if text.lstrip().startswith(("{", "[")):
        try:
            json.loads(content)
        except ValueError:
            return None
        return Recognized(what="a JSON file", hint="give the .tflite file")
    return None
