// The part of ONNX Runtime's C ABI that the operator library uses, declared by us: its Python wheels carry no
// headers.
//
// `OrtApi` is an append-only table of functions, so a function is known by its slot. The library asks for API
// version 18 (onnxruntime 1.18) and uses no slot that came later.
#pragma once

#include <cstddef>
#include <cstdint>

struct OrtStatus;
struct OrtSessionOptions;
struct OrtCustomOpDomain;
struct OrtKernelInfo;
struct OrtKernelContext;
struct OrtShapeInferContext;
struct OrtTensorTypeAndShapeInfo;
struct OrtValue;
struct OrtAllocator;
struct OrtMemoryInfo;
struct OrtOpAttr;
struct OrtCustomOp;

constexpr uint32_t kOrtApiVersion = 18;
constexpr int kOrtCudaResourceVersion = 3;

enum OrtErrorCode : int { ORT_OK = 0, ORT_FAIL = 1, ORT_INVALID_ARGUMENT = 2 };
enum OrtElementType : int {
  ORT_UNDEFINED = 0,
  ORT_FLOAT = 1,
  ORT_UINT8 = 2,
  ORT_INT32 = 6,
  ORT_FLOAT16 = 10
};
enum OrtMemType : int { ORT_MEM_CPU_INPUT = -2, ORT_MEM_DEFAULT = 0 };
enum OrtDeviceType : int { ORT_CPU = 0, ORT_GPU = 1 };                           // OrtMemoryInfoDeviceType
enum OrtCudaResource : int { ORT_CUBLAS_HANDLE = 10002, ORT_USE_TF32 = 10011 };  // CudaResource
enum OrtCharacteristic : int { ORT_REQUIRED = 0, ORT_OPTIONAL = 1 };
enum OrtOpAttrType : int { ORT_ATTR_INT = 1, ORT_ATTR_INTS = 2 };

struct OrtApi {
  void (*slot[280])();
};

struct OrtApiBase {
  const OrtApi* (*GetApi)(uint32_t version);
  const char* (*GetVersionString)();
};

namespace ort {

// A function of `OrtApi`: call it as Name(api, arguments...).
template <int kSlot, class Signature>
struct Function;

template <int kSlot, class Result, class... Arguments>
struct Function<kSlot, Result(Arguments...)> {
  static_assert(kSlot < 280, "not in API version 18");
  Result operator()(const OrtApi* api, Arguments... arguments) const {
    return reinterpret_cast<Result (*)(Arguments...)>(api->slot[kSlot])(arguments...);
  }
};

// A function that returns OrtStatus* returns NULL on success.
constexpr Function<0, OrtStatus*(OrtErrorCode, const char*)> CreateStatus;
constexpr Function<2, const char*(const OrtStatus*)> GetErrorMessage;
constexpr Function<93, void(OrtStatus*)> ReleaseStatus;

constexpr Function<26, OrtStatus*(const char*, OrtCustomOpDomain**)> CreateCustomOpDomain;
constexpr Function<27, OrtStatus*(OrtCustomOpDomain*, const OrtCustomOp*)> CustomOpDomain_Add;
constexpr Function<101, void(OrtCustomOpDomain*)> ReleaseCustomOpDomain;
constexpr Function<28, OrtStatus*(OrtSessionOptions*, OrtCustomOpDomain*)> AddCustomOpDomain;

constexpr Function<85, OrtStatus*(const OrtKernelInfo*, const char*, float*)> KernelInfoGetAttribute_float;
constexpr Function<86, OrtStatus*(const OrtKernelInfo*, const char*, int64_t*)> KernelInfoGetAttribute_int64;
constexpr Function<87, OrtStatus*(const OrtKernelInfo*, const char*, char*, size_t*)>
    KernelInfoGetAttribute_string;
constexpr Function<163, OrtStatus*(const OrtKernelInfo*, const char*, int64_t*, size_t*)>
    KernelInfoGetAttributeArray_int64;
constexpr Function<249, OrtStatus*(const OrtKernelInfo*, size_t, int*, const OrtValue**)>
    KernelInfoGetConstantInput_tensor;
constexpr Function<278, OrtStatus*(const OrtKernelInfo*, OrtMemType, OrtAllocator**)> KernelInfoGetAllocator;

constexpr Function<75, OrtStatus*(OrtAllocator*, size_t, void**)> AllocatorAlloc;
constexpr Function<76, OrtStatus*(OrtAllocator*, void*)> AllocatorFree;
constexpr Function<77, OrtStatus*(const OrtAllocator*, const OrtMemoryInfo**)> AllocatorGetInfo;
constexpr Function<132, void(OrtAllocator*)> ReleaseAllocator;

constexpr Function<72, OrtStatus*(const OrtMemoryInfo*, int*)> MemoryInfoGetId;
constexpr Function<194, OrtStatus*(const OrtValue*, const OrtMemoryInfo**)> GetTensorMemoryInfo;
constexpr Function<225, void(const OrtMemoryInfo*, OrtDeviceType*)> MemoryInfoGetDeviceType;

constexpr Function<90, OrtStatus*(const OrtKernelContext*, size_t, const OrtValue**)> KernelContext_GetInput;
constexpr Function<91, OrtStatus*(OrtKernelContext*, size_t, const int64_t*, size_t, OrtValue**)>
    KernelContext_GetOutput;
constexpr Function<193, OrtStatus*(const OrtKernelContext*, void**)> KernelContext_GetGPUComputeStream;
constexpr Function<265, OrtStatus*(const OrtKernelContext*, int, int, void**)> KernelContext_GetResource;
constexpr Function<277, OrtStatus*(const OrtKernelContext*, const OrtMemoryInfo*, size_t, void**)>
    KernelContext_GetScratchBuffer;
constexpr Function<274, OrtStatus*(const OrtKernelContext*, void (*)(void*, size_t), size_t, size_t, void*)>
    KernelContext_ParallelFor;

constexpr Function<51, OrtStatus*(OrtValue*, void**)> GetTensorMutableData;
constexpr Function<65, OrtStatus*(const OrtValue*, OrtTensorTypeAndShapeInfo**)> GetTensorTypeAndShape;
constexpr Function<57, OrtStatus*(OrtTensorTypeAndShapeInfo**)> CreateTensorTypeAndShapeInfo;
constexpr Function<58, OrtStatus*(OrtTensorTypeAndShapeInfo*, OrtElementType)> SetTensorElementType;
constexpr Function<59, OrtStatus*(OrtTensorTypeAndShapeInfo*, const int64_t*, size_t)> SetDimensions;
constexpr Function<60, OrtStatus*(const OrtTensorTypeAndShapeInfo*, OrtElementType*)> GetTensorElementType;
constexpr Function<61, OrtStatus*(const OrtTensorTypeAndShapeInfo*, size_t*)> GetDimensionsCount;
constexpr Function<62, OrtStatus*(const OrtTensorTypeAndShapeInfo*, int64_t*, size_t)> GetDimensions;
constexpr Function<63, OrtStatus*(const OrtTensorTypeAndShapeInfo*, const char**, size_t)>
    GetSymbolicDimensions;
constexpr Function<271, OrtStatus*(OrtTensorTypeAndShapeInfo*, const char**, size_t)> SetSymbolicDimensions;
constexpr Function<99, void(OrtTensorTypeAndShapeInfo*)> ReleaseTensorTypeAndShapeInfo;

constexpr Function<268, OrtStatus*(const OrtShapeInferContext*, size_t, OrtTensorTypeAndShapeInfo**)>
    ShapeInferContext_GetInputTypeShape;
constexpr Function<269, OrtStatus*(const OrtShapeInferContext*, const char*, const OrtOpAttr**)>
    ShapeInferContext_GetAttribute;
constexpr Function<270, OrtStatus*(const OrtShapeInferContext*, size_t, const OrtTensorTypeAndShapeInfo*)>
    ShapeInferContext_SetOutputTypeShape;
constexpr Function<272, OrtStatus*(const OrtOpAttr*, OrtOpAttrType, void*, size_t, size_t*)> ReadOpAttr;

}  // namespace ort

// What ONNX Runtime asks an operator. `version` says how far it may read.
struct OrtCustomOp {
  uint32_t version;
  void* (*CreateKernel)(const OrtCustomOp*, const OrtApi*, const OrtKernelInfo*);
  const char* (*GetName)(const OrtCustomOp*);
  const char* (*GetExecutionProviderType)(const OrtCustomOp*);
  OrtElementType (*GetInputType)(const OrtCustomOp*, size_t);
  size_t (*GetInputTypeCount)(const OrtCustomOp*);
  OrtElementType (*GetOutputType)(const OrtCustomOp*, size_t);
  size_t (*GetOutputTypeCount)(const OrtCustomOp*);
  void (*KernelCompute)(void*, OrtKernelContext*);
  void (*KernelDestroy)(void*);
  OrtCharacteristic (*GetInputCharacteristic)(const OrtCustomOp*, size_t);
  OrtCharacteristic (*GetOutputCharacteristic)(const OrtCustomOp*, size_t);
  OrtMemType (*GetInputMemoryType)(const OrtCustomOp*, size_t);
  int (*GetVariadicInputMinArity)(const OrtCustomOp*);
  int (*GetVariadicInputHomogeneity)(const OrtCustomOp*);
  int (*GetVariadicOutputMinArity)(const OrtCustomOp*);
  int (*GetVariadicOutputHomogeneity)(const OrtCustomOp*);
  OrtStatus* (*CreateKernelV2)(const OrtCustomOp*, const OrtApi*, const OrtKernelInfo*, void**);
  OrtStatus* (*KernelComputeV2)(void*, OrtKernelContext*);
  OrtStatus* (*InferOutputShapeFn)(const OrtCustomOp*, OrtShapeInferContext*);
  int (*GetStartVersion)(const OrtCustomOp*);
  int (*GetEndVersion)(const OrtCustomOp*);
  size_t (*GetMayInplace)(int**, int**);
  void (*ReleaseMayInplace)(int*, int*);
  size_t (*GetAliasMap)(int**, int**);
  void (*ReleaseAliasMap)(int*, int*);
};

static_assert(offsetof(OrtCustomOp, CreateKernel) == sizeof(void*), "the version is padded to a pointer");
static_assert(offsetof(OrtCustomOp, CreateKernelV2) == 17 * sizeof(void*), "sixteen functions before API 16");
static_assert(sizeof(OrtCustomOp) == 26 * sizeof(void*), "twenty-five functions up to API 18");
static_assert(offsetof(OrtApi, slot[93]) == 93 * sizeof(void*), "a slot is a pointer");
static_assert(sizeof(OrtErrorCode) == sizeof(int) && sizeof(OrtElementType) == sizeof(int),
              "C enums are ints");
