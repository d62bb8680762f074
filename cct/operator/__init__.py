"""cct::PatternConv: what it means, and its file format.

spec              names, versions, function bodies, reference
packed            kept weights alone
layout            which weight stands where
read_node         a node of a file that is not trusted
read_model        such a file
check_expansion   what the calls in it come to
"""
