"""Pruning inside `fit`."""

from kerasopt.axis import documents
from kerasopt.sparsity.criteria import CRITERIA
from kerasopt.sparsity.metric_guided.guided_run import GuidedRun
from kerasopt.sparsity.patterns import PATTERNS
from kerasopt.sparsity.pruning_run import PruningRun
from kerasopt.sparsity.recipe import make_recipe
from kerasopt.sparsity.regrowth import REGROWTHS
from kerasopt.sparsity.scopes import SCOPES
from kerasopt.training.timed_callback import TimedCallback


@documents(criteria=CRITERIA, patterns=PATTERNS, scopes=SCOPES, regrowths=REGROWTHS)
class Pruning(TimedCallback):
    """Sets the least important weights to zero while the model trains.

    At every update that the schedule names, masks move so that the scheduled
    fraction of the selected weights is zero; the layers read their kernels
    through the masks, so the zeros hold inside the compiled step, whatever the
    optimizer. The masks are variables of the layers: checkpoints hold them, and
    a model that was loaded, or trained before, goes on from them. When training
    is over, `kerasopt.finalize(model)` leaves a plain Keras model with zeros.

    A pruning is a point on orthogonal axes: which weights matter (`criterion`),
    what is pruned as one (`pattern`), over which weights the sparsity holds
    (`scope`), how much when (`schedule`), and what comes back (`regrowth`).

    Example:

    ```python
    pruning = ko.callbacks.Pruning(
        ko.schedules.PolynomialDecay(0.0, 0.8, begin="10%", end="60%"),
        scope="lamp",
        rules=[("classifier", None), (keras.layers.DepthwiseConv2D, 0.5)],
    )
    model.fit(x, y, epochs=10, callbacks=[pruning])
    ```

    Args:
        schedule: A `kerasopt.schedules.Schedule` of the fraction of zeros; a
            float in [0, 1), which holds from the first update on; or a
            `kerasopt.sparsity.MetricGuided`, which looks for the highest that
            a metric bears.
        scope: A `kerasopt.sparsity.Scope` or an alias, such as `"layer"` (every
            kernel reaches the sparsity by itself) or `"global"` (all kernels
            together do, by one threshold):
            {scopes}
        criterion: A `kerasopt.sparsity.Criterion`, a function that takes the array
            of a weight and returns scores of its shape, or an alias:
            {criteria}
        pattern: A `kerasopt.sparsity.Pattern` or an alias (`"N:M"` such as
            `"2:4"`, `"blockRxC"` such as `"block4x1"`):
            {patterns}
        rules: List of (selector, sparsity), first match wins. The selector is a
            glob on a layer's name or path, the path of a weight (`"dense/bias"`,
            `"*/cell/recurrent_kernel"`), a layer class or a predicate; the
            sparsity is a schedule, a float (the schedule of the callback with
            this final value) or `None` to leave it alone. Layers without
            a match get the callback's schedule, if they train and the pattern
            fits their kernels; other weights, frozen layers, embeddings, and
            filters of the last layer, are pruned only where a rule names them.
            Where a scope joins layers (any but `"layer"`), the callback's
            sparsity is that of all selected weights, and layers without a rule
            make up for those with one.
        rewind: Where the weights, and the state of the optimizer with its learning
            rate schedule, go back to after each round of an `Iterative` or
            `OneShot` schedule (the lottery ticket hypothesis): `"init"`, the
            beginning of the training; `"epoch k"`, the end of its k-th epoch, or
            another time. `None`: training goes on where it is.
        regrowth: A `kerasopt.sparsity.Regrowth` or an alias, if pruned weights may
            come back:
            {regrowths}

    Raises:
        ValueError: Before training starts, if a sparsity is outside [0, 1) or
            falls, if no weight is selected, if the pattern does not fit one, if
            the rules leave no way to the sparsity of all, if the criterion
            cannot be had (no gradient reaches a frozen layer), if another
            `Pruning` of the same `fit` has a weight too, or if the schedule has
            no meaning in this training (see `kerasopt.schedules`).

    References:
        - Zhu and Gupta, "To prune, or not to prune: exploring the efficacy of
          pruning for model compression" (2017, https://arxiv.org/abs/1710.01878).
        - Frankle and Carbin, "The Lottery Ticket Hypothesis" (2019,
          https://arxiv.org/abs/1803.03635), for `rewind`.
    """

    def __init__(
        self,
        schedule,
        scope="layer",
        criterion="magnitude",
        pattern="element",
        rules=(),
        rewind=None,
        regrowth=None,
    ):
        super().__init__()
        self.recipe = make_recipe(schedule, scope, criterion, pattern, rules, rewind, regrowth)

    def make_run(self):
        return (GuidedRun if self.recipe.is_guided else PruningRun)(self.recipe)
