"""The callback of models that are built of `kerasopt.layers`."""

import keras

from kerasopt import graph
from kerasopt.callbacks.pruning import Pruning
from kerasopt.callbacks.quantization_aware import QuantizationAware
from kerasopt.layers.drop_in import DropIn
from kerasopt.parametrization import links_by_slot
from kerasopt.quantization import Quantizer, Site
from kerasopt.training.timed import TimedCallback


class Compression(TimedCallback):
    """Moves the compression that the layers of a model declare.

    Layers of `kerasopt.layers` say how they are pruned and quantized; this
    callback does it while the model trains, exactly as `Pruning` and
    `QuantizationAware` would. Layers that do not train stay as they are.

    Example:

    ```python
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Flatten(),
            kerasopt.layers.Dense(128, "relu", pruning=0.8, weight_quantizer="int8"),
            kerasopt.layers.Dense(10),
        ]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, callbacks=[ko.callbacks.Compression()])
    ```

    Args:
        scope: As in `Pruning`; layers that declare the same schedule object
            share a scope.
        criterion: As in `Pruning`.
        begin: As in `QuantizationAware`.
        freeze: As in `QuantizationAware`.

    Raises:
        ValueError: Before training starts, if no layer that trains declares anything.
    """

    def __init__(self, scope="layer", criterion="magnitude", begin="0%", freeze=None):
        super().__init__()
        self._pruning = _DeclaredPruning(0.0, scope, criterion)
        self._quantization = _DeclaredQuantization(begin=begin, freeze=freeze)
        self._parts: list[TimedCallback] = []

    def attach(self, model):
        self._parts = []
        parts = (self._pruning, self._quantization)
        for part in parts:  # all of them: if one cannot attach, the others are detached, too
            keras.callbacks.Callback.set_model(part, model)
        for part in parts:
            part.attachments = self.attachments
            found = len(self.attachments.links)
            part.attach(model)
            if len(self.attachments.links) > found:
                self._parts.append(part)
        if not self._parts:
            raise ValueError(
                f"Model '{model.name}' has no layer that declares compression and trains. Build it "
                "of `kerasopt.layers`, or use `kerasopt.callbacks.Pruning` and "
                "`QuantizationAware`, which need no declarations. "
                f"Received: model={model.name}"
            )

    def check(self, horizon):
        for part in self._parts:
            part.check(horizon)

    def span(self, horizon):
        begins, ends = zip(*(part.span(horizon) for part in self._parts), strict=True)
        return min(begins), max(ends)

    def next_due(self, update, horizon):
        due = [part.next_due(update, horizon) for part in self._parts]
        return min((moment for moment in due if moment is not None), default=None)

    def on_update(self, update, horizon):
        for part in self._parts:
            part.on_update(update, horizon)

    def detach(self):
        self._quantization.thaw()
        super().detach()

    def on_train_end(self, logs=None):
        super().on_train_end(logs)
        self._quantization.finish()


class _DeclaredPruning(Pruning):
    def _select(self, model):
        return [
            graph.WeightSelection(path, part, layer.pruning, graph.weight_names(part))
            for path, layer, part in _declared_parts(model)
            if layer.pruning is not None
        ]


class _DeclaredQuantization(QuantizationAware):
    def _sites(self, model):
        return [
            Site(path, part, slot, link)
            for path, _, part in _declared_parts(model, whole=True)
            for slot, link in links_by_slot(part, Quantizer)
        ]


def _declared_parts(model, whole=False):
    """Yields (path, drop-in layer, part of it with weights); `whole`: the layer itself, too.

    Layers that do not train are left as they are.
    """
    frozen = graph.frozen_layers(model)
    for path, layer in graph.layers(model):
        if isinstance(layer, DropIn):
            parts = layer.parts()
            if all(id(part) in frozen for _, part in parts):
                continue
            for below, part in {**dict(parts), **({"": layer} if whole else {})}.items():
                yield f"{path}/{below}".rstrip("/"), layer, part
