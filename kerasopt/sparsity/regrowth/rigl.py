"""RigL: regrowth where the gradient is largest."""

import keras

from kerasopt import schedules
from kerasopt.sparsity.regrowth.exchange import Exchange
from kerasopt.sparsity.regrowth.regrowth import REGROWTHS
from kerasopt.training.optimizers.gradient_statistics import unwatch_gradients, watch_gradients


@REGROWTHS.register("rigl")
class RigL(Exchange):
    """Rigging the lottery: connections return where the loss would decrease fastest.

    At update t an exchange replaces the share

        fraction / 2 * (1 + cos(pi * (t - begin) / (end - begin)))

    of each layer's connections: those of lowest magnitude are pruned, and those
    with the largest gradient `|dL/dw|` in the last batch are revived. The
    backward pass therefore computes dense gradients; those of pruned weights
    have no effect, except on `global_clipnorm`. As in the paper, the defaults
    are an exchange every 100 updates, `fraction` 0.3 and `end` 75 %; the paper
    starts from a random network with Erdős-Rényi-kernel sparsities, as in the
    example.

    Example:

    ```python
    ko.callbacks.Pruning(0.9, scope="erk", criterion="random", regrowth="rigl")
    ```

    Args:
        fraction: Float in (0, 1], the share that the first exchange replaces.
        begin: Time from which exchanges are due.
        end: Time at which the share has fallen to zero.
        frequency: Optimizer updates between two exchanges, or
            `kerasopt.epochs(n)`.

    Reference:
        Evci et al., "Rigging the Lottery: Making All Tickets Winners" (2020,
        https://arxiv.org/abs/1911.11134), algorithm 1 and equation 1.
    """

    dense_gradient = True

    @staticmethod
    def shares(fraction, begin, end, frequency):
        return schedules.Cosine(fraction, 0.0, begin, end, frequency)

    def attach(self, targets, model, attachments):
        super().attach(targets, model, attachments)
        weights = [weight for target in targets for weight in target.members]
        stored = [weight.stored for weight in weights]
        statistics = watch_gradients(model, stored, _last_magnitude, "rigl")
        attachments.at_end(lambda: unwatch_gradients(model, statistics), statistics)
        for weight, statistic in zip(weights, statistics, strict=True):
            weight.growth = statistic

    def growth(self, target, update):
        gradients = [weight.growth.numpy() for weight in target.members]
        return target.pool(gradients, order=1)


def _last_magnitude(statistic, weight, gradient):
    return keras.ops.abs(gradient), gradient
