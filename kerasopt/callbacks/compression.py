"""The callback for models that are built of `kerasopt.layers`."""

import inspect

from kerasopt.training.runs import Runs
from kerasopt.training.technique import techniques
from kerasopt.training.timed_callback import TimedCallback


class Compression(TimedCallback):
    """Applies the compression that the layers of a model declare.

    Layers of `kerasopt.layers` declare how they are pruned and quantized; this callback does it
    while the model trains, exactly as `Pruning` and `QuantizationAware` would. Frozen layers are
    left unchanged. Techniques of your own (`kerasopt.training.Technique`) are applied as well.

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
        **options: Those of other techniques.

    Raises:
        TypeError: If no technique has one of the options.
        ValueError: Before training starts, if no trainable layer declares compression.
    """

    def __init__(self, *args, **options):
        super().__init__()
        bound = _signature().bind(*args, **options)
        bound.apply_defaults()
        self.options = bound.arguments
        self.make_run()  # raises if an option is out of range

    def make_run(self):
        return DeclaredRuns(
            technique.run(**{name: self.options[name] for name in technique.options})
            for technique in techniques()
        )


def _signature() -> inspect.Signature:
    """The arguments of `Compression`: the options of all techniques."""
    options = {name: value for each in techniques() for name, value in each.options.items()}
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Signature(
        [inspect.Parameter(name, kind, default=value) for name, value in options.items()]
    )


class DeclaredRuns(Runs):
    """Runs the techniques that the layers of a model declare."""

    def attach(self, model):
        super().attach(model)
        if not self.active:
            raise ValueError(
                f"Model '{model.name}' has no trainable layer that declares compression. Build it "
                "of `kerasopt.layers`, or use `kerasopt.callbacks.Pruning` and "
                f"`QuantizationAware`, which need no declarations. Received: model={model.name}"
            )
