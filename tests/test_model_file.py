"""Files of another kind are recognized, with what to do about them."""

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.contracts.errors import ConfigError, ModelError
from edgekd.program.model_file import read_model_file, require_tflite


def archive(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        for name in names:
            zipped.writestr(name, b"{}")
    return file.getvalue()


def npy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


def onnx_model() -> bytes:
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value], [value])
    return helper.make_model(graph).SerializeToString()


OTHERS = {
    "empty": (b"", "is empty"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n", "a Git LFS pointer"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "an HDF5 file"),
    "keras": (archive("metadata.json", "config.json", "model.weights.h5"), "a Keras model"),
    "torch": (archive("model/data.pkl", "model/version"), "a PyTorch model"),
    "pt2": (archive("serialized_exported_program.json"), "a PyTorch model"),
    "npz": (archive("a.npy"), "a NumPy archive"),
    "zip": (archive("a/model.tflite"), "a zip archive"),
    "half a zip": (archive("a.npy")[:20], "a damaged zip archive"),
    "pickle": (pickle.dumps({"a": 1}), "a Python pickle"),
    "npy": (npy(), "a NumPy array"),
    "array": (b"const unsigned char model[] = {\n  0x1c, 0x00, 0x00, 0x00, 0x54, 0x46, 0x4c, 0x33,\n", "a C array"),
    "page": (b"<!DOCTYPE html>\n<html>", "a web page"),
    "json": (b'{"a": 1}', "a JSON file"),
    "safetensors": ((2).to_bytes(8, "little") + b'{"a": 1}', "a safetensors file"),
    "gzip": (b"\x1f\x8b\x08" + bytes(20), "compressed"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_files_are_named_with_a_way_out(name: str, tmp_path: Path) -> None:
    content, what = OTHERS[name]
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=what) as error:
        read_model_file(path)
    assert error.value.hint


def test_onnx_is_recognized() -> None:
    pytest.importorskip("onnx")
    with pytest.raises(ModelError, match="an ONNX model"):
        require_tflite(onnx_model())


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.tflite: No such file"):
        read_model_file(tmp_path / "none.tflite")
    with pytest.raises(ConfigError, match="is a folder"):
        read_model_file(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(ConfigError, match="SavedModel"):
        read_model_file(tmp_path)


@given(st.binary(max_size=200) | st.binary(max_size=50).map(lambda tail: b"PK\x03\x04" + tail))
def test_anything_is_an_error_or_a_tflite_file(content: bytes) -> None:
    if content[4:8] == b"TFL3":
        return
    with pytest.raises(ModelError):
        require_tflite(content)


def test_a_missing_file_is_reported_before_anything_is_imported(tmp_path: Path) -> None:
    import subprocess
    import sys

    program = (
        "import sys; from edgekd.cli import app; "
        "sys.argv = ['edgekd', 'codegen', 'none.tflite', '--out', 'x']\n"
        "try: app()\nexcept BaseException: pass\n"
        "print([name for name in ('torch', 'tensorflow', 'pandas', 'onnx') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.stdout.splitlines()[-1] == "[]", done
