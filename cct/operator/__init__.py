"""cct::PatternConv: what it means, and its file format.

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
"""
