"""Gradient-based criteria."""

import functools

import keras

from kerasopt.sparsity.criteria.criterion import CRITERIA, Criterion
from kerasopt.training.optimizers.gradient_statistics import unwatch_gradients, watch_gradients
from kerasopt.warning import warn


class GradientCriterion(Criterion):
    """Base class of criteria whose score is a statistic of the gradients.

    The gradient is the one that the optimizer applies, once per update: the
    mean over the batch, reduced over replicas, accumulated, unscaled and
    clipped. A pruned weight gets none, unless its mask passes the gradient
    (straight-through).
    """

    @staticmethod
    def rule(statistic, weight, gradient):
        """Returns the new statistic and the gradient: see `watch_gradients`."""
        raise TypeError("A gradient-based criterion must define `rule`.")

    def gather(self, weights, model, attachments):
        variables = [weight.stored for weight in weights]
        name = type(self).__name__.lower()
        statistics = watch_gradients(model, variables, self.rule, name)
        for weight, statistic in zip(weights, statistics, strict=True):
            weight.gathered = statistic
        attachments.at_end(functools.partial(unwatch_gradients, model, statistics), statistics)

    def __call__(self, weight):
        return self.statistic(weight)

    def reset(self, weights):
        unordered = [str(weight) for weight in weights if not weight.statistic.any()]
        if unordered:
            warn(
                f"{unordered} have had no gradient since the last mask update, so {self} pruned "
                "them without regard to importance: they are trained by another optimizer than "
                "that of `compile`, or the loss does not depend on them. Exclude them with a rule, "
                "or pass `criterion='magnitude'`.",
            )
        super().reset(weights)


@CRITERIA.register("saliency")
class Saliency(GradientCriterion):
    """The change of the loss if a weight were zero, to first order.

        score = sum_t |w_t * dL_t/dw|

    over the updates t since the last mask update. The term is the first-order
    Taylor expansion of the change of the loss when one parameter becomes zero,
    `|L(w = 0) - L| ~ |w * dL/dw|`.

    ```python
    schedule = ko.schedules.PolynomialDecay(0.0, 0.8, begin="10%", end="60%")
    pruning = ko.callbacks.Pruning(schedule, criterion="saliency", scope="global")
    model.fit(x, y, epochs=10, callbacks=[pruning])
    ```

    References:
        - Molchanov et al., "Pruning Convolutional Neural Networks for Resource
          Efficient Inference" (2017, https://arxiv.org/abs/1611.06440), section
          2.2: the Taylor expansion criterion for one parameter `h_i` (Eq. 7).
        - The same term, for one batch before training, is the connection
          sensitivity of SNIP: Lee et al. (2019,
          https://arxiv.org/abs/1810.02340).
    """

    reset_after_update = True

    @staticmethod
    def rule(statistic, weight, gradient):
        return statistic + keras.ops.abs(weight * gradient), gradient


@CRITERIA.register("movement")
class Movement(GradientCriterion):
    """How far training has moved a weight away from zero.

        score = -sum_t w_t * dL_t/dw

    over all updates t of this training. It is negative for weights that shrink: these are pruned
    first, however large. Meant for fine-tuning.

    ```python
    schedule = ko.schedules.PolynomialDecay(0.0, 0.8, begin="20%", end="70%")  # gather first
    ko.callbacks.Pruning(schedule, criterion="movement")
    ```

    Reference:
        Sanh et al., "Movement Pruning: Adaptive Sparsity by Fine-Tuning" (2020,
        https://arxiv.org/abs/2005.07683), section 4: the accumulated importance
        `S`, for a learning rate of the scores of 1.
    """

    signed = True

    @staticmethod
    def rule(statistic, weight, gradient):
        return statistic - weight * gradient, gradient
