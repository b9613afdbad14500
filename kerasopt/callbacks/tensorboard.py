"""TensorBoard with what compression does."""

import keras

from kerasopt.keras_internals.callbacks import let_draw_booleans, train_run
from kerasopt.training.copying import CopiedUnused
from kerasopt.training.stage import compression_stage
from kerasopt.training.technique import techniques

# Keras' own callback, too: it may stand beside `Pruning`, with `write_images=True`.
let_draw_booleans()


class TensorBoard(CopiedUnused, keras.callbacks.TensorBoard):
    """`keras.callbacks.TensorBoard` that also shows compression, once an epoch.

    Beside what Keras writes (the loss terms of `Distillation` and the position
    of `Curriculum` are among the logs of an epoch), the run of training gets

    - `sparsity/<weight>`, the fraction of each masked weight that is pruned, and
      `sparsity/total` of all of them together;
    - `churn/<weight>`, the fraction of each mask that has changed since the epoch
      before, pruned or revived, and `churn/total`; 0 in the first epoch of a `fit`;
    - `threshold/<weight>`, the smallest magnitude among the values that are kept;
      0 as long as nothing is pruned, and when everything is;
    - `mask/<weight>`, an image of each mask that has changed: white is kept, black is pruned. A
      row is an input (of a convolution: at one position of its window, the
      channels of a position side by side), a column is an output channel. Cells
      are as large as 512 pixels a side allow, 16 pixels at most; larger weights
      are averaged down, to grey;
    - `range/<layer>/minimum` and `maximum`, and `scale/<layer>`, of each quantized
      activation;
    - `sqnr/<weight>`, the ratio of signal to rounding noise in decibel, and
      `clipped/<weight>`, the fraction that is outside of the range, of each
      quantized weight; with `sample` also `sqnr/<layer>` and `clipped/<layer>`
      of each quantized activation;
    - `compression/stage`: 0 before any callback has begun to compress, 2 when
      all have reached their targets, 1 between.

    Example:

    ```python
    model.fit(x, y, callbacks=[ko.callbacks.Pruning(0.8), ko.callbacks.TensorBoard("logs")])
    ```

    Args:
        *args: As in `keras.callbacks.TensorBoard`, `log_dir` first.
        sample: A batch of inputs, as the model's `call` takes them, which it is called with at
            the end of each epoch to measure what rounding does to activations. `None`: they are
            not measured.
        **kwargs: As in `keras.callbacks.TensorBoard`.
    """

    def __init__(self, *args, sample=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.sample = sample

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        self._summaries = [technique.summaries() for technique in techniques()]

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        model = self.model  # on JAX this brings the variables up to date
        with train_run(self):
            for summaries in self._summaries:
                for tag, value in summaries.scalars(model, self.sample):
                    self.summary.scalar(tag, value, step=epoch)
                for tag, image in summaries.images(model):
                    self.summary.image(tag, image, step=epoch)
            stage = compression_stage(model)
            if stage is not None:
                self.summary.scalar("compression/stage", stage, step=epoch)
