"""The pruning of one training."""

from kerasopt.schedules import Schedule
from kerasopt.sparsity.hidden_values import zero_hidden
from kerasopt.sparsity.masking import make_targets, select_masked
from kerasopt.sparsity.plan import Plan
from kerasopt.sparsity.recipe import Recipe
from kerasopt.sparsity.rewinding import Rewinding
from kerasopt.sparsity.scopes import LayerScope
from kerasopt.sparsity.update import update_masks
from kerasopt.training.clock import Clock
from kerasopt.training.run import Run


class PruningRun(Run):
    """Updates masks by their schedules, exchanges connections, and rewinds after rounds.

    Args:
        recipe: The `Recipe` of `kerasopt.callbacks.Pruning`.
    """

    # Whether layers without a rule compensate for those with one, if the scope joins layers.
    is_joint = True

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        self.schedule = self.make_schedule()
        joint = self.is_joint and not isinstance(recipe.scope, LayerScope)
        self.plan = Plan(self.schedule, joint)
        self.rewinding = None
        if recipe.rewind is not None:
            self.rewinding = Rewinding(recipe.rewind, self.schedule)
        # The update up to which one-time actions have been carried out.
        self._done: int | None = None

    def make_schedule(self) -> Schedule:
        """Returns the schedule for layers without a rule."""
        return self.recipe.schedule

    def attach(self, model):
        recipe = self.recipe
        selected = self.select(model)
        made = make_targets(model, selected, recipe.pattern, self.attachments)
        for selection, targets in zip(selected, made, strict=True):
            self.plan.add(selection.argument, targets)
        self.make_room(model)
        recipe.criterion.gather(self.plan.members, model, self.attachments)
        recipe.regrowth.attach(self.plan.targets, model, self.attachments)

    def make_room(self, model):
        """Creates variables in the model for the states that the training may go back to."""
        if self.rewinding is not None:
            self.rewinding.attach(model)
            self.attachments.at_end(self.rewinding.detach, self.rewinding.copies)

    def select(self, model):
        """Returns the weights to prune, with their schedules."""
        recipe = self.recipe
        return select_masked(model, recipe.pattern, recipe.rules, self.schedule, only_trained=True)

    def check(self, horizon):
        recipe = self.recipe
        self.plan.check(horizon)
        recipe.regrowth.check(horizon)
        if self.rewinding is not None:
            self.rewinding.check(horizon)
        at_once = [level for _, level in self.plan.levels(0, horizon) if level > 0]
        if not any(weight.gathered is not None for weight in self.plan.members):
            # A custom function that returns bad scores is refused here, not in the middle of
            # training.
            recipe.scope.keep(
                [target.scores(recipe.criterion) for target in self.plan.targets], 0.0
            )
        elif at_once:
            raise ValueError(
                "The criterion needs statistics that are gathered in training, so it cannot score "
                "weights before the first update: pass a schedule that begins later, such as "
                f'`OneShot({max(at_once)}, begin="10%")`. Received: criterion={recipe.criterion}, '
                f"schedule={self.schedule}"
            )

    def span(self, horizon):
        spans = [schedule.span(horizon) for schedule in self.plan.schedules]
        begins, ends = zip(*spans, strict=True)
        return min(begins), max(ends)

    def next_due(self, update, horizon):
        parts = [*self.plan.schedules, self.recipe.regrowth.schedule, self.rewinding]
        due = [part.next_due(update, horizon) for part in parts if part is not None]
        return min((moment for moment in due if moment is not None), default=None)

    def timed(self):
        """Returns the schedules that determine mask updates; `None` for a missing one."""
        return [self.recipe.regrowth.schedule, *self.plan.schedules]

    def on_update(self, update, horizon):
        begins = self._done is None
        if begins:
            # A resumed training has already carried out earlier one-time actions.
            self._done = update
        if self.rewinding is not None:
            self.rewinding.remember(update, horizon)
        moved = self._move_masks(update, horizon)
        if self.rewinding is not None and self._newly_due(self.schedule, update, horizon):
            with Clock.of(self.model).held():
                self.rewinding.restore(self.plan.weights)
        regrowth = self.recipe.regrowth
        due = self._newly_due(regrowth.schedule, update, horizon)
        if due is not None:
            share = regrowth.schedule(due, horizon)
            regrowth.exchange(self.plan.targets, share, due, self.model)
        if begins or moved or due is not None:
            self._zero_hidden()
        self._done = update

    def on_epoch_begin(self, epoch):
        if self.recipe.regrowth.dense_gradient:
            self._zero_hidden()

    def finish(self):
        if self.recipe.regrowth.dense_gradient:
            self._zero_hidden()

    def _move_masks(self, update, horizon):
        """Updates masks by their schedules; returns whether one has changed."""
        recipe = self.recipe
        due = [self._newly_due(schedule, update, horizon) for schedule in self.timed()]
        revive = any(at is not None for at in due) and recipe.regrowth.revives(update, horizon)
        return any(
            [
                update_masks(targets, level, recipe.criterion, recipe.scope, revive)
                for targets, level in self.plan.levels(update, horizon)
            ]
        )

    def _newly_due(self, schedule, update, horizon):
        """Returns the update of an application that this training has yet to do, or `None`."""
        due = None if schedule is None else schedule.last_due(update, horizon)
        return due if due is not None and due > self._done else None

    def _zero_hidden(self):
        """Sets the values under masks to zero, so that files are sparse; latent weights stay."""
        if not self.recipe.regrowth.keeps_hidden:
            zero_hidden(self.model, self.plan.weights)
