"""A technique that kerasopt does not have: kernels whose values are clamped."""

import keras

import kerasopt as ko
from kerasopt import graph
from kerasopt.parametrization import links_by_slot
from kerasopt.schedules.times import resolve
from kerasopt.training import Run, Summaries, Technique, declaring_parts


@keras.saving.register_keras_serializable(package="tests")
class Clamp(ko.parametrization.Parametrization):
    """Reads a weight as at most `limit`, in magnitude."""

    order = 25  # after masks, before quantizers

    def build(self, input_shape):
        self.limit = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(1e9),
            trainable=False,
            aggregation="only_first_replica",
            name="limit",
        )
        self.built = True

    def call(self, inputs):
        return keras.ops.clip(inputs, -self.limit, self.limit)


class ClampingRun(Run):
    def __init__(self, limit, begin):
        self.limit = limit
        self.begin = begin

    def attach(self, model):
        self.links = [
            (self.attachments.put(path, layer, name, Clamp()), limit)
            for path, layer, limit in self.layers(model)
            for name in graph.weight_names(layer)
        ]

    def layers(self, model):
        return [(path, layer, self.limit) for path, layer in graph.layers(model)]

    def span(self, horizon):
        begin = resolve(self.begin, horizon)
        return begin, begin

    def next_due(self, update, horizon):
        begin = resolve(self.begin, horizon)
        return begin if update < begin else None

    def on_update(self, update, horizon):
        if update >= resolve(self.begin, horizon):
            for link, limit in self.links:
                link.limit.assign(limit)


class DeclaredClamping(ClampingRun):
    def layers(self, model):
        return [
            (path, part, layer.limit)
            for path, layer, part in declaring_parts(model)
            if layer.limit is not None
        ]


class Clamping(ko.callbacks.TimedCallback):
    def __init__(self, limit, begin="50%"):
        super().__init__()
        self.limit = limit
        self.begin = begin

    def make_run(self):
        return ClampingRun(self.limit, self.begin)


class ClampingSummaries(Summaries):
    def scalars(self, model, sample):
        for path, _, slot, link in ko.parametrization.links_of_model(model, Clamp):
            yield f"limit/{path}/{slot}", float(link.limit)


class ClampingTechnique(Technique):
    arguments = {"limit": float}
    description = "limit: The largest magnitude of a weight. Defaults to `None`: any."
    options = {"begin": "0%"}

    def links(self, layer, parts, declared):
        for path, part in parts:
            for name in graph.weight_names(part):
                yield path + name, Clamp()

    def run(self, begin):
        return DeclaredClamping(None, begin)

    def summaries(self):
        return ClampingSummaries()

    def figures(self, layer):
        limits = [float(link.limit) for _, link in links_by_slot(layer, Clamp)]
        return {"Limit": min(limits)} if limits else {}
