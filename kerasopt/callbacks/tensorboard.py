"""TensorBoard with compression statistics."""

import keras

from kerasopt.keras_internals.callbacks import let_draw_booleans, train_run
from kerasopt.training.copying import CopiedUnused
from kerasopt.training.stage import compression_stage
from kerasopt.training.technique import techniques

# For Keras' own callback, too, which may be used with `Pruning` and `write_images=True`.
let_draw_booleans()


class TensorBoard(CopiedUnused, keras.callbacks.TensorBoard):
    """`keras.callbacks.TensorBoard` that also shows compression, once an epoch.

    In addition to what Keras writes (which includes the loss terms of `Distillation` and the
    position of `Curriculum`), the training run gets

    - `sparsity/<weight>`, the pruned fraction of each masked weight, and `sparsity/total`, that of
      all of them together;
    - `churn/<weight>`, the fraction of each mask that has changed since the previous epoch, pruned
      or revived, and `churn/total`; 0 in the first epoch of a `fit`;
    - `threshold/<weight>`, the smallest magnitude among the kept values; 0 if nothing is pruned, or
      everything;
    - `mask/<weight>`, an image of each mask that has changed: white is kept, black is pruned. A row
      is an input (of a convolution: a channel at one position of its window), a column is an output
      channel. Cells are up to 16 pixels wide, images up to 512; larger weights are averaged down,
      to grey;
    - `range/<layer>/minimum` and `maximum`, and `scale/<layer>`, of each quantized
      activation;
    - `sqnr/<weight>`, the ratio of signal to rounding noise in decibel, and `clipped/<weight>`, the
      fraction of values outside of the range, for each quantized weight; with `sample` also
      `sqnr/<layer>` and `clipped/<layer>` for each quantized activation;
    - `compression/stage`: 0 before any callback has begun to compress, 2 when
      all have reached their targets, 1 between.

    Example:

    ```python
    model.fit(x, y, callbacks=[ko.callbacks.Pruning(0.8), ko.callbacks.TensorBoard("logs")])
    ```

    Args:
        *args: As in `keras.callbacks.TensorBoard`, `log_dir` first.
        sample: A batch of inputs for the model's `call`. The model is called on it at the end of
            each epoch to measure the rounding error of activations. `None`: not measured.
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
