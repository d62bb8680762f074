"""cct::PatternConv and cct::QLinearPatternConv: what they mean, and their file format.

spec              names, versions, attributes, limits
types             in which it computes and stores: one row a pair
reference         its meaning in numpy
body              its meaning as ONNX functions
unpack_body       of which the steps that make the weight dense
packed            kept weights alone
layout            which weight stands where
read_node         a node of a file that is not trusted
read_packed       of which its attributes and packed weights
read_model        such a file
check_expansion   what the calls in it come to

The operator on bytes, with the same packed weights:

qlinear_spec        names, inputs, attributes
quantization        scales and zero points, and their rules
qlinear_reference   its meaning in numpy, to the byte
qlinear_body        its meaning as ONNX functions
read_qlinear_node   a node of a file that is not trusted
"""
