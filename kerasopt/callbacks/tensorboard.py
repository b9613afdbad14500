"""TensorBoard with what compression does."""

import keras
import numpy as np

from kerasopt import graph
from kerasopt.callbacks.timed import running
from kerasopt.quantization import ActivationQuantizer
from kerasopt.sparsity import Mask


class TensorBoard(keras.callbacks.TensorBoard):
    """`keras.callbacks.TensorBoard` that also shows compression, once an epoch.

    Beside what Keras writes (the loss terms of `Distillation` and the position
    of `Curriculum` are among the logs of an epoch), the run of training gets

    - `sparsity/<weight>`, the fraction of zeros in each masked weight, and
      `sparsity/total` in all of them together;
    - `range/<layer>/minimum` and `maximum` of each quantized activation;
    - `compression/stage`: 0 before any callback has begun to compress, 2 when
      all have reached their targets, 1 between.

    Example:

    ```python
    model.fit(x, y, callbacks=[ko.callbacks.Pruning(0.8), ko.callbacks.TensorBoard("logs")])
    ```

    Args:
        *args: As in `keras.callbacks.TensorBoard`, `log_dir` first.
        **kwargs: As in `keras.callbacks.TensorBoard`.
    """

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        model = self.model  # on JAX this brings the variables up to date
        with self._train_writer.as_default():
            for tag, value in _scalars(model):
                self.summary.scalar(tag, value, step=epoch)


def _scalars(model):
    masks = []
    for path, layer in graph.layers(model):
        for slot, links in getattr(layer, "parametrizations", {}).items():
            for link in links:
                if isinstance(link, Mask):
                    masks.append(keras.ops.convert_to_numpy(link.mask))
                    yield f"sparsity/{path}/{slot}", 1 - masks[-1].mean()
                elif isinstance(link, ActivationQuantizer):
                    # The tag of an output, by far the most, is that of its layer.
                    tag = f"range/{path}" if slot == "output" else f"range/{path}/{slot}"
                    yield f"{tag}/minimum", float(link.observer.minimum)
                    yield f"{tag}/maximum", float(link.observer.maximum)
    if masks:
        zeros = sum(mask.size - np.count_nonzero(mask) for mask in masks)
        yield "sparsity/total", zeros / sum(mask.size for mask in masks)
    stages = [callback.stage for callback in running(model)]
    if stages:
        yield "compression/stage", min(stages) if min(stages) == max(stages) else 1
