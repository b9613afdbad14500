"""Prunes on two logical devices, and on one: the same masks; a script."""

import keras
import numpy as np
import tensorflow as tf

import kerasopt as ko

GRADUAL = ko.schedules.PolynomialDecay(0.0, 0.8, begin=1, end="60%")
CASES = {
    "magnitude": lambda: ko.callbacks.Pruning(GRADUAL, scope="global"),
    "saliency": lambda: ko.callbacks.Pruning(GRADUAL, criterion="saliency"),
    "wanda": lambda: ko.callbacks.Pruning(GRADUAL, criterion="wanda", scope="erk"),
    "lamp": lambda: ko.callbacks.Pruning(GRADUAL, "lamp"),
    "2:4": lambda: ko.callbacks.Pruning(ko.schedules.Linear(0.0, 0.5, end="60%"), pattern="2:4"),
    "filter": lambda: ko.callbacks.Pruning(GRADUAL, pattern="filter"),
    "set": lambda: ko.callbacks.Pruning(0.8, criterion="random", regrowth="set"),
    "rigl": lambda: ko.callbacks.Pruning(
        0.8, criterion="random", regrowth=ko.sparsity.RigL(frequency=4)
    ),
    "straight-through": lambda: ko.callbacks.Pruning(GRADUAL, regrowth="straight_through"),
    "rewinding": lambda: ko.callbacks.Pruning(
        ko.schedules.Iterative(0.8, 2, begin=4, end=8), pattern="block2x2", rewind=2
    ),
}


def masks(strategy, pruning):
    """Returns the masks after training, as each replica holds them."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(64, 8, 8, 2)), generator.normal(size=(64, 3))
    with strategy.scope():
        model = keras.Sequential(
            [
                keras.Input((8, 8, 2)),
                keras.layers.Conv2D(16, 3, name="conv"),
                keras.layers.ReLU(),
                keras.layers.Conv2D(16, 3, name="second"),
                keras.layers.GlobalAveragePooling2D(),
                keras.layers.Dense(4, name="top"),
            ]
        )
        model.add(keras.layers.Dense(3))
        model.compile(keras.optimizers.SGD(0.05, momentum=0.9), "mse")
    model.fit(x, y, batch_size=16, epochs=4, shuffle=False, verbose=0, callbacks=[pruning])
    variables = [mask.value for _, mask in ko.sparsity.masked_variables(model)]
    replicas = [strategy.experimental_local_results(variable) for variable in variables]
    return [[np.asarray(value) for value in values] for values in replicas]


def main():
    device = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(device, [tf.config.LogicalDeviceConfiguration()] * 2)
    for name, pruning in CASES.items():
        expected = masks(tf.distribute.OneDeviceStrategy("CPU:0"), pruning())
        found = masks(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]), pruning())
        same = np.concatenate(
            [a == b for (a, *_), (b, _) in zip(expected, found, strict=True)], None
        )
        assert all((first == second).all() for first, second in found), name
        assert not all(first.all() for first, _ in found), name
        assert same.mean() >= 0.999, (name, same.mean())
    print(f"{len(CASES)} prunings agree")


if __name__ == "__main__":
    main()
