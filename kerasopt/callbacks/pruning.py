"""Pruning inside `fit`."""

import copy

from kerasopt import graph, schedules
from kerasopt.sparsity import criteria, patterns, scopes, sparsity_schedule, update_masks
from kerasopt.sparsity import regrowth as regrowths
from kerasopt.sparsity.hidden_values import zero_hidden
from kerasopt.sparsity.masking import make_targets, select_masked
from kerasopt.sparsity.metric_guided import GuidedSparsity, MetricGuided, MetricSearch
from kerasopt.sparsity.plan import Plan
from kerasopt.sparsity.rewinding import Rewinding
from kerasopt.training.clock import Clock
from kerasopt.training.timed import TimedCallback, attached


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
        scope: `"layer"` (every kernel reaches the sparsity by itself),
            `"global"` (all kernels together do, by one threshold), `"erk"`
            (Erdős-Rényi-kernel), `"lamp"` or a `kerasopt.sparsity.Scope`.
        criterion: `"magnitude"` (or `"l1"`), `"l2"`, `"random"`, `"saliency"`,
            `"movement"`, `"wanda"`, a `kerasopt.sparsity.Criterion`, or a
            function that takes the array of a weight and returns scores of its
            shape.
        pattern: `"element"`, `"2:4"` or any N:M, `"block4x1"` or any size,
            `"kernel"`, `"filter"`, `"channel"`, `"head"` or a
            `kerasopt.sparsity.Pattern`.
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
        regrowth: `"set"`, `"rigl"`, `"straight_through"` or a
            `kerasopt.sparsity.Regrowth`, if pruned weights may come back.

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
        self.guided = schedule if isinstance(schedule, MetricGuided) else None
        self.schedule = GuidedSparsity(schedule) if self.guided else sparsity_schedule(schedule)
        self.scope = scopes.get(scope)
        self.criterion = criteria.get(criterion)
        self.pattern = patterns.get(pattern)
        self.regrowth = regrowths.get(regrowth)
        self.regrowth.check_pattern(self.pattern)
        if isinstance(self.scope, scopes.LAMP) and self.criterion.signed:
            raise ValueError(
                "Scope 'lamp' compares squares, so it takes no criterion with negative scores: use "
                f"scope 'global', or another criterion. Received: criterion={self.criterion}"
            )
        self.rewinding = None if rewind is None else Rewinding(rewind, self.schedule)
        if self.rewinding is not None and self.regrowth.keeps_hidden:
            raise ValueError(
                "Rewinding takes pruned weights back to zero, so they are not latent: leave either "
                f"out. Received: rewind={rewind!r}, regrowth={type(self.regrowth).__name__}"
            )
        self.rules = [(rule.selector, self._ruled(rule)) for rule in graph.parse_rules(rules)]
        for level in (self.schedule, *(argument for _, argument in self.rules)):
            if level is not None:
                self.pattern.check_sparsity(level.final, self.scope)
        self._plan = self._empty_plan()
        # The update up to which that is done which is done only once.
        self._done: int | None = None
        self._search: MetricSearch | None = None

    def _empty_plan(self):
        alone = isinstance(self.scope, scopes.LayerScope)
        return Plan(self.schedule, joint=not alone and self.guided is None)

    def _ruled(self, rule):
        """Returns the schedule of the layers of a rule; `None` if it leaves them alone."""
        if rule.argument is None:
            return None
        try:
            schedule = sparsity_schedule(rule.argument)
        except ValueError as error:
            raise ValueError(f"{error} in the rule {rule}") from None
        if isinstance(rule.argument, schedules.Schedule) or self.guided is not None:
            return schedule
        final, schedule = schedule.final, copy.copy(self.schedule)
        schedule.final = final
        return sparsity_schedule(schedule)

    def attach(self, model):
        self._done = self._search = None
        self._plan = self._empty_plan()
        selected = self._select(model)
        made = make_targets(model, selected, self.pattern, self.attachments)
        for selection, targets in zip(selected, made, strict=True):
            self._plan.add(selection.argument, targets)
        if self.guided is not None:
            self._check_search(model)
            masks = [weight.link.mask for weight in self._plan.weights]
            self._search = MetricSearch(self.guided, model, masks)
            self.attachments.at_end(self._search.close, self._search.copies)
        if self.rewinding is not None:
            self.rewinding.attach(model)
            self.attachments.at_end(self.rewinding.detach, self.rewinding.copies)
        self.criterion.gather(self._plan.members, model, self.attachments)
        self.regrowth.attach(self._plan.targets, model, self.attachments)

    def detach(self):
        super().detach()
        if self._search is not None:
            self._search.undo()

    def _select(self, model):
        """Returns the weights to prune, with their schedules."""
        return select_masked(model, self.pattern, self.rules, self.schedule, only_trained=True)

    def _check_search(self, model):
        if self.schedule not in self._plan.schedules:
            raise ValueError(
                "The rules name every layer, so there is none whose sparsity the metric could "
                f"guide. Received: schedule={self.guided}, "
                f"rules for {[selector for selector, _ in self.rules]}"
            )
        others = [other for other in attached(model) if other is not self]
        if any(getattr(other, "guided", None) is not None for other in others):
            raise ValueError(
                "Two callbacks of one `fit` cannot both look for the sparsity that a metric bears. "
                f"Give one of them a schedule. Received: schedule={self.guided}"
            )

    def check(self, horizon):
        self._plan.check(horizon)
        self.regrowth.check(horizon)
        if self.rewinding is not None:
            self.rewinding.check(horizon)
        at_once = [level for _, level in self._plan.levels(0, horizon) if level > 0]
        if not any(weight.gathered is not None for weight in self._plan.members):
            # What a function of the user's own returns is refused here, not in mid-training.
            self.scope.keep([target.scores(self.criterion) for target in self._plan.targets], 0.0)
        elif at_once:
            raise ValueError(
                "The criterion scores weights by what it gathers in training, so there is nothing "
                "to prune by before the first update: pass a schedule that begins later, such as "
                f'`OneShot({max(at_once)}, begin="10%")`. '
                f"Received: criterion={self.criterion}, schedule={self.schedule}"
            )

    def span(self, horizon):
        spans = [schedule.span(horizon) for schedule in self._plan.schedules]
        begins, ends = zip(*spans, strict=True)
        return min(begins), max(ends)

    def next_due(self, update, horizon):
        parts = [*self._plan.schedules, self.regrowth.schedule, self.rewinding]
        due = [part.next_due(update, horizon) for part in parts if part is not None]
        return min((moment for moment in due if moment is not None), default=None)

    def on_update(self, update, horizon):
        begins = self._done is None
        if begins:
            # A training that is resumed has done what was due once and before.
            self._done = update
        if self.rewinding is not None:
            self.rewinding.remember(update, horizon)
        moved = self._move_masks(update, horizon)
        if self.rewinding is not None and self._newly_due(self.schedule, update, horizon):
            with Clock.of(self.model).held():
                self.rewinding.restore(self._plan.weights)
        due = self._newly_due(self.regrowth.schedule, update, horizon)
        if due is not None:
            share = self.regrowth.schedule(due, horizon)
            self.regrowth.exchange(self._plan.targets, share, due, self.model)
        if begins or moved or due is not None:
            self.zero_hidden()
        self._done = update

    def _move_masks(self, update, horizon):
        """Brings masks to their sparsities; returns whether one has moved."""
        followed = [self.regrowth.schedule, *self._plan.schedules]
        due = [
            self._newly_due(schedule, update, horizon)
            for schedule in followed
            if not isinstance(schedule, GuidedSparsity)  # due whenever it is asked
        ]
        revive = any(at is not None for at in due) and self.regrowth.revives(update, horizon)
        return any(
            [
                update_masks(targets, level, self.criterion, self.scope, revive)
                for targets, level in self._plan.levels(update, horizon)
            ]
        )

    def _newly_due(self, schedule, update, horizon):
        """Returns the update of an application that this training has not done; else `None`."""
        due = None if schedule is None else schedule.last_due(update, horizon)
        return due if due is not None and due > self._done else None

    def on_epoch_begin(self, epoch, logs=None):
        begins = self._done is None
        super().on_epoch_begin(epoch, logs)
        if self.regrowth.dense_gradient:
            self.zero_hidden()
        if self._search is not None:
            clock = Clock.of(self.model)
            if begins:
                self._search.start(epoch, self._plan.sparsity)
            with clock.held():
                self.schedule.level = self._search.advance()
            self.on_update(clock.update, self.horizon)

    def on_epoch_end(self, epoch, logs=None):
        if self._search is not None:
            update = Clock.of(self.model).update
            self._search.score(logs, self.guided.has_begun(update, self.horizon))

    def on_train_end(self, logs=None):
        if self._search is not None:
            with Clock.of(self.model).held():
                self._search.end()
            self.schedule.level = 0.0  # whatever it was, masks are where they have to be
        super().on_train_end(logs)
        if self.regrowth.dense_gradient:
            self.zero_hidden()

    @property
    def stage(self):
        return super().stage if self._search is None else self._search.stage

    def zero_hidden(self):
        """Sets what the masks hide to zero, as files should hold it; latent weights stay."""
        if not self.regrowth.keeps_hidden:
            zero_hidden(self.model, self._plan.weights)
