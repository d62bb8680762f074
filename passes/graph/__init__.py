"""Passes over ONNX graphs: from what torch exports to what cct writes."""
