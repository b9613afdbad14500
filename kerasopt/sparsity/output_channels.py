"""The per-channel vectors that are pruned along with filters."""

from collections.abc import Iterator

import keras

from kerasopt import graph


class OutputChannels:
    """Finds the vectors that are pruned along with filters: bias, and batch normalization.

    Args:
        model: A built Keras model. The `call` of a subclassed model is not
            recorded, so batch normalizations there are not found.
    """

    def __init__(self, model: keras.Model):
        self._normalizations = {
            id(group.anchor.operation): group.batch_normalization
            for group in graph.Groups(graph.Graph.of(model))
            if group.batch_normalization is not None
        }

    def vectors(self, path: str, layer, name: str) -> Iterator[tuple[str, keras.Layer, str]]:
        """Yields (path of a layer, the layer, name of a vector of it).

        Args:
            path: String, the path of the layer with the kernel.
            layer: That layer.
            name: String, the name of the kernel.
        """
        # The other kernels of a layer (an RNN's cell, a separable convolution) share its bias.
        if name not in ("kernel", "pointwise_kernel") or hasattr(layer, "recurrent_kernel"):
            return
        if getattr(layer, "bias", None) is not None:
            yield path, layer, "bias"
        node = self._normalizations.get(id(layer))
        if node is not None:
            if node.operation.scale:
                yield node.path, node.operation, "gamma"
            if node.operation.center:
                yield node.path, node.operation, "beta"
