"""The row of a convolution."""

from __future__ import annotations

from cct.passes.graph.describe_convolutions import describe_convolution, is_dense_convolution
from tests.passes.graph.test_graph_passes import CONV, graph, weight


def test_a_convolution_computes_by_the_pixels_of_its_output():
    model = graph(f"y = {CONV} (x, w)", {"w": weight(0)})
    layer = describe_convolution(model.graph[0])
    assert (layer.name, layer.op, layer.shape) == ("w", "Conv", (8, 8, 3, 3))
    assert layer.weights == 8 * 8 * 9
    assert 0 < layer.kept < layer.weights
    assert layer.macs == layer.weights * 81


def test_other_nodes_are_none():
    model = graph(f"a = {CONV} (x, w)\ny = Relu (a)", {"w": weight(0)})
    assert [is_dense_convolution(node) for node in model.graph] == [True, False]


def test_a_transposed_convolution_computes_by_the_pixels_of_its_input():
    strided = "y = ConvTranspose <strides: ints = [2, 2]> (x, w)"
    model = graph(strided, {"w": weight(0, shape=(8, 4, 2, 2))}, (2, 4, 18, 18))
    assert describe_convolution(model.graph[0]).macs == 8 * 4 * 2 * 2 * 9 * 9
