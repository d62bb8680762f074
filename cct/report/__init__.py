"""What users and CI read: plain records, their text and their JSON. No torch, no onnx.

compress_report   what `cct compress` did
export_report     what `cct export` did
verdict           what `cct validate` found
comparison        what `cct bench` measured
inspection        what `cct inspect` found
diagnosis         what `cct doctor` found
figures           what compress and validate share
layer             one row a convolution
timing            times and ratios
node_time         one node of a graph, and its time
table             columns of text
plain_json        plain values
"""
