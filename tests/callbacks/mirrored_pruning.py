"""Prunes on two logical devices, and on one: the same masks; a script."""

import keras
import numpy as np
import tensorflow as tf

import kerasopt as ko

GRADUAL = ko.schedules.PolynomialDecay(0.0, 0.8, begin=1, end="60%")
# All but rewinding, which takes the whole model back, prune a branch of one model each.
CASES = {
    "magnitude": {"scope": "global"},
    "saliency": {"criterion": "saliency"},
    "wanda": {"criterion": "wanda", "scope": "erk"},
    "lamp": {"scope": "lamp"},
    "two_of_four": {"schedule": ko.schedules.Linear(0.0, 0.5, end="60%"), "pattern": "2:4"},
    "filter": {"pattern": "filter"},
    "set": {"schedule": 0.8, "criterion": "random", "regrowth": "set"},
    "rigl": {
        "schedule": 0.8,
        "criterion": "random",
        "regrowth": ko.sparsity.RigL(frequency=4),
    },
    "straight_through": {"regrowth": "straight_through"},
}
REWINDING = {
    "rewinding": {
        "schedule": ko.schedules.Iterative(0.8, 2, begin=4, end=8),
        "pattern": "block2x2",
        "rewind": 2,
    }
}


def branch(x, name):
    x = keras.layers.Conv2D(16, 3, activation="relu", name=f"{name}_conv")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.layers.Dense(3)(keras.layers.Dense(4, name=f"{name}_top")(x))


def prunings(cases):
    for name, arguments in cases.items():
        arguments = {"schedule": GRADUAL} | arguments
        rules = [(f"{name}_*", arguments["schedule"]), ("*", None)]
        yield ko.callbacks.Pruning(**arguments, rules=rules)


def masks(strategy, cases):
    """Returns the masks of each case after training, as each replica holds them."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(64, 8, 8, 4)), generator.normal(size=(64, 3))
    with strategy.scope():
        inputs = keras.Input((8, 8, 4))
        model = keras.Model(inputs, [branch(inputs, name) for name in cases])
        model.compile(keras.optimizers.SGD(0.05, momentum=0.9), ["mse"] * len(cases))
    callbacks = [*prunings(cases)]
    targets = [y] * len(cases)
    model.fit(x, targets, batch_size=16, epochs=4, shuffle=False, verbose=0, callbacks=callbacks)
    found = {name: [] for name in cases}
    for kernel, mask in ko.sparsity.masked_variables(model):
        (name,) = [name for name in cases if kernel.path.startswith(f"{name}_")]
        replicas = strategy.experimental_local_results(mask.value)
        found[name].append([np.asarray(value) for value in replicas])
    return found


def main():
    device = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(device, [tf.config.LogicalDeviceConfiguration()] * 2)
    # One for all: collective operations of a second strategy would be numbered like the first's.
    mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    for cases in (CASES, REWINDING):
        one = masks(tf.distribute.OneDeviceStrategy("CPU:0"), cases)
        two = masks(mirrored, cases)
        for name in cases:
            compare(one[name], two[name], name)
    print(f"{len(CASES) + len(REWINDING)} prunings agree")


def compare(expected, found, name):
    same = np.concatenate([a == b for (a,), (b, _) in zip(expected, found, strict=True)], None)
    assert all((first == second).all() for first, second in found), name
    assert not all(first.all() for first, _ in found), name
    assert same.mean() >= 0.999, (name, same.mean())


if __name__ == "__main__":
    main()
