"""Wanda: magnitudes of weights times norms of inputs."""

import keras
import numpy as np

from kerasopt import graph
from kerasopt.keras_internals.layers import flattened
from kerasopt.sparsity.criteria.criterion import CRITERIA, Criterion
from kerasopt.sparsity.criteria.input_norms import InputNorm, input_features

# Their layers run once per time step, in a loop that cannot accumulate statistics.
_LOOPS = (keras.layers.RNN, keras.layers.TimeDistributed)


@CRITERIA.register("wanda")
class Wanda(Criterion):
    """The magnitude of a weight times the norm of the input it is multiplied with.

        score_ij = |W_ij| * ||X_j||_2

    `X_j` is the input feature of the element: a unit of a Dense layer, a channel of a convolution
    (at all positions, whatever the position in the window), an element of the contracted axes of an
    einsum. The norm is the root mean square over all samples and positions since the last mask
    update, so that scores of different layers are comparable.

    The paper compares weights within each output only. Here the scope decides: with `"layer"` all
    weights of a layer compete, so outputs are pruned to different degrees.

    ```python
    schedule = ko.schedules.PolynomialDecay(0.0, 0.8, end="60%")
    model.fit(x, y, epochs=5, callbacks=[ko.callbacks.Pruning(schedule, criterion="wanda")])
    ```

    Raises:
        ValueError: Before training, for a weight whose input is not accessible: an embedding table,
            the cell of an RNN, a layer in `TimeDistributed`, the pointwise kernel of a separable
            convolution, a custom layer.

    Reference:
        Sun et al., "A Simple and Effective Pruning Approach for Large Language
        Models" (2023, https://arxiv.org/abs/2306.11695), Eq. 1.
    """

    reset_after_update = True

    def gather(self, weights, model, attachments):
        looped = _in_loops(model)
        features = [
            None if id(weight.layer) in looped else input_features(weight.layer, weight.name)
            for weight in weights
        ]
        hidden = [str(w) for w, found in zip(weights, features, strict=True) if found is None]
        if hidden:
            raise ValueError(
                f"{self} needs the input that a weight is multiplied with, which is not accessible "
                "in embeddings, loops over time (RNN cells, `TimeDistributed`), pointwise kernels "
                "of separable convolutions and custom layers. Exclude these layers with a rule "
                f"`(name, None)`, or pass another criterion. Received: {hidden}"
            )
        for weight, (axes, shape, _) in zip(weights, features, strict=True):
            link = InputNorm(axes, shape)
            link = attachments.put_for_training(weight.path, weight.layer, "input", link)
            weight.gathered = link.squares

    def __call__(self, weight):
        norms = np.sqrt(self.statistic(weight)).ravel()
        features = input_features(weight.layer, weight.name)
        return np.abs(weight.value) * norms[features.feature_of]


def _in_loops(model) -> set[int]:
    """Returns the ids of the layers of `model` that run in loops."""
    loops = [layer for _, layer in graph.layers(model) if isinstance(layer, _LOOPS)]
    return {id(layer) for loop in loops for layer in flattened(loop)}
