"""The base class of regrowths."""

import keras

from kerasopt.axis import Axis, Choices
from kerasopt.parametrization import Attachments
from kerasopt.schedules import Schedule
from kerasopt.schedules.times import Horizon
from kerasopt.sparsity.patterns import Filter, Head, Pattern
from kerasopt.sparsity.target import Target


class Regrowth(Axis):
    """Decides when and how pruned weights return. In this base class, none does.

    Attributes:
        dense_gradient: Boolean, whether pruned weights get a gradient.
        keeps_hidden: Boolean, whether pruned weights are latent: they keep
            their values, and compete with the others at every mask update until
            the end of `schedule`.
        schedule: A `Schedule` of the share of the active weights that an
            exchange replaces, or of the updates at which latent weights
            compete. Nothing happens at the first update of a training, when
            nothing is known yet. `None`: nothing ever happens.
    """

    dense_gradient = False
    keeps_hidden = False
    schedule: Schedule | None = None

    def check_pattern(self, pattern: Pattern) -> None:
        """Raises `ValueError` if a pattern is not supported."""
        if self.schedule is not None and isinstance(pattern, (Filter, Head)):
            raise ValueError(
                f"Groups of pattern '{pattern.alias}' span several weights, which are all masked "
                "at once: no gradient reaches them, so they cannot grow back. Do not pass "
                '`regrowth`, or pass `pattern="kernel"` or `"channel"`. Received: '
                f"pattern='{pattern.alias}', regrowth={type(self).__name__}"
            )

    def check(self, horizon: Horizon) -> None:
        """Raises or warns if `schedule` cannot be applied in this training."""
        if self.schedule is not None:
            self.schedule.check(horizon)

    def attach(self, targets: list[Target], model: keras.Model, attachments: Attachments) -> None:
        """Makes the masks pass the gradients that regrowth needs, until the training ends."""
        links = [weight.link for target in targets for weight in target.weights]
        for link in links:
            link.dense_gradient = self.dense_gradient
            link.keeps_hidden = self.keeps_hidden

        def close():
            for link in links:
                link.dense_gradient = link.keeps_hidden = False

        if self.dense_gradient or self.keeps_hidden:
            attachments.at_end(close)

    def revives(self, update: int, horizon: Horizon) -> bool:
        """Whether latent weights compete in the mask update at `update`."""
        if not self.keeps_hidden or self.schedule is None:
            return False
        return update <= self.schedule.span(horizon)[1]

    def exchange(
        self, targets: list[Target], share: float, update: int, model: keras.Model
    ) -> None:
        """Replaces a share of the connections; the sparsity stays the same.

        Args:
            targets: List of `Target`.
            share: Float in [0, 1], the share of the active weights to replace.
            update: Integer, the optimizer update.
            model: The model, for the state of its optimizer.
        """


REGROWTHS = Choices("regrowth", Regrowth)
