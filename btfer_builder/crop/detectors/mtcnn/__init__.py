"""MTCNN with the weights of the package mtcnn, on ONNX Runtime."""
