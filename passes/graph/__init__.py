"""Passes over ONNX graphs: from what torch exports to what cct writes.

pack_convolutions       every pattern-sparse convolution becomes a `cct::PatternConv`
absorb_activation       the ReLU or clip after a PatternConv goes into it
absorb_residual         likewise the addition
use_float16             float16 between inputs and outputs that stay float32
add_functions           the meaning of every PatternConv as a model-local function
inline_functions        such functions written out
describe_convolutions   a graph's convolutions as the rows of a report; changes nothing
"""
