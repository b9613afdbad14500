"""Pruning inside `fit`."""

import copy
import itertools

import keras

from kerasopt import graph, schedules
from kerasopt.callbacks.timed import TimedCallback
from kerasopt.sparsity import Mask, criteria, scopes, sparsity_schedule, update_masks


class Pruning(TimedCallback):
    """Sets the least important weights to zero while the model trains.

    At every update that the schedule names, masks move so that the scheduled
    fraction of the selected weights is zero; the layers read their kernels
    through the masks, so the zeros hold inside the compiled step, whatever the
    optimizer. The masks are variables of the layers: checkpoints hold them, and
    a model that was loaded, or trained before, goes on from them. When training
    is over, `kerasopt.finalize(model)` leaves a plain Keras model with zeros.

    Example:

    ```python
    pruning = ko.callbacks.Pruning(
        ko.schedules.PolynomialDecay(0.0, 0.8, begin="10%", end="60%"),
        scope="global",
        rules=[("classifier", None), (keras.layers.DepthwiseConv2D, 0.5)],
    )
    model.fit(x, y, epochs=10, callbacks=[pruning])
    ```

    Args:
        schedule: A `kerasopt.schedules.Schedule` of the fraction of zeros, or a
            float in [0, 1), which holds from the first update on.
        scope: `"layer"` (every kernel reaches the sparsity by itself),
            `"global"` (all kernels together do) or a `kerasopt.sparsity.Scope`.
        criterion: `"magnitude"` or a `kerasopt.sparsity.Criterion`.
        rules: List of (selector, sparsity), first match wins. The selector is a
            glob on a layer's name or path, a layer class or a predicate; the
            sparsity is a schedule, a float (the schedule of the callback with
            this final value) or `None` to leave the layer alone. Layers without
            a match get the callback's schedule, if they have a kernel;
            embeddings are pruned only where a rule names them.

    Raises:
        ValueError: Before training starts, if a sparsity is outside [0, 1) or
            falls, if no weight is selected, if another `Pruning` of the same
            `fit` has a weight too, or if the schedule has no meaning in this
            training (see `kerasopt.schedules`).

    References:
        Zhu and Gupta, "To prune, or not to prune: exploring the efficacy of
        pruning for model compression" (2017, https://arxiv.org/abs/1710.01878).
    """

    def __init__(self, schedule, scope="layer", criterion="magnitude", rules=()):
        super().__init__()
        self.schedule = sparsity_schedule(schedule)
        self.scope = scopes.get(scope)
        self.criterion = criteria.get(criterion)
        self.rules = [(selector, self._ruled(argument)) for selector, argument in rules]
        # (schedule, weights that it governs)
        self._units: list[tuple[schedules.Schedule, list]] = []

    def _ruled(self, argument):
        if argument is None or isinstance(argument, schedules.Schedule):
            return argument if argument is None else sparsity_schedule(argument)
        schedule = copy.copy(self.schedule)
        schedule.final = argument
        return sparsity_schedule(schedule)

    def attach(self, model):
        units: dict[int, tuple[schedules.Schedule, list]] = {}
        for path, layer, schedule in self._select(model):
            for name in graph.weight_names(layer):
                mask = self.attachments.put(path, layer, name, Mask())
                _, weights = units.setdefault(id(schedule), (schedule, []))
                weights.append((getattr(layer, name).stored, mask.mask))
        self._units = list(units.values())

    def _select(self, model):
        """Returns (path, layer, schedule) of the layers to prune."""
        selected = graph.select(graph.layers(model), self.rules, self.schedule, graph.kernel_names)
        if not any(graph.weight_names(layer) for _, layer, _ in selected):
            raise ValueError(
                f"Model '{model.name}' has no weight to prune: no layer that the rules leave has a "
                f"kernel. Received: rules={self.rules}"
            )
        return selected

    def check(self, horizon):
        for schedule, _ in self._units:
            schedule.check(horizon)

    def span(self, horizon):
        begins, ends = zip(*(schedule.span(horizon) for schedule, _ in self._units), strict=True)
        return min(begins), max(ends)

    def next_due(self, update, horizon):
        due = [schedule.next_due(update, horizon) for schedule, _ in self._units]
        return min((moment for moment in due if moment is not None), default=None)

    def on_update(self, update, horizon):
        for schedule, weights in self._units:
            due = schedule.last_due(update, horizon)
            if due is not None:
                update_masks(weights, schedule(due, horizon), self.criterion, self.scope)

    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch, logs)
        self.zero_hidden()

    def zero_hidden(self):
        """Sets the values under the masks to zero, as files hold them.

        Nothing in the model reads them; but done where `BackupAndRestore` saves, this makes a
        resumed run equal also in what sees every stored value (a regularizer, the clipping of
        gradients by their global norm).
        """
        for weight, mask in itertools.chain(*(weights for _, weights in self._units)):
            weight.assign(keras.ops.where(mask.value, weight.value, 0.0))
