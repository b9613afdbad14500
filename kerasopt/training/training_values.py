"""Scalars that `fit` logs in training, in addition to the compiled metrics."""

import keras


class TrainingValues(keras.metrics.Metric):
    """Means that appear in the logs of training, but not in those of an evaluation.

    As a metric, it is part of the state of the training step on every backend, reaches the progress
    bar, `History` and TensorBoard whatever the order of the callbacks, and is not one of the
    model's weights. After a reset by `Model.evaluate` it has no values until training writes some.

    Args:
        names: The keys in the logs.
        carried: Variables that the training step reads but the model does not own. Otherwise they
            would be constants of the compiled step on JAX.
    """

    def __init__(self, names, carried=()):
        super().__init__(name="training_values", dtype="float32")
        self.names = tuple(names)
        self.total = self.add_variable((len(self.names),), "zeros", name="total")
        self.weight = self.add_variable((), "zeros", name="weight")
        self.carried = list(carried)  # a metric tracks the variables in its attributes
        self._visible = False

    def show(self):
        """Shows the values: a training step begins."""
        self._visible = True

    def hide(self):
        """Hides the values until the next training step begins."""
        self._visible = False

    def update_state(self, values: dict, weight):
        """Adds the values of a batch, in the training step; `weight` is the batch size."""
        weight = keras.ops.cast(weight, "float32")
        stacked = keras.ops.stack([keras.ops.cast(values[name], "float32") for name in self.names])
        self.total.assign_add(stacked * weight)
        self.weight.assign_add(weight)

    def write(self, values: dict):
        """Replaces the values, outside the training step."""
        self.total.assign([values[name] for name in self.names])
        self.weight.assign(1.0)

    def result(self) -> dict:
        if not self._visible:
            return {}
        means = keras.ops.divide_no_nan(self.total, self.weight)
        return {name: means[i] for i, name in enumerate(self.names)}

    def reset_state(self):
        self.hide()
        self.total.assign(keras.ops.zeros((len(self.names),)))
        self.weight.assign(0.0)
