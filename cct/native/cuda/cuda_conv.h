/* The C API of the CUDA routines: pattern convolution on pointers to a GPU's memory. No ONNX Runtime type.
 *
 * As in cpu/pattern_conv.h a function that fails returns NULL or a non-zero number and writes one line to
 * `error`. */
#ifndef CCT_CUDA_CONV_H
#define CCT_CUDA_CONV_H

#include <stddef.h>
#include <stdint.h>

#include "format/packed_struct.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* "nvcc 13.0, compute capability 7.5 8.0 ...": what the CUDA routines were built with and for; NULL in a
 * library without them, whose other functions here fail. */
const char* cct_cuda_build(void);

/* The GPU's memory, for what a convolution keeps. */
typedef struct cct_cuda_memory {
  void* (*allocate)(void* owner, size_t bytes); /* aligned to 16 bytes; NULL when there is not enough */
  void (*release)(void* owner, void* memory);
  void* owner;
} cct_cuda_memory;

typedef struct cct_cuda_conv cct_cuda_conv;

/* Checks and rearranges the weights and uploads them to the GPU of this number; nothing of `packed` is
 * referred to afterwards. The context is the one of that GPU that is current in the thread, or else its
 * primary one. */
cct_cuda_conv* cct_cuda_conv_create(const cct_packed* packed, int device, const cct_cuda_memory* memory,
                                    char* error, size_t error_size);
void cct_cuda_conv_destroy(cct_cuda_conv* conv);

/* The shape of Y and the bytes of workspace, in the GPU's memory, that a run on `x_dims` (N, C, H, W) needs.
 * `tf32` 0 forbids tensor cores to float32, which round X and W to 10 bits of mantissa; else they are used
 * where they pay, unless the environment variable NVIDIA_TF32_OVERRIDE was 0 when `conv` was made. */
int cct_cuda_conv_prepare(const cct_cuda_conv* conv, int tf32, const int64_t x_dims[4], int64_t y_dims[4],
                          size_t* workspace_bytes, char* error, size_t error_size);

/* Enqueues Y = clip(conv(X) + B + Z) on a stream (cudaStream_t, CUstream) and returns: it allocates nothing
 * on the GPU and waits for nothing, so a CUDA graph may record it. All pointers are aligned to 16 bytes; `z`
 * may be NULL; `tf32` is that of prepare. Nothing in `conv` changes: runs may overlap, each with its own
 * workspace. */
int cct_cuda_conv_run(const cct_cuda_conv* conv, int tf32, const int64_t x_dims[4], const void* x,
                      const void* z, void* y, void* workspace, void* stream, char* error, size_t error_size);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
