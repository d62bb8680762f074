"""What users and CI read: plain records, their text and their JSON. No torch, no onnx.

figures    what compress and validate share
layer      one row a convolution
timing     times and ratios
compress_report, export_report, verdict, comparison, inspection, diagnosis   one a command
table, plain_json   columns of text, plain values
"""
