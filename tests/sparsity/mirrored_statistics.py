"""Prints how far statistics on two logical devices are from those on one; run as a script."""

import keras
import numpy as np
import tensorflow as tf
from sparsity.masked_weights import masked_weights

from kerasopt.parametrization import Attachments
from kerasopt.sparsity import criteria

CRITERIA = ("saliency", "movement", "wanda")


def train(strategy):
    """Returns what each criterion has gathered after training."""
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(32, 8, 8, 2)), generator.normal(size=(32, 3))
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = keras.Sequential(
            [
                keras.Input((8, 8, 2)),
                keras.layers.Conv2D(3, 3, activation="relu", name="conv"),
                keras.layers.GlobalAveragePooling2D(),
                keras.layers.Dense(3, name="top"),
            ]
        )
        model.compile(keras.optimizers.SGD(0.1), "mse")
        attachments = Attachments(model)
        gathered = []
        for name in CRITERIA:
            weights = masked_weights(model, attachments)
            criteria.get(name).gather(weights, model, attachments)
            gathered.append(weights)
    model.fit(x, y, batch_size=8, shuffle=False, epochs=2, verbose=0)
    return {
        f"{name}/{weight}": weight.statistic
        for name, weights in zip(CRITERIA, gathered, strict=True)
        for weight in weights
    }


def main():
    device = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(device, [tf.config.LogicalDeviceConfiguration()] * 2)
    one = train(tf.distribute.OneDeviceStrategy("CPU:0"))
    two = train(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
    for name, expected in one.items():
        assert np.abs(expected).max() > 0, name
        np.testing.assert_allclose(two[name], expected, rtol=1e-5, atol=1e-6, err_msg=name)
    print(f"{len(one)} statistics agree")


if __name__ == "__main__":
    main()
