"""The HTTP service. On an ONNX model nothing here imports MLflow, pandas or scikit-learn."""
