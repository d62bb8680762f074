/* A packed convolution as a file states it, in plain C: what the routines of every device are made from.
 * Nothing of it is trusted; packed.h checks it.
 *
 * What the numbers mean is specified in docs/operator.md; the names are the operator's. */
#ifndef CCT_PACKED_STRUCT_H
#define CCT_PACKED_STRUCT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cct_ints {
  const int64_t* data;
  int64_t count;
} cct_ints;

/* Element types, by ONNX's numbers. */
enum { CCT_FLOAT32 = 1, CCT_FLOAT16 = 10 };

typedef struct cct_tensor {
  const void* data;
  const int64_t* dims;
  int64_t rank;
} cct_tensor;

/* One PatternConv as a file states it: its attributes and its constant inputs. */
typedef struct cct_packed {
  const char* layout;
  cct_ints kernel_shape, strides, pads, dilations, pool, block;
  int64_t group, in_channels, out_channels, entries;
  float clip_min, clip_max;
  int32_t type;        /* of X, B, Z and Y: CCT_FLOAT32 or CCT_FLOAT16 */
  int32_t weight_type; /* of W, not wider than `type` */
  cct_tensor W;        /* weight_type, K x bi*E x bo */
  cct_tensor filters;  /* int32, K */
  cct_tensor channels; /* int32, K */
  cct_tensor patterns; /* uint8, K */
  cct_tensor order;    /* int32, group * ceil(O/group/bo) * bo */
  cct_tensor in_order; /* int32, group * ceil(C/group/bi) * bi */
  cct_tensor B;        /* type, O */
} cct_packed;

#ifdef __cplusplus
}
#endif

#endif
