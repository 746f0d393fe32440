"""torch -> ONNX -> TFLite. Value names in the graphs are the names used for quantisation ranges in training."""
