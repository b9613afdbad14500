"""Small models, each with one kind of layer between others."""

import keras
from keras import layers


def conv(filters):
    return lambda x: layers.Conv2D(filters, 3, padding="same")(x)


def squeezed(x):
    x = conv(4)(x)
    gate = layers.Conv2D(4, 1, activation="sigmoid")(
        layers.GlobalAveragePooling2D(keepdims=True)(x)
    )
    return conv(3)(layers.Multiply()([x, gate]))


def concatenated(x):
    x = conv(4)(x)
    return conv(3)(layers.Concatenate()([x, conv(5)(x)]))


def normalized(x):
    x = layers.MaxPooling2D()(conv(4)(x))
    return conv(3)(layers.ReLU()(layers.BatchNormalization()(x)))


def scaled(x):
    from keras.src.applications.convnext import LayerScale

    x = layers.Dense(6)(x)
    return layers.Add()([x, LayerScale(0.3, 6)(layers.Dense(6)(x))])


def residual_of_a_share(x):
    from keras.src.applications.inception_resnet_v2 import CustomScaleLayer

    x = conv(4)(x)
    return layers.ReLU()(CustomScaleLayer(0.17)([x, conv(4)(x)]))


def broadcast(x):
    x = conv(4)(x)
    return layers.Add()([x, layers.GlobalAveragePooling2D(keepdims=True)(x)])


def heads(x):
    x = layers.EinsumDense("abc,cde->abde", (None, 4, 3), bias_axes="de")(x)
    return layers.EinsumDense("abcd,cde->abe", (None, 6), bias_axes="e")(x)


def heads_before(x):
    x = layers.EinsumDense("abc,dce->abde", (None, 4, 3), bias_axes="de")(x)
    return layers.EinsumDense("abcd,ecd->abe", (None, 6), bias_axes="e")(x)


FIRST = {"data_format": "channels_first"}


def channels_first(x):
    x = layers.Conv2D(8, 3, use_bias=False, **FIRST)(x)
    x = layers.ReLU()(layers.BatchNormalization(axis=1)(x))
    x = (
        x
        + layers.SeparableConv2D(8, 3, padding="same", **FIRST)(
            layers.ZeroPadding2D(1, **FIRST)(x)
        )[:, :, 1:-1, 1:-1]
    )
    x = layers.MaxPooling2D(2, 1, **FIRST)(layers.Conv2DTranspose(8, 2, **FIRST)(x))
    x = layers.DepthwiseConv2D(2, **FIRST)(layers.AveragePooling2D(2, **FIRST)(x))
    return layers.Dense(3)(layers.GlobalAveragePooling2D(**FIRST)(x))


def channels_first_in_sequences(x):
    x = layers.Conv1DTranspose(8, 3, strides=2, **FIRST)(layers.Conv1D(8, 2, **FIRST)(x))
    return layers.Conv1D(3, 1, **FIRST)(layers.GlobalAveragePooling1D(keepdims=True, **FIRST)(x))


IMAGE, SEQUENCE, ROW = (8, 8, 4), (16, 8), (12,)

# Name to the shape of an example, what is computed of it, and how many tensors of integers a
# comparison with the fake-quantized model shows.
CASES = {
    "conv1d": (SEQUENCE, lambda x: layers.Conv1D(6, 3, activation="relu")(x), 1),
    "conv1d_causal": (
        SEQUENCE,
        lambda x: layers.Conv1D(6, 3, padding="causal", dilation_rate=2)(x),
        1,
    ),
    "conv2d_groups": (IMAGE, lambda x: layers.Conv2D(6, 3, groups=2)(x), 1),
    "conv2d_depthwise": (IMAGE, lambda x: layers.Conv2D(8, 3, groups=4)(x), 1),
    "depthwise_conv1d": (SEQUENCE, lambda x: layers.DepthwiseConv1D(3)(x), 1),
    "separable_conv2d": (IMAGE, lambda x: layers.SeparableConv2D(6, 3, activation="relu")(x), 1),
    "separable_conv1d": (SEQUENCE, lambda x: layers.SeparableConv1D(6, 3)(x), 1),
    "conv2d_transpose_same": (
        IMAGE,
        lambda x: layers.Conv2DTranspose(6, 3, strides=2, padding="same")(x),
        1,
    ),
    "conv2d_transpose_valid": (
        IMAGE,
        lambda x: layers.Conv2DTranspose(6, (2, 4), strides=(3, 2))(x),
        1,
    ),
    "conv1d_transpose": (SEQUENCE, lambda x: layers.Conv1DTranspose(6, 3, strides=2)(x), 1),
    "channels_first": ((4, 8, 8), channels_first, 6),
    "channels_first_in_sequences": ((4, 8), channels_first_in_sequences, 1),
    "einsum_dense": (
        SEQUENCE,
        lambda x: layers.EinsumDense("abc,cd->abd", (None, 6), bias_axes="d")(x),
        1,
    ),
    "einsum_dense_heads": (SEQUENCE, heads, 2),
    "einsum_dense_matrix_per_head": (SEQUENCE, heads_before, 2),
    "average_pooling2d": (IMAGE, lambda x: layers.AveragePooling2D(2)(conv(4)(x)), 2),
    "average_pooling2d_same": (
        IMAGE,
        lambda x: layers.AveragePooling2D(3, 1, padding="same")(conv(4)(x)),
        2,
    ),
    "average_pooling1d": (
        SEQUENCE,
        lambda x: layers.AveragePooling1D(2)(layers.Conv1D(4, 3)(x)),
        2,
    ),
    "global_average_pooling1d": (
        SEQUENCE,
        lambda x: layers.GlobalAveragePooling1D()(layers.Conv1D(4, 3)(x)),
        2,
    ),
    "silu": (IMAGE, lambda x: conv(3)(layers.Activation("silu")(conv(4)(x))), 3),
    "leaky_relu": (IMAGE, lambda x: conv(3)(layers.LeakyReLU()(conv(4)(x))), 3),
    "functions": (IMAGE, lambda x: conv(3)(layers.ReLU(6.0)(conv(4)(x) + 3.0) * (1 / 6)), 3),
    "own_gelu": (ROW, lambda x: layers.Dense(6)(layers.Dense(16, "gelu")(x)), 1),
    "softmax": (SEQUENCE, lambda x: layers.Dense(3)(layers.Softmax()(layers.Dense(10)(x))), 3),
    "multiply": (IMAGE, squeezed, 5),
    "add_broadcast": (IMAGE, broadcast, 3),
    "add_scaled": (IMAGE, residual_of_a_share, 3),
    "concatenate": (IMAGE, concatenated, 4),
    "batch_normalization": (IMAGE, normalized, 4),
    "batch_normalization_of_rows": (
        ROW,
        lambda x: layers.Dense(3)(layers.BatchNormalization()(layers.Dense(5, "relu")(x))),
        3,
    ),
    "layer_scale": (SEQUENCE, scaled, 4),
    "layer_normalization": (
        SEQUENCE,
        lambda x: layers.Dense(3)(layers.LayerNormalization()(layers.Dense(32)(x))),
        3,
    ),
    "zero_padding2d": (
        IMAGE,
        lambda x: layers.DepthwiseConv2D(3, strides=2)(
            layers.ZeroPadding2D(((0, 1), (2, 1)))(conv(4)(x))
        ),
        2,
    ),
    "zero_padding1d": (
        SEQUENCE,
        lambda x: layers.Conv1D(3, 3)(layers.ZeroPadding1D((2, 1))(layers.Conv1D(4, 3)(x))),
        2,
    ),
    "up_sampling2d": (IMAGE, lambda x: conv(3)(layers.UpSampling2D(2)(conv(4)(x))), 3),
}


def make(name):
    """Returns the model of a case, and what one example has as shape."""
    shape, compute, _ = CASES[name]
    inputs = keras.Input(shape)
    return keras.Model(inputs, compute(inputs), name=name)
