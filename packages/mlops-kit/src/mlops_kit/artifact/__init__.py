"""The exported model: manifest, encoding, ONNX, predictor, request schema."""
