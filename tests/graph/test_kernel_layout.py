import keras
import numpy as np
import pytest
from keras import layers

import kerasopt as ko
from kerasopt.graph import KernelLayout, kernel_layout


class Correlation(layers.Layer):
    """A layer of the user's own with a kernel of any rank."""

    def __init__(self, shape):
        super().__init__()
        self.shape = shape

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=self.shape)


def built(layer, *shape):
    layer.build((None, *shape))
    return layer


@pytest.mark.parametrize(
    "layer, shape, name, expected",
    [
        (layers.Dense(5), (3,), "kernel", ((), (0,), (1,))),
        (layers.Dense(5), (3,), "bias", ((), (), (0,))),
        (layers.Conv1D(5, 2), (9, 3), "kernel", ((0,), (1,), (2,))),
        (layers.Conv2D(5, 2), (9, 9, 3), "kernel", ((0, 1), (2,), (3,))),
        (layers.Conv2D(4, 2, groups=2), (9, 9, 6), "kernel", ((0, 1), (2,), (3,))),
        (
            layers.Conv2D(5, 2, data_format="channels_first"),
            (3, 9, 9),
            "kernel",
            ((0, 1), (2,), (3,)),
        ),
        (layers.Conv3D(5, 2), (9, 9, 9, 3), "kernel", ((0, 1, 2), (3,), (4,))),
        (layers.Conv1DTranspose(5, 2), (9, 3), "kernel", ((0,), (2,), (1,))),
        (layers.Conv2DTranspose(5, 2), (9, 9, 3), "kernel", ((0, 1), (3,), (2,))),
        (layers.Conv3DTranspose(5, 2), (9, 9, 9, 3), "kernel", ((0, 1, 2), (4,), (3,))),
        (layers.DepthwiseConv1D(2), (9, 3), "kernel", ((0,), (1,), (1, 2))),
        (layers.DepthwiseConv2D(2), (9, 9, 3), "kernel", ((0, 1), (2,), (2, 3))),
        (layers.SeparableConv1D(5, 2), (9, 3), "depthwise_kernel", ((0,), (1,), (1, 2))),
        (layers.SeparableConv2D(5, 2), (9, 9, 3), "depthwise_kernel", ((0, 1), (2,), (2, 3))),
        (layers.SeparableConv2D(5, 2), (9, 9, 3), "pointwise_kernel", ((0, 1), (2,), (3,))),
        (layers.LSTMCell(4), (3,), "kernel", ((), (0,), (1,))),
        (layers.LSTMCell(4), (3,), "recurrent_kernel", ((), (0,), (1,))),
        (layers.GRUCell(4), (3,), "bias", ((), (), (0, 1))),
        (layers.Embedding(7, 3), (4,), "embeddings", ((), (0,), (1,))),
        (layers.EinsumDense("ab,bc->ac", 5), (3,), "kernel", ((), (0,), (1,))),
        (layers.EinsumDense("ab,cb->ac", 5), (3,), "kernel", ((), (1,), (0,))),
        (layers.EinsumDense("...x,xy->...y", 5), (4, 3), "kernel", ((), (0,), (1,))),
        (layers.EinsumDense("abc,bcd->abd", (4, 5)), (4, 3), "kernel", ((), (0, 1), (0, 2))),
        (layers.BatchNormalization(), (3,), "gamma", ((), (), (0,))),
        (layers.LayerNormalization(axis=(1, 2)), (4, 3), "beta", ((), (), (0, 1))),
        (Correlation((2, 2, 3, 5)), (3,), "kernel", ((0, 1), (2,), (3,))),
        (Correlation((3, 5)), (3,), "kernel", ((), (0,), (1,))),
        (Correlation((5,)), (3,), "kernel", ((), (), (0,))),
        (Correlation(()), (3,), "kernel", ((), (), ())),
    ],
)
def test_the_axes_of(layer, shape, name, expected):
    assert kernel_layout(built(layer, *shape), name) == KernelLayout(*expected)


@pytest.mark.parametrize("rank", [1, 2])
def test_the_axes_of_a_convolutional_cell(rank):
    recurrent = {1: layers.ConvLSTM1D, 2: layers.ConvLSTM2D}[rank](4, 3)
    cell = built(recurrent, 5, *[9] * rank, 3).cell
    spatial = tuple(range(rank))
    for name in ("kernel", "recurrent_kernel"):
        assert kernel_layout(cell, name) == KernelLayout(spatial, (rank,), (rank + 1,))


@pytest.mark.parametrize("attention", ["MultiHeadAttention", "GroupQueryAttention"])
def test_the_axes_of_attention(attention):
    heads = {
        "MultiHeadAttention": {"num_heads": 2, "key_dim": 3},
        "GroupQueryAttention": {"num_query_heads": 4, "num_key_value_heads": 2, "head_dim": 3},
    }[attention]
    layer = getattr(layers, attention)(**heads)
    layer.build((None, 5, 8), (None, 5, 8))
    for name in ("query", "key", "value"):
        inner = getattr(layer, f"_{name}_dense")
        assert kernel_layout(inner, "kernel") == KernelLayout((), (0,), (1, 2))
        assert kernel_layout(inner, "bias") == KernelLayout((), (), (0, 1))
    assert kernel_layout(layer._output_dense, "kernel") == KernelLayout((), (0, 1), (2,))
    assert kernel_layout(layer._output_dense, "bias") == KernelLayout((), (), (0,))


def test_a_parametrized_layer_has_the_layout_of_its_own_class():
    layer = built(layers.Conv2DTranspose(5, 2), 9, 9, 3)
    plain = kernel_layout(layer, "kernel")
    ko.parametrize(layer, "kernel", ko.sparsity.Mask())
    assert kernel_layout(layer, "kernel") == plain


def test_contracted_axes_are_those_the_layer_sums_over():
    assert KernelLayout((0, 1), (2,), (3,)).contracted == (2,)
    assert KernelLayout((0, 1), (2,), (2, 3)).contracted == ()
    assert KernelLayout((), (0, 1), (0, 2)).contracted == (1,)


@pytest.mark.parametrize(
    "layer, shape, name",
    [
        (layers.Conv2D(4, 3, padding="same"), (5, 5, 3), "kernel"),
        (layers.Conv2D(4, 3, groups=2, padding="same"), (5, 5, 4), "kernel"),
        (layers.Conv2DTranspose(4, 3, padding="same"), (5, 5, 3), "kernel"),
        (layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same"), (5, 5, 3), "kernel"),
        (layers.EinsumDense("abc,cde->abde", (None, 2, 4)), (5, 3), "kernel"),
        (layers.EinsumDense("abc,bcd->abd", (5, 4)), (5, 3), "kernel"),
    ],
)
def test_an_output_channel_depends_on_its_own_weights_alone(layer, shape, name):
    layer = built(layer, *shape)
    kernel = getattr(layer, name)
    outputs = kernel_layout(layer, name).outputs
    first = tuple(0 if axis in outputs else slice(None) for axis in range(len(kernel.shape)))
    x = np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")
    before = keras.ops.convert_to_numpy(layer(x))
    changed = keras.ops.convert_to_numpy(kernel).copy()
    changed[first] += 1.0
    kernel.assign(changed)
    differs = ~np.isclose(before, keras.ops.convert_to_numpy(layer(x)))
    # The channels are the last axes of the output.
    channels = np.prod([kernel.shape[axis] for axis in outputs])
    changed = differs.reshape(-1, channels).any(axis=0)
    assert changed[0] and changed.sum() == 1
