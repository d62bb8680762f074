#include "ort/infer_shape.h"

#include <memory>
#include <string>
#include <vector>

#include "format/packed.h"
#include "ort/ort_calls.h"

namespace cct {
namespace {

struct ReleaseInfo {
  const OrtApi* api;
  void operator()(OrtTensorTypeAndShapeInfo* info) const { ort::ReleaseTensorTypeAndShapeInfo(api, info); }
};

// What is known of a dimension: its size, or a name for it, or (size -1 and no name) nothing.
struct Dimension {
  int64_t size;
  std::string name;
};

struct Shape {
  OrtElementType type = ORT_UNDEFINED;
  std::vector<Dimension> dims;
};

class ShapeInference {
 public:
  ShapeInference(const OrtApi* api, OrtShapeInferContext* context) : api_(api), context_(context) {}

  void infer() const {
    int64_t numbers[4][4];
    cct_ints ints[4];
    const char* names[4] = {"kernel_shape", "strides", "pads", "dilations"};
    for (int i = 0; i < 4; ++i)
      ints[i] = {numbers[i], read(names[i], ORT_ATTR_INTS, numbers[i], sizeof numbers[i])};
    const Window window = check_window(ints[0], ints[1], ints[2], ints[3]);
    Shape shape = input_shape();
    std::vector<Dimension>& dims = shape.dims;
    if (dims.size() != 4) return;  // unknown; a wrong rank is refused when it runs
    read("out_channels", ORT_ATTR_INT, &dims[1].size, sizeof dims[1].size);
    dims[1].name.clear();
    for (int axis = 0; axis < 2; ++axis) dims[2 + axis] = output_dim(window, axis, dims[2 + axis]);
    // ONNX Runtime would take an unknown size without a name for the size -1.
    for (const Dimension& dim : dims) {
      if (dim.size < 0 && dim.name.empty()) return;
    }
    set_output(shape);
  }

 private:
  // Equal names must mean equal sizes, so a size that changes is named by how.
  static Dimension output_dim(const Window& window, int axis, const Dimension& in) {
    if (in.size > INT32_MAX) return {-1, ""};  // is refused when it runs
    if (in.size >= 0) return {window.output(axis, in.size), ""};
    if (in.name.empty()) return in;
    const int64_t grown = window.pad_begin[axis] + window.pad_end[axis] - window.extent(axis) + 1;
    if (grown == 0 && window.stride[axis] == 1) return in;
    return {-1, "(" + in.name + "+" + std::to_string(grown - 1) + ")/" + std::to_string(window.stride[axis]) +
                    "+1"};
  }

  // Of X; no dimensions when its rank is unknown.
  Shape input_shape() const {
    OrtTensorTypeAndShapeInfo* x = nullptr;  // stays the context's
    check_status(api_, ort::ShapeInferContext_GetInputTypeShape(api_, context_, 0, &x), "X");
    Shape shape;
    check_status(api_, ort::GetTensorElementType(api_, x, &shape.type), "X");
    size_t rank = 0;
    check_status(api_, ort::GetDimensionsCount(api_, x, &rank), "X");
    std::vector<int64_t> sizes(rank);
    std::vector<const char*> names(rank, "");
    check_status(api_, ort::GetDimensions(api_, x, sizes.data(), rank), "X");
    check_status(api_, ort::GetSymbolicDimensions(api_, x, names.data(), rank), "X");
    for (size_t i = 0; i < rank; ++i) shape.dims.push_back({sizes[i], names[i]});
    return shape;
  }

  // Number of values of an attribute.
  int64_t read(const char* name, OrtOpAttrType type, int64_t* values, size_t bytes) const {
    const OrtOpAttr* attribute = nullptr;
    check_status(api_, ort::ShapeInferContext_GetAttribute(api_, context_, name, &attribute), name);
    size_t used = 0;
    check_status(api_, ort::ReadOpAttr(api_, attribute, type, values, bytes, &used), name);
    return static_cast<int64_t>(used / sizeof(int64_t));
  }

  void set_output(const Shape& shape) const {
    std::vector<int64_t> sizes;
    std::vector<const char*> names;
    for (const Dimension& dim : shape.dims) {
      sizes.push_back(dim.size);
      names.push_back(dim.name.c_str());
    }
    OrtTensorTypeAndShapeInfo* made = nullptr;
    check_status(api_, ort::CreateTensorTypeAndShapeInfo(api_, &made), "Y");
    const std::unique_ptr<OrtTensorTypeAndShapeInfo, ReleaseInfo> y(made, ReleaseInfo{api_});
    check_status(api_, ort::SetTensorElementType(api_, y.get(), shape.type), "Y");
    check_status(api_, ort::SetDimensions(api_, y.get(), sizes.data(), sizes.size()), "Y");
    check_status(api_, ort::SetSymbolicDimensions(api_, y.get(), names.data(), names.size()), "Y");
    check_status(api_, ort::ShapeInferContext_SetOutputTypeShape(api_, context_, 0, y.get()), "Y");
  }

  const OrtApi* api_;
  OrtShapeInferContext* context_;
};

}  // namespace

void infer_shape(const OrtApi* api, OrtShapeInferContext* context) { ShapeInference(api, context).infer(); }

}  // namespace cct
