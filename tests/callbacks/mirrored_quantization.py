"""Trains with quantizers on two logical devices; a script.

In a process of its own: collective operations of TensorFlow keep the shapes of those before them,
and a second strategy numbers its own from the beginning.
"""

import keras
import numpy as np
import tensorflow as tf

import kerasopt as ko


def main():
    device = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(device, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    learned = {"weight_quantizer": "lsq", "activation_quantizer": "lsq"}
    for how in ({}, learned):
        train(strategy, ko.callbacks.QuantizationAware("int8", begin="30%", **how))
    print("one range on both")


def train(strategy, callback):
    with strategy.scope():
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="top")])
        model.compile("adam", "mse")
    x = np.random.default_rng(0).normal(size=(16, 4))
    model.fit(x, x[:, :3], batch_size=8, epochs=2, verbose=0, callbacks=[callback])
    (quantizer,) = model.get_layer("top").parametrizations["input"]
    assert quantizer.is_enabled and quantizer.observed[1] > 0
    for variable in (quantizer.observer.maximum, *quantizer.learned):
        values = strategy.experimental_local_results(variable.value)
        assert float(values[0]) == float(values[1]), variable.path


if __name__ == "__main__":
    main()
