"""Quantization-aware training inside `fit`."""

import math

from kerasopt import graph
from kerasopt.keras_internals.layers import is_built
from kerasopt.parametrization import parametrized_layers, renew_functions
from kerasopt.quantization import (
    ActivationQuantizer,
    FloatFormat,
    Format,
    Progression,
    Site,
    find_sites,
    freeze_statistics,
    make_recipe,
    make_rules,
    warn_of_values,
    wider,
)
from kerasopt.schedules.times import resolve, validate_time
from kerasopt.training.optimizers.learning_rates import reset_learning_rate, set_learning_rate
from kerasopt.training.optimizers.trainable_variables import follow_trainable_variables
from kerasopt.training.timed import TimedCallback
from kerasopt.training.train_functions import retraced
from kerasopt.warning import warn


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
        weight_quantizer: How weights are rounded: `"minmax"`, `"lsq"`, `"dorefa"`,
            `"ternary"`, `"binary"` or a `kerasopt.quantization.WeightQuantizer`
            with arguments of its own. `None`: as fits the format (`"binary"`
            for one bit, `"ternary"` for two, else `"minmax"`).
        activation_quantizer: The same for activations: `"minmax"`, `"lsq"`,
            `"pact"`, `"dorefa"`, `"binary"` or a quantizer of activations.
        observer: How ranges of activations are found: `"moving_average"` or
            `"minmax"`, which follow the batches; or `"percentile"`, `"mse"` or
            `"kl"`, which count values until `begin` (if that is 0, for a twentieth
            of the training, up to 100 updates) and then find the range once; or a
            `kerasopt.quantization.Observer`.
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
        self._begun = False
        # With the format that each quantizer comes to.
        self._placed: list[tuple[Site, Format | FloatFormat]] = []

    def _check_widths(self):
        """Raises if a quantizer does not round to a width on the way, or none is on the way."""
        recipes = [self.recipe, *(recipe for _, recipe in self.rules if recipe is not None)]
        for bits in self.progression.widths:
            if all(recipe.at_least(bits).spec == recipe.spec for recipe in recipes):
                raise ValueError(
                    f"`progressive` has {bits} bits, and no spec has integers of fewer. "
                    f"Received: spec={self.recipe.spec}"
                )

    def attach(self, model):
        self._placed, self._begun = [], False
        for site in self._sites(model):
            format = site.quantizer.format
            site.quantizer.initially_enabled = False
            link = self.attachments.put(*site)
            self._placed.append((site._replace(quantizer=link), format))
        follow_trainable_variables(model)
        self._freeze(False)  # an interrupted training may have left it

    def _sites(self, model):
        """Returns where quantizers go."""
        widths = self.progression.widths
        return find_sites(model, self.recipe, self.rules, widths, only_trained=True)

    def detach(self):
        self.thaw()
        super().detach()
        follow_trainable_variables(self.model)
        # Operations may hold quantizers of another callback, or of an earlier `fit`.
        kept = parametrized_layers(self.model)
        if is_built(self.model) and not any(
            isinstance(layer, graph.OperationLayer) for layer in kept
        ):
            graph.unwrap_operations(self.model)

    def check(self, horizon):
        begin, freeze = self._times(horizon)
        if horizon.total is not None and begin >= max(horizon.total, 1):
            warn(
                f"{type(self).__name__} cannot finish in the updates at hand: it begins at update "
                f"{begin}, and this training has {horizon.total} optimizer updates. Train longer, "
                f"or pass an earlier `begin`. Received: begin={self.begin!r}",
            )
        ends = self.progression.times(horizon)
        if ends and ends[0] <= begin:
            raise ValueError(
                f"The widths of `progressive` must end after `begin`, which is update {begin}. "
                f"Received: progressive={self.progression}"
            )
        if ends and ends[-1] > freeze:
            raise ValueError(
                "The widths of `progressive` must end after `begin`, and not after `freeze`. "
                f"Received: progressive={self.progression}, freeze={self.freeze!r}"
            )
        if begin > freeze:
            raise ValueError(
                "`begin` must not come after `freeze`. "
                f"Received: begin={self.begin!r}, freeze={self.freeze!r}"
            )

    def _times(self, horizon):
        """Returns when rounding begins, and when ranges freeze: perhaps never."""
        begin = resolve(self.begin, horizon, "begin")
        if self.freeze is not None:
            return begin, resolve(self.freeze, horizon, "freeze")
        if horizon.total is None:
            return begin, math.inf
        last = max([begin, *self.progression.times(horizon)])
        return begin, max(round(0.9 * horizon.total), last + (horizon.total - last) // 2, last)

    def _watched(self, horizon):
        """Returns from when on ranges that are found once have seen enough."""
        begin, freeze = self._times(horizon)
        return begin or min(freeze, _enough(horizon.total))

    def span(self, horizon):
        begin, _ = self._times(horizon)
        return begin, max([begin, *self.progression.times(horizon)])

    def next_due(self, update, horizon):
        times = {*self._times(horizon), *self.progression.times(horizon), self._watched(horizon)}
        if self._begun and self._waiting:
            # Nothing that is not zero has come by yet.
            times.add(update + max(1, round(horizon.updates_per_epoch or 100)))
        return min((time for time in times if update < time < math.inf), default=None)

    def on_update(self, update, horizon):
        begin, freeze = self._times(horizon)
        self._narrow(update, horizon)
        self._begun = update >= begin
        if self._begun:
            ready = update >= self._watched(horizon)
            self._enable([site for site in self._waiting if ready or not _settles(site.quantizer)])
        self._freeze(update >= freeze)

    @property
    def _waiting(self):
        """Where quantizers do not round yet."""
        return [site for site, _ in self._placed if not site.quantizer.is_enabled]

    def _enable(self, sites):
        for site in sites:
            if not _settles(site.quantizer) or site.quantizer.has_range:
                site.enable()

    def _narrow(self, update, horizon):
        """Gives quantizers the width of this moment."""
        bits = self.progression.bits(update, horizon)
        changed = [site.set_format(wider(format, bits)) for site, format in self._placed]
        if any(changed):
            renew_functions(self.model)

    def on_train_end(self, logs=None):
        super().on_train_end(logs)
        self.finish()

    def finish(self):
        """Thaws what was frozen, and tells of values that are of no use."""
        if self._begun:
            self._enable(self._waiting)  # as far as a short training has shown them something
        self.thaw()
        warn_of_values([site for site, _ in self._placed], self.model.name)

    def thaw(self):
        """Lets later trainings move what this one has frozen."""
        with retraced(self.model):
            freeze_statistics(self.model, False)
            if self._learned:
                reset_learning_rate(self.model, self._learned)
            for link in self._links:
                if isinstance(link, ActivationQuantizer) and not _settles(link):
                    link.frozen = False

    @property
    def _links(self):
        return [site.quantizer for site, _ in self._placed]

    @property
    def _learned(self):
        return [variable for link in self._links for variable in link.learned]

    def _freeze(self, frozen):
        """Freezes what moves no more: ranges that have settled, and at last all of it."""
        with retraced(self.model):
            freeze_statistics(self.model, frozen)
            if self._learned:
                set_learning_rate(self.model, self._learned, 0.0 if frozen else self.learned_rate)
            for link in self._links:
                if isinstance(link, ActivationQuantizer):
                    link.frozen = frozen or (_settles(link) and link.is_enabled)


def _settles(link):
    return isinstance(link, ActivationQuantizer) and link.settles


def _enough(total):
    """Returns how many updates a range that is found once watches, if nothing else is said."""
    return 10 if total is None else min(max(total // 20, 1), 100)
