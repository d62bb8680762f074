"""All that a server needs: numpy and onnxruntime.

session        `cct.session`
library        where the operator library is, and its ISA rows
routine        which routine runs a layer
check_cuda, cuda_build, cuda_driver   what CUDA needs here
machine        this machine
random_feeds   input for a session whose data is not at hand
"""
