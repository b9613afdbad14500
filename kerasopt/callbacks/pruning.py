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

    At every update that is due in the schedule, the masks are updated so that
    the scheduled fraction of the selected weights is zero. The layers read
    their kernels through the masks, so pruned weights are zero inside the
    compiled step, whatever the optimizer. The masks are variables of the
    layers: checkpoints contain them, and further training continues from them.
    After training, `kerasopt.finalize(model)` gives a plain Keras model with
    zeros.

    Five choices can be combined freely: which weights are important
    (`criterion`), which are pruned together (`pattern`), over which weights the
    sparsity is reached (`scope`), how much is pruned when (`schedule`), and
    whether pruned weights return (`regrowth`).

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
            `kerasopt.sparsity.MetricGuided`, which searches for the highest
            sparsity within an accuracy budget.
        scope: A `kerasopt.sparsity.Scope` or an alias, such as `"layer"` (every
            kernel reaches the sparsity by itself) or `"global"` (all kernels
            together reach it, by one threshold):
            {scopes}
        criterion: A `kerasopt.sparsity.Criterion`, a function that takes the array
            of a weight and returns scores of its shape, or an alias:
            {criteria}
        pattern: A `kerasopt.sparsity.Pattern` or an alias (`"N:M"` such as
            `"2:4"`, `"blockRxC"` such as `"block4x1"`):
            {patterns}
        rules: List of (selector, sparsity), first match wins. The selector is a
            glob on a layer's name or path, the path of a weight
            (`"dense/bias"`, `"*/cell/recurrent_kernel"`), a layer class or a
            predicate; the sparsity is a schedule, a float (the callback's
            schedule with this final value) or `None` (not pruned). Layers
            without a match get the callback's schedule if they are trainable
            and the pattern fits their kernels; other weights, frozen layers,
            embeddings, and filters of the last layer are pruned only if a rule
            names them. With every scope but `"layer"`, the callback's sparsity
            is that of all selected weights together: layers without a rule
            compensate for those with one.
        rewind: Point in training to which the weights, the optimizer and its
            learning rate schedule are reset after each round of an `Iterative`
            or `OneShot` schedule (the lottery ticket hypothesis): `"init"`, the
            beginning of the training; `"epoch k"`, the end of its k-th epoch;
            or another time. `None`: no rewinding.
        regrowth: A `kerasopt.sparsity.Regrowth` or an alias, if pruned weights
            may return:
            {regrowths}

    Raises:
        ValueError: Before training starts, if a sparsity is outside [0, 1) or
            falls, if no weight is selected, if the pattern does not fit a
            selected weight, if the rules make the overall sparsity unreachable,
            if the criterion is not available for a weight (a frozen layer has
            no gradient), if another `Pruning` of the same `fit` selects the
            same weight, or if the schedule cannot be resolved in this training
            (see `kerasopt.schedules`).

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
