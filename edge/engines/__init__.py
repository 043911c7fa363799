"""What runs the network: ONNX Runtime on any machine, TensorRT on a Jetson."""
