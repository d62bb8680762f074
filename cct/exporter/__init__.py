"""From a module to ONNX.

export     `cct.export`, the ordered list of passes
trace      what torch makes of the module, for any batch
metadata   what the file says of itself
"""
