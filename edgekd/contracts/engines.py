"""The engines that can run a deployed model. Their names are spelled here and nowhere else."""

from enum import StrEnum


class Engine(StrEnum):
    """Name of an engine, as in `predict --engine` and in the pairs of a parity check."""

    TWIN = "twin"
    TFLM = "tflm"
    HOST = "host"
    BOARD = "board"
    TFLITE = "tflite"
    TORCH = "torch"
    ONNX = "onnx"
    TFLITE_FLOAT = "tflite_float"

    @property
    def label(self) -> str:
        """What the engine is, for people."""
        return _LABELS[self]


INTEGER = (Engine.TWIN, Engine.TFLM, Engine.TFLITE)
"""Interpreters of the integer graphs."""
NATIVE = (Engine.HOST, Engine.BOARD)
"""Generated C, which takes raw samples."""
FLOAT = (Engine.TORCH, Engine.ONNX, Engine.TFLITE_FLOAT)
"""The network before it was quantized."""

_LABELS = {
    Engine.TWIN: "NumPy twin",
    Engine.TFLM: "TFLite-Micro",
    Engine.HOST: "C on this computer",
    Engine.BOARD: "C on the emulated board",
    Engine.TFLITE: "TensorFlow Lite",
    Engine.TORCH: "PyTorch",
    Engine.ONNX: "ONNX Runtime",
    Engine.TFLITE_FLOAT: "TensorFlow Lite (float)",
}
