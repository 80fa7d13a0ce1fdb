"""What a network costs before it is trained: parameters, and multiplications per record."""

from __future__ import annotations

import math
from typing import Any


def cost(network: Any) -> tuple[int, int]:
    """Parameters and multiply-accumulates of one input of a Keras model.

    Counted in the graph that TensorFlow traces: convolutions and products of matrices. What is
    done element by element (activations, normalisation) is left out, as papers leave it out.
    """
    import tensorflow as tf

    spec = tf.TensorSpec((1, *network.input_shape[1:]), tf.float32)
    quiet = tf.autograph.experimental.do_not_convert(lambda x: network(x, training=False))
    traced = tf.function(quiet).get_concrete_function(spec)
    return network.count_params(), sum(map(_macs, traced.graph.get_operations()))


def _macs(operation: Any) -> int:
    """Of one operation of the graph."""
    if operation.type not in _COUNTED:
        return 0
    outputs = math.prod(operation.outputs[0].shape)
    left, right = (tuple(tensor.shape) for tensor in operation.inputs[:2])
    if operation.type == "Conv2D":
        return outputs * math.prod(right[:3])  # height, width, inputs of a group
    if operation.type == "DepthwiseConv2dNative":
        return outputs * math.prod(right[:2])
    if operation.type == "Einsum":
        letters = operation.get_attr("equation").decode().split("->")[0].split(",")
        return math.prod(dict(zip("".join(letters), left + right, strict=True)).values())
    turned = operation.get_attr("transpose_a" if operation.type == "MatMul" else "adj_x")
    return outputs * left[-2 if turned else -1]


_COUNTED = ("Conv2D", "DepthwiseConv2dNative", "MatMul", "BatchMatMulV2", "Einsum")
