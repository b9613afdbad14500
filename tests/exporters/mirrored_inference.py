"""Runs an integer model on one logical device and on two, and compares the bits; a script.

Its argument is a folder to write to.
"""

import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf
from lowering.test_convert import mobile_cnn
from lowering.trained import images, quantization_aware, randomize

import kerasopt as ko


def main(folder):
    device = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(device, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    source = quantization_aware(randomize(mobile_cnn()), images(8, 32))
    model = ko.convert(source)
    path = pathlib.Path(folder, "model.keras")
    ko.save(model, path)
    with strategy.scope():
        models = {"loaded": keras.models.load_model(path), "converted": ko.convert(source)}
    x = images(20, 32)
    expected = model.predict(x, batch_size=8, verbose=0)
    for name, mirrored in models.items():
        kernel = mirrored.get_layer("dense").packed.values.value
        assert len(strategy.experimental_local_results(kernel)) == 2, name
        found = mirrored.predict(x, batch_size=8, verbose=0)
        np.testing.assert_array_equal(found, expected, err_msg=name)
    print(f"{len(models)} models agree")


if __name__ == "__main__":
    main(sys.argv[1])
