"""A dense file of ours as the other engines take it: plain opset 13, a fixed batch."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import helper, numpy_helper

OPSET, IR_VERSION = 13, 8
NEWER = ("allowzero", "noop_with_empty_axes")  # attributes that opset 13 lacks


class NotConvertible(Exception):
    """The file uses something that opset 13 can't say."""


def write_peer_model(source: Path, target: Path, batch: int) -> None:
    """Write `source` again for `batch` images.

    onnx's own converter has no way from Relu 14 to 13, whose meaning for float32 is the same; neither changed the other
    operators of these networks, but for the places where axes and pads stand. The checker has the last word.

    Raises:
        NotConvertible: with what is in the way.
    """
    model = onnx.load(source)
    _fix_batch(model, batch)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "ReduceMean" and len(node.input) == 2:
            axes = constants.get(node.input[1])
            if axes is None or not len(axes):
                raise NotConvertible("ReduceMean has axes that are no constant")
            del node.input[1]
            node.attribute.append(helper.make_attribute("axes", [int(axis) for axis in axes]))
        if node.op_type == "Pad" and len(node.input) == 4:
            raise NotConvertible("Pad has axes")
        for attribute in [found for found in node.attribute if found.name in NEWER]:
            # Without a zero in the shape, allowzero changes nothing; with axes, noop_with_empty_axes neither.
            shape = constants.get(node.input[1]) if attribute.name == "allowzero" else None
            if attribute.name == "allowzero" and attribute.i and (shape is None or 0 in shape):
                raise NotConvertible("Reshape has allowzero")
            node.attribute.remove(attribute)
    for opset in model.opset_import:
        opset.version = OPSET
    model.ir_version = IR_VERSION
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise NotConvertible(" ".join(str(error).split())[:200]) from error
    onnx.save(model, target)


def _fix_batch(model: onnx.ModelProto, batch: int) -> None:
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.HasField("dim_param"):
                dimension.dim_value = batch  # takes the place of the name
