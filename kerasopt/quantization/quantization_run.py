"""The quantization-aware part of one training."""

import math
from collections.abc import Sequence
from typing import Any

from kerasopt import graph
from kerasopt.keras_internals.layers import is_built
from kerasopt.parametrization import parametrized_layers, renew_functions
from kerasopt.quantization.activations import ActivationQuantizer
from kerasopt.quantization.formats import FloatFormat, Format, wider
from kerasopt.quantization.placement import find_sites
from kerasopt.quantization.progression import Progression
from kerasopt.quantization.recipe import Recipe
from kerasopt.quantization.site import Site
from kerasopt.quantization.statistics import freeze_statistics
from kerasopt.quantization.values_seen import warn_of_values
from kerasopt.schedules.times import Time, resolve
from kerasopt.training.optimizers.learning_rates import reset_learning_rate, set_learning_rate
from kerasopt.training.optimizers.trainable_variables import follow_trainable_variables
from kerasopt.training.run import Run
from kerasopt.training.train_functions import retraced
from kerasopt.warning import warn


class QuantizationRun(Run):
    """Lets quantizers observe, round, change their widths and freeze.

    Args:
        recipe: The `Recipe` for layers without a rule.
        begin: Time, when rounding begins.
        freeze: Time, when ranges freeze; `None` for the last tenth of the training.
        rules: List of (selector, `Recipe` or `None`).
        learned_rate: Float, the learning rate factor of the quantizers'
            variables.
        progression: A `Progression` of widths.
    """

    def __init__(
        self,
        recipe: Recipe,
        begin: Time,
        freeze: Time | None,
        rules: Sequence[tuple[Any, Recipe | None]] = (),
        learned_rate: float = 1.0,
        progression: Progression | None = None,
    ):
        self.recipe = recipe
        self.begin = begin
        self.freeze = freeze
        self.rules = rules
        self.learned_rate = learned_rate
        self.progression = progression or Progression(())
        self._begun = False
        # With the final format of each quantizer.
        self._placed: list[tuple[Site, Format | FloatFormat]] = []

    def attach(self, model):
        for site in self.sites(model):
            format = site.quantizer.format
            site.quantizer.initially_enabled = False
            link = self.attachments.put(*site)
            self._placed.append((site._replace(quantizer=link), format))
        follow_trainable_variables(model)
        self._freeze(False)  # an interrupted training may have left it

    def sites(self, model):
        """Returns the sites of quantizers."""
        widths = self.progression.widths
        return find_sites(model, self.recipe, self.rules, widths, only_trained=True)

    def detach(self):
        self._thaw()
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
                f"`QuantizationAware` cannot finish in this training: it begins at update {begin}, "
                f"but there are only {horizon.total} optimizer updates. Train longer, or pass an "
                f"earlier `begin`. Received: begin={self.begin!r}",
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
        """Returns the times when rounding begins and when ranges freeze, which may be never."""
        begin = resolve(self.begin, horizon, "begin")
        if self.freeze is not None:
            return begin, resolve(self.freeze, horizon, "freeze")
        if horizon.total is None:
            return begin, math.inf
        last = max([begin, *self.progression.times(horizon)])
        return begin, max(round(0.9 * horizon.total), last + (horizon.total - last) // 2, last)

    def _watched(self, horizon):
        """Returns the time when ranges that are set once have observed enough."""
        begin, freeze = self._times(horizon)
        return begin or min(freeze, _enough(horizon.total))

    def span(self, horizon):
        begin, _ = self._times(horizon)
        return begin, max([begin, *self.progression.times(horizon)])

    def next_due(self, update, horizon):
        times = {*self._times(horizon), *self.progression.times(horizon), self._watched(horizon)}
        if self._begun and self._waiting:
            # No nonzero value has been observed yet.
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
        """The sites of quantizers that do not round yet."""
        return [site for site, _ in self._placed if not site.quantizer.is_enabled]

    def _enable(self, sites):
        for site in sites:
            if not _settles(site.quantizer) or site.quantizer.has_range:
                site.enable()

    def _narrow(self, update, horizon):
        """Sets the current width of quantizers."""
        bits = self.progression.bits(update, horizon)
        changed = [site.set_format(wider(format, bits)) for site, format in self._placed]
        if any(changed):
            renew_functions(self.model)

    def finish(self):
        """Unfreezes what was frozen, and warns of unusable values."""
        if self._begun:
            self._enable(self._waiting)  # as far as a short training has shown them something
        self._thaw()
        warn_of_values([site for site, _ in self._placed], self.model.name)

    def _thaw(self):
        """Unfreezes what this training has frozen, for later trainings."""
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
        """Freezes ranges that are settled, and finally everything."""
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
    """Returns the default number of updates that a range set once observes."""
    return 10 if total is None else min(max(total // 20, 1), 100)
