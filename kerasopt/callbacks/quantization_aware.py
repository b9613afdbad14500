"""Quantization-aware training inside `fit`."""

from kerasopt.axis import documents
from kerasopt.quantization import Progression, make_recipe, make_rules
from kerasopt.quantization.activations import ACTIVATION_QUANTIZERS
from kerasopt.quantization.observers import OBSERVERS
from kerasopt.quantization.quantization_run import QuantizationRun
from kerasopt.quantization.weights import WEIGHT_QUANTIZERS
from kerasopt.schedules.times import validate_time
from kerasopt.training.timed_callback import TimedCallback


@documents(
    weight_quantizers=WEIGHT_QUANTIZERS,
    activation_quantizers=ACTIVATION_QUANTIZERS,
    observers=OBSERVERS,
)
class QuantizationAware(TimedCallback):
    """Trains with weights and activations rounded to integers.

    Kernels are rounded with one scale per output channel, activations with one range per tensor, a
    moving average over the training batches. A convolution with the batch normalization and the
    activation that follow it is one group, rounded at its end; residual additions have their own
    range. Before `begin`, ranges are only observed. From `freeze` on, ranges and batch
    normalization statistics are constant, so the weights adapt to exactly the function that
    `kerasopt.convert` computes with integers. Zeros of a pruned layer stay zero. Batches with
    non-finite values do not change ranges and are not rounded: Keras treats them as usual.

    Example:

    ```python
    model.fit(x, y, epochs=10, callbacks=[ko.callbacks.QuantizationAware("int8", begin="50%")])
    int8 = ko.convert(model, "int8")
    ```

    Args:
        spec: A `kerasopt.quantization.Spec` or its alias, such as `"int8"`,
            `"int8_dynamic"`, `"int4_weight_only"`, `"ternary"` or `"binary"`.
        begin: Time from which values are rounded: optimizer updates, a percentage of this training
            such as `"60%"`, or `kerasopt.epochs(n)`. Quantizers that are initialized once (`"lsq"`,
            `"pact"`, observers that count) observe some updates first even if it is 0.
        freeze: Time from which ranges and batch normalization are frozen. `None`: for the last
            tenth of the training, or for the second half of what follows `begin` and `progressive`
            if that is less. With data of unknown length they are never frozen.
        rules: List of (selector, spec), first match wins; `None` leaves a layer float. Selectors
            are globs on a layer's name or path, layer classes or predicates. Layers without a match
            get the callback's spec if they are trainable and have a kernel, add or average;
            embeddings and frozen layers are quantized only if a rule names them.
        weight_quantizer: How weights are rounded: a `kerasopt.quantization.WeightQuantizer` with
            arguments of its own, or an alias. `None`: by the format (`"binary"` for 1 bit,
            `"ternary"` for 2, otherwise `"minmax"`):
            {weight_quantizers}
        activation_quantizer: The same for activations:
            {activation_quantizers}
        observer: How ranges of activations are found: a `kerasopt.quantization.Observer` or an
            alias. `"moving_average"` and `"minmax"` follow the batches; the others count values
            until `begin` (if that is 0, for a twentieth of the training, up to 100 updates) and
            then set the range once:
            {observers}
        learned_rate: Float, 0 or more: the learning rate of learned scales, as a multiple of the
            optimizer's. They have no weight decay, and are constant from `freeze` on.
        progressive: List of (bits, until), wider ones first: until that time all integers have at
            least this many bits. With the spec `"int4"`, `[(8, "40%"), (6, "60%")]` trains with 8,
            then with 6, then with 4 bits. Scales of weights, and ranges that are set once, are
            determined anew at each width; learned ranges of activations stay.

    Raises:
        ValueError: If an argument is unknown, or a quantizer does not support the format of a spec
            or a width of `progressive`. Before training starts, if nothing is to be quantized, if a
            layer is already quantized in another way, if groups do not divide a kernel, if another
            `QuantizationAware` of the same `fit` selects the same layer, or if a time cannot be
            resolved in this training.

    Reference:
        Jacob et al., "Quantization and Training of Neural Networks for
        Efficient Integer-Arithmetic-Only Inference" (2018,
        https://arxiv.org/abs/1712.05877).
    """

    def __init__(
        self,
        spec="int8",
        begin="0%",
        freeze=None,
        rules=(),
        weight_quantizer=None,
        activation_quantizer=None,
        observer="moving_average",
        learned_rate=1.0,
        progressive=(),
    ):
        super().__init__()
        how = (weight_quantizer, activation_quantizer, observer)
        self.recipe = make_recipe(spec, *how)
        self.begin = validate_time(begin, "begin")
        self.freeze = None if freeze is None else validate_time(freeze, "freeze")
        self.rules = make_rules(rules, *how)
        if not learned_rate >= 0:
            raise ValueError(
                f"`learned_rate` must be 0 or more. Received: learned_rate={learned_rate!r}"
            )
        self.learned_rate = learned_rate
        self.progression = Progression(progressive)
        self._check_widths()

    def _check_widths(self):
        """Raises if a quantizer does not support a `progressive` width, or one has no effect."""
        recipes = [self.recipe, *(recipe for _, recipe in self.rules if recipe is not None)]
        for bits in self.progression.widths:
            if all(recipe.at_least(bits).spec == recipe.spec for recipe in recipes):
                raise ValueError(
                    f"`progressive` has {bits} bits, but no spec has fewer. Pass only widths that "
                    f"are wider than the spec's. Received: spec={self.recipe.spec}"
                )

    def make_run(self):
        return QuantizationRun(
            self.recipe,
            self.begin,
            self.freeze,
            self.rules,
            self.learned_rate,
            self.progression,
        )
