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

    Kernels are rounded with one scale for each output channel, activations with
    one range for the tensor, which follows the batches of training as a moving
    average. A convolution, the batch normalization after it and the activation
    after that are one group, rounded at its end; residual additions have their
    own range. Until `begin` the ranges only watch. From `freeze` on, ranges and
    the statistics of batch normalizations stay as they are, so that the weights
    settle into the very function that `kerasopt.convert` will compute with
    integers. Zeros of a pruned layer stay zero. Batches with values that are not
    finite stay out of ranges, and pass unrounded: what Keras does with them is
    done.

    Example:

    ```python
    model.fit(x, y, epochs=10, callbacks=[ko.callbacks.QuantizationAware("int8", begin="50%")])
    int8 = ko.convert(model, "int8")
    ```

    Args:
        spec: A `kerasopt.quantization.Spec` or its alias, such as `"int8"`,
            `"int8_dynamic"`, `"int4_weight_only"`, `"ternary"` or `"binary"`.
        begin: Time from which values are rounded: optimizer updates, a
            percentage of this training such as `"60%"`, or `kerasopt.epochs(n)`.
            Quantizers that are found once (`"lsq"`, `"pact"`, the observers that
            count) watch some updates first also if it is 0.
        freeze: Time from which ranges and batch normalization stay as they are.
            `None`: for the last tenth of the training, or the second half of what
            follows `begin` and `progressive` if that is less. Where the data has
            no length they never do.
        rules: List of (selector, spec), first match wins; `None` leaves a layer
            float. Selectors are globs on a layer's name or path, layer classes
            or predicates. Layers without a match get the callback's spec if
            they train and have a kernel, add or average; embeddings, and frozen
            layers, are quantized only where a rule names them.
        weight_quantizer: How weights are rounded: a
            `kerasopt.quantization.WeightQuantizer` with arguments of its own, or an
            alias; `None`: as fits the format (`"binary"` for one bit, `"ternary"`
            for two, else `"minmax"`):
            {weight_quantizers}
        activation_quantizer: The same for activations:
            {activation_quantizers}
        observer: How ranges of activations are found: a
            `kerasopt.quantization.Observer` or an alias. `"moving_average"` and
            `"minmax"` follow the batches; the others count values until `begin` (if
            that is 0, for a twentieth of the training, up to 100 updates) and then
            find the range once:
            {observers}
        learned_rate: Float of 0 or more: the learning rate of scales that are
            learned, as a multiple of the optimizer's. They have no weight decay,
            and rest from `freeze` on.
        progressive: List of (bits, until), wider ones first: until that time all
            integers have at least so many bits. With the spec `"int4"`,
            `[(8, "40%"), (6, "60%")]` trains with 8, then with 6, then with 4.
            At each width scales of weights, and ranges that are found once, are found
            anew; learned ranges of activations stay.

    Raises:
        ValueError: If an argument is unknown, or a quantizer cannot round to the
            format of a spec or to a width on the way. Before training starts, if nothing is to be
            quantized, if a layer is quantized in another way already, if groups
            do not divide a kernel, if another `QuantizationAware` of the same
            `fit` has a layer too, or if a time has no meaning in this training.

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
        """Raises if a quantizer does not round to a width on the way, or none is on the way."""
        recipes = [self.recipe, *(recipe for _, recipe in self.rules if recipe is not None)]
        for bits in self.progression.widths:
            if all(recipe.at_least(bits).spec == recipe.spec for recipe in recipes):
                raise ValueError(
                    f"`progressive` has {bits} bits, and no spec has integers of fewer. "
                    f"Received: spec={self.recipe.spec}"
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
