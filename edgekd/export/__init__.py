"""torch -> ONNX -> TFLite. Value names in the graphs are the names used for quantization ranges in training."""
