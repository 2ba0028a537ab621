"""A model in ONNX; no code is needed."""
