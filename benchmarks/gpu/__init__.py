"""Estimates of how fast the CUDA kernels can be, from published peaks and from what the compiler made of them."""
