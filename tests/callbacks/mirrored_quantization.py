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
    with strategy.scope():
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="top")])
        model.compile("adam", "mse")
    x = np.random.default_rng(0).normal(size=(16, 4))
    callback = ko.callbacks.QuantizationAware("int8", begin="30%")
    model.fit(x, x[:, :3], batch_size=8, epochs=2, verbose=0, callbacks=[callback])
    (quantizer,) = model.get_layer("top").parametrizations["input"]
    values = strategy.experimental_local_results(quantizer.observer.maximum.value)
    assert float(values[0]) == float(values[1]) == quantizer.observed[1] > 0
    assert quantizer.is_enabled
    print("one range on both")


if __name__ == "__main__":
    main()
