"""Small models that the tests of the graph share."""

import keras
from keras import layers


def residual_cnn() -> keras.Model:
    """Convolutions with batch norm and ReLU, a residual `x + y`, pooling, a classifier."""
    inputs = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="conv")(inputs)
    x = layers.BatchNormalization(name="conv_bn")(x)
    x = layers.ReLU(6.0, name="conv_relu")(x)
    y = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    y = layers.BatchNormalization(name="depthwise_bn")(y)
    y = keras.ops.relu6(y)
    y = layers.Conv2D(8, 1, name="project")(y)
    y = layers.BatchNormalization(name="project_bn")(y)
    x = layers.Activation("relu", name="out")(x + y)
    x = layers.MaxPooling2D(name="pool")(x)
    x = layers.Flatten(name="flatten")(x)
    outputs = layers.Dense(4, activation="softmax", name="classifier")(x)
    return keras.Model(inputs, outputs, name="residual_cnn")


def nested() -> keras.Model:
    """A model that calls an inner functional model twice and a Sequential once."""
    inputs = keras.Input((4,), name="inner_input")
    x = layers.Dense(4, name="dense")(inputs)
    inner = keras.Model(inputs, keras.ops.multiply(x + inputs, 0.5), name="inner")
    head = keras.Sequential([keras.Input((4,)), layers.Dense(2, name="top")], name="head")
    outer = keras.Input((4,), name="outer_input")
    first = inner(outer)
    return keras.Model(outer, head(keras.ops.relu(first) + inner(first)), name="nested")


@keras.saving.register_keras_serializable("tests_graph")
class Subclassed(keras.Model):
    """A model whose own `call` runs a list, a dictionary and a nested model of layers."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.blocks = [layers.Dense(4), layers.Dense(4)]
        self.heads = {"left": layers.Dense(2)}
        self.backbone = keras.Sequential([keras.Input((2,)), layers.Dense(3, name="last")])

    def call(self, x):
        for block in self.blocks:
            x = block(x)
        return self.backbone(self.heads["left"](x))
