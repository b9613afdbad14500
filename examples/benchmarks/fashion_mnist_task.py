"""What the accuracy benchmarks share: the network, the data and how it is trained.

The same code runs with Keras 3 and, in a process of its own, with the Keras 2 that
tensorflow-model-optimization needs: `keras` is an argument everywhere.
"""

import sys
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
from batches import shuffled_batches

sys.path.insert(0, str(Path(__file__).parents[1]))
from data.fashion_mnist import CLASSES, load_full

BATCH = 128
# (epochs, initial learning rate) of the training of the float weights and of the fine-tuning.
TRAINING, FINE_TUNING = (8, 1e-3), (4, 5e-4)
EPOCHS_2_4 = 2
FREQUENCY = 50  # updates between two changes of the masks


def load(held_out=0):
    """Returns the training and the test split, pixels in [0, 1].

    With `held_out`, that many of the training images are the test split: settings are chosen on
    them, and the real test images are left for the result.
    """
    (x, y), test = load_full()
    if held_out:
        (x, y), test = (x[:-held_out], y[:-held_out]), (x[-held_out:], y[-held_out:])
    pixels = lambda images: images[..., None].astype("float32") / 255  # noqa: E731
    return (pixels(x), y.astype("int64")), (pixels(test[0]), test[1].astype("int64"))


def network(keras, fused=True):
    """Returns a residual network of depthwise and pointwise convolutions, 19,000 parameters.

    With `fused`, batch normalization trains on TensorFlow's fused kernel in Keras 3, too.
    """
    layers = keras.layers
    normalization = layers.BatchNormalization
    if fused:
        normalization = _fused(normalization)

    def block(x, name, filters=None, size=1, strides=1):
        options = {"strides": strides, "padding": "same", "use_bias": False, "name": name}
        if filters:
            x = layers.Conv2D(filters, size, **options)(x)
        else:
            x = layers.DepthwiseConv2D(3, **options)(x)
        return layers.ReLU()(normalization()(x))

    inputs = layers.Input((28, 28, 1))
    x = block(inputs, "stem", 32, size=3)
    x = block(x, "depthwise_1", strides=2)
    skip = block(x, "pointwise_1", 64)
    x = block(skip, "depthwise_2")
    x = layers.Add()([block(x, "pointwise_2", 64), skip])
    x = block(x, "depthwise_3", strides=2)
    x = block(x, "pointwise_3", 128)
    outputs = layers.Dense(CLASSES, name="classifier")(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, outputs)


def teacher_network(keras):
    """Returns a residual network of convolutions, 364,000 parameters, for pixels in [0, 1]."""
    layers = keras.layers

    def convolution(x, filters, size=3, strides=1):
        options = {"strides": strides, "padding": "same", "use_bias": False}
        return layers.Conv2D(filters, size, **options)(x)

    def block(x, filters, strides, name):
        skip = convolution(x, filters, 1, strides) if strides > 1 else x
        x = layers.ReLU()(layers.BatchNormalization()(convolution(x, filters, 3, strides)))
        x = layers.BatchNormalization()(convolution(x, filters))
        return layers.ReLU(name=name)(layers.Add()([x, skip]))

    inputs = layers.Input((28, 28, 1))
    x = layers.ReLU()(layers.BatchNormalization()(convolution(inputs, 32)))
    x = block(x, 64, 2, "block_1")
    x = block(x, 64, 1, "block_2")
    x = block(x, 128, 2, "block_3")
    x = layers.Dropout(0.3)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, layers.Dense(CLASSES, name="classifier")(x), name="teacher")


def _fused(base):
    """Returns the batch normalization that trains on TensorFlow's fused kernel.

    Keras 2 does so by itself; Keras 3 computes the same (to 3e-6) in several operations, of which
    this network's steps would be half as long again.
    """
    if not base.__module__.startswith("keras.src"):
        return base

    class BatchNormalization(base):
        def call(self, inputs, training=None, mask=None):
            if not training:
                return super().call(inputs, training=False, mask=mask)
            outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
                inputs, self.gamma.value, self.beta.value, epsilon=self.epsilon
            )
            count = tf.cast(tf.size(inputs) / tf.shape(inputs)[-1], tf.float32)
            variance *= (count - 1) / count  # as Keras 3 has it: without Bessel's correction
            for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(self.momentum * moving.value + (1 - self.momentum) * batch)
            return outputs

    return BatchNormalization


def schedule_end(epochs, images):
    """The last change of the masks: after 60 % of the training, at a multiple of `FREQUENCY`."""
    steps = -(-images // BATCH)
    return int(0.6 * epochs * steps) // FREQUENCY * FREQUENCY


def train(keras, model, data, epochs, rate, callbacks=(), rounds=1, held_out=0):
    """Trains with Adam; returns the figures.

    The learning rate falls to zero along a cosine, in each of the rounds. The last `held_out`
    training images are validation data.
    """
    (x, y), test = data
    validation = {}
    if held_out:
        validation = {"validation_data": (x[-held_out:], y[-held_out:])}
        validation["validation_batch_size"] = 500
        x, y = x[:-held_out], y[:-held_out]
    steps = -(-len(x) // BATCH)
    decay = keras.optimizers.schedules.CosineDecay(rate, epochs // rounds * steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(decay), loss, metrics=["accuracy"])
    options = {"epochs": epochs, "verbose": 0, "shuffle": False, "callbacks": list(callbacks)}
    began = time.perf_counter()
    model.fit(shuffled_batches(x, y, BATCH), **options, **validation)
    seconds = time.perf_counter() - began
    accuracy = model.evaluate(*test, batch_size=500, verbose=0)[1]
    return {"epochs": epochs, "accuracy": round(100 * accuracy, 2), "seconds": round(seconds, 1)}


def pruned_layers(model):
    """Returns the layers whose zeros are counted: all with a kernel but the depthwise ones."""
    names = ("stem", "pointwise_1", "pointwise_2", "pointwise_3", "classifier")
    return [layer for layer in model.layers if layer.name in names]


def zeros(layers):
    """Returns the fraction of zeros in all kernels of `layers` together."""
    kernels = [np.array(layer.kernel) for layer in layers]
    count = sum(int(np.sum(kernel == 0)) for kernel in kernels)
    return round(count / sum(kernel.size for kernel in kernels), 5)


def weights_file(folder, seed):
    """The float weights of a seed, an array per variable, layer after layer."""
    return Path(folder) / f"baseline-{seed}.npz"


def save_weights(model, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, *model.get_weights())


def load_weights(model, path):
    with np.load(path) as arrays:
        model.set_weights([arrays[name] for name in arrays.files])
