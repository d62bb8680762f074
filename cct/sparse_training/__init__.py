"""Training steps that compute with kept weights alone.

switch           which convolutions do so, and from when on
autograd         such a convolution for torch
products         its three products: forward, by the images, by the weights
native_binding   the library's C functions
"""
