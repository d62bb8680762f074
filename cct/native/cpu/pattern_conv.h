/* The C API: pattern convolution on plain pointers. No ONNX Runtime type.
 *
 * The operator, the tests and training call these functions alike; they are visible in libcct_ops.so.
 * Everything is checked, whatever the caller passes in the arrays: a function that fails returns NULL or a
 * non-zero number and writes one line to `error` (cut to `error_size`, always terminated).
 *
 * What the numbers mean is specified in docs/operator.md; the names are the operator's. */
#ifndef CCT_PATTERN_CONV_H
#define CCT_PATTERN_CONV_H

#include <stddef.h>
#include <stdint.h>

#include "format/packed_struct.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

typedef struct cct_pattern_conv cct_pattern_conv;

/* Runs task(argument, i) for every i < count, in any order, on any threads, and returns when all are done.
 * Returns 0, or non-zero when it could not. */
typedef struct cct_threads {
  int (*parallel_for)(void* pool, void (*task)(void* argument, size_t i), size_t count, void* argument);
  void* pool;
} cct_threads;

/* The ISA rows of this library, best first. A row serves training when its sparse products
 * beat the dense ones of torch. */
int cct_isa_count(void);
const char* cct_isa_name(int row);
int cct_isa_supported(int row);
int cct_isa_serves_training(int row);

/* Checks and rearranges the weights; nothing of `packed` is referred to afterwards. `isa` names a row; NULL
 * is the row that the environment variable CCT_ISA names or else the best that this CPU supports. */
cct_pattern_conv* cct_pattern_conv_create(const cct_packed* packed, const char* isa, char* error,
                                          size_t error_size);
void cct_pattern_conv_destroy(cct_pattern_conv* conv);

/* The same, and its numbers can be replaced, which takes 8 bytes a weight. W and B are of the types and sizes
 * that `packed` stated, and nothing of them is checked: what W has on padding is not read. No run may
 * overlap. */
cct_pattern_conv* cct_pattern_conv_create_for_training(const cct_packed* packed, const char* isa, char* error,
                                                       size_t error_size);
void cct_pattern_conv_set_weights(cct_pattern_conv* conv, const void* W, const void* B);

/* The shape of Y and the bytes of scratch that a run on `x_dims` (N, C, H, W) needs. */
int cct_pattern_conv_prepare(const cct_pattern_conv* conv, const int64_t x_dims[4], int64_t y_dims[4],
                             size_t* scratch_bytes, char* error, size_t error_size);

/* Y = clip(conv(X) + B + Z), all of the type that `packed` stated, summed in float32; `z` may be NULL.
 * Nothing in `conv` changes but a locked list of what is known of sizes: runs may overlap, each with its own
 * scratch. */
int cct_pattern_conv_run(const cct_pattern_conv* conv, const int64_t x_dims[4], const void* x, const void* z,
                         void* y, void* scratch, const cct_threads* threads, char* error, size_t error_size);

/* The gradient of W. For each kept weight the sum, over all images and pixels, of dY and the X that the
 * weight multiplies: of the shape of W, zero on padding. `type` must be CCT_FLOAT32; W and B of `packed`,
 * clip_min and clip_max make no difference. prepare and run as above. The same bits for any number of
 * threads. */
typedef struct cct_weight_gradient cct_weight_gradient;
cct_weight_gradient* cct_weight_gradient_create(const cct_packed* packed, const char* isa, char* error,
                                                size_t error_size);
void cct_weight_gradient_destroy(cct_weight_gradient* gradient);
int cct_weight_gradient_prepare(const cct_weight_gradient* gradient, const int64_t x_dims[4],
                                int64_t y_dims[4], size_t* scratch_bytes, char* error, size_t error_size);
int cct_weight_gradient_run(const cct_weight_gradient* gradient, const int64_t x_dims[4], const float* x,
                            const float* dy, float* dw, void* scratch, const cct_threads* threads,
                            char* error, size_t error_size);

/* A parallel_for on the threads of an OpenMP runtime that the process has already: threads of our own would
 * want the cores on which those wait. `parallel` is the runtime's GOMP_parallel. */
typedef struct cct_openmp {
  void (*parallel)(void (*body)(void* data), void* data, unsigned threads, unsigned flags);
  unsigned threads;
} cct_openmp;
int cct_openmp_parallel_for(void* openmp, void (*task)(void* argument, size_t i), size_t count,
                            void* argument);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
