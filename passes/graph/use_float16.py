"""Graph pass: compute in float16 between inputs and outputs that stay float32."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from cct.errors import UnsupportedModel
from cct.operator.spec import DOMAIN, NAME

FLOAT, HALF = ir.DataType.FLOAT, ir.DataType.FLOAT16


def to_float16(array: NDArray[np.floating], what: str) -> NDArray[np.float16]:
    """Round to the nearest float16, ties to even: what is not above 2^-25 becomes zero.

    Raises:
        UnsupportedModel: a finite number is beyond float16, and not the largest float32 either, which becomes the
            largest float16; says `what` holds it.
    """
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    largest = np.finfo(np.float32).max  # stands for "no limit" in masks and clamps
    half = np.where(np.abs(array) == largest, np.copysign(np.float16(65504), half), half)
    lost = np.isinf(half) & np.isfinite(array)
    if lost.any():
        worst = array[lost][np.abs(array[lost]).argmax()]
        raise UnsupportedModel(f"{what} holds {worst:g}, beyond float16's 65504: export it with float32")
    return half


class UseFloat16(ir.passes.InPlacePass):
    """Make the main graph float16 as far as the definitions of its operators allow.

    1. PatternConv, and an operator whose float32 outputs have the type of some input: float16.
    2. An input that must be float32 (the scales of Resize), and every other operator: float32.
    3. Between the two, and where the graph begins and ends: a Cast, one for each value.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Convert the main graph of `model`; its inputs and outputs keep their types."""
        graph, casts = model.graph, _Casts(model.graph)
        values = [*graph.inputs, *graph.initializers.values(), *(v for node in graph for v in node.outputs)]
        floats = {value for value in values if value.dtype == FLOAT}
        for node in list(graph):
            if any(a.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS) for a in node.attributes.values()):
                raise UnsupportedModel(
                    f"{node.op_type} {node.name!r} contains a graph, which can't be float16: use float32 activations"
                )
            at_float16 = _float16_inputs(node, floats, graph.opset_imports[""])
            for i, value in enumerate(node.inputs):
                if value in floats:
                    node.replace_input_with(i, casts.cast(value, HALF if i in at_float16 else FLOAT))
            for value in node.outputs if at_float16 else ():
                if value in floats:
                    value.type = ir.TensorType(HALF)  # a new one: values may share theirs
        for value in dict.fromkeys(graph.outputs):
            if value in floats and value.dtype == HALF:
                end = casts.cast(value, FLOAT)
                value.name, end.name = casts.free(f"{value.name}_float16"), value.name
                graph.outputs[:] = [end if output is value else output for output in graph.outputs]
        return ir.passes.PassResult(model, modified=bool(casts.values))


def _float16_inputs(node: ir.Node, floats: set[ir.Value], opset: int) -> set[int]:
    """Which of the float32 inputs become float16; none when the node has to stay float32."""
    candidates = [i for i, value in enumerate(node.inputs) if value in floats]
    if (node.domain, node.op_type) == (DOMAIN, NAME):
        return set(candidates)
    try:
        schema = onnx.defs.get_schema(node.op_type, opset, node.domain)
    except onnx.defs.SchemaError:
        return set()
    able = {c.type_param_str for c in schema.type_constraints if "tensor(float16)" in c.allowed_type_strs}

    def kind(formals: Sequence[onnx.defs.OpSchema.FormalParameter], i: int) -> str:
        return formals[min(i, len(formals) - 1)].type_str  # the last may be variadic

    chosen = {i for i in candidates if kind(schema.inputs, i) in able}
    bound = {kind(schema.inputs, i) for i in chosen}
    follow = all(kind(schema.outputs, i) in bound for i, value in enumerate(node.outputs) if value in floats)
    return chosen if follow else set()


class _Casts:
    """Values of a graph in another type, each made once."""

    def __init__(self, graph: ir.Graph) -> None:
        self.graph = graph
        values = [*graph.inputs, *graph.initializers.values(), *(v for node in graph for v in node.outputs)]
        self.names = {value.name for value in values}
        self.values: dict[tuple[ir.Value, ir.DataType], ir.Value] = {}

    def cast(self, value: ir.Value, dtype: ir.DataType) -> ir.Value:
        if value.dtype == dtype:
            return value
        if (value, dtype) not in self.values:
            self.values[value, dtype] = self._round(value) if value.is_initializer() else self._node(value, dtype)
        return self.values[value, dtype]

    def free(self, name: str) -> str:
        """The name, or one like it that nothing has yet."""
        while name in self.names:
            name += "_"
        self.names.add(name)
        return name

    def _round(self, value: ir.Value) -> ir.Value:
        assert value.const_value is not None
        array = to_float16(value.const_value.numpy(), str(value.name))
        tensor = ir.tensor(array, name=self.free(f"{value.name}_float16"))
        rounded = ir.Value(name=tensor.name, type=ir.TensorType(HALF), shape=value.shape, const_value=tensor)
        self.graph.register_initializer(rounded)
        return rounded

    def _node(self, value: ir.Value, dtype: ir.DataType) -> ir.Value:
        cast = ir.node("Cast", [value], {"to": dtype.value})
        output = cast.outputs[0]
        output.name = self.free(f"{value.name}_{dtype.name.lower()}")
        output.type, output.shape = ir.TensorType(dtype), value.shape
        producer = value.producer()
        if producer is None:
            self.graph.insert_before(self.graph[0], cast)
        else:
            self.graph.insert_after(producer, cast)
        return output
