"""What revives pruned weights."""

import keras

from kerasopt.axis import Axis, Choices
from kerasopt.parametrization import Attachments
from kerasopt.schedules import Schedule
from kerasopt.schedules.times import Horizon
from kerasopt.sparsity.patterns import Filter, Head, Pattern
from kerasopt.sparsity.target import Target


class Regrowth(Axis):
    """Says when and how pruned weights come back; by itself, that none does.

    Attributes:
        dense_gradient: Boolean, whether pruned weights get a gradient.
        keeps_hidden: Boolean, whether pruned weights are latent: they keep
            their values, and compete with the others whenever masks move, up to
            the end of `schedule`.
        schedule: A `Schedule` of the share of the live weights that an exchange
            replaces, or at whose updates latent weights compete. Nothing is done
            at the very beginning of a training, which has nothing to go by.
            `None` if there is never anything to do.
    """

    dense_gradient = False
    keeps_hidden = False
    schedule: Schedule | None = None

    def check_pattern(self, pattern: Pattern) -> None:
        """Raises `ValueError` if it cannot revive groups of a pattern."""
        if self.schedule is not None and isinstance(pattern, (Filter, Head)):
            raise ValueError(
                f"Groups of pattern '{pattern.alias}' lie in several weights, which are all hidden "
                "at once: no gradient reaches any of them, so none can grow back. Leave "
                '`regrowth` out, or take `pattern="kernel"` or `"channel"`. '
                f"Received: pattern='{pattern.alias}', regrowth={type(self).__name__}"
            )

    def check(self, horizon: Horizon) -> None:
        """Raises or warns, if `schedule` makes no sense in this training."""
        if self.schedule is not None:
            self.schedule.check(horizon)

    def attach(self, targets: list[Target], model: keras.Model, attachments: Attachments) -> None:
        """Makes the masks pass what regrowth needs, until the training ends."""
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
        """Whether latent weights compete when masks move at `update`."""
        if not self.keeps_hidden or self.schedule is None:
            return False
        return update <= self.schedule.span(horizon)[1]

    def exchange(
        self, targets: list[Target], share: float, update: int, model: keras.Model
    ) -> None:
        """Replaces a share of the connections, so that sparsity stays.

        Args:
            targets: List of `Target`.
            share: Float in [0, 1], the share of the live weights to replace.
            update: Integer, the optimizer update.
            model: The model, for the state of its optimizer.
        """


REGROWTHS = Choices("regrowth", Regrowth, "kerasopt.sparsity")
