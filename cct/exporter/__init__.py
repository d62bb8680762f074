"""From a module to ONNX.

export     `cct.export`, the ordered list of passes
metadata   what the file says of itself
"""
