"""Pure functions that change a model: no data, no loops over data.

module   over torch modules
graph    over ONNX graphs
"""
