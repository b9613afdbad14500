"""Moving masks to a sparsity."""

from kerasopt.sparsity import criteria, scopes
from kerasopt.sparsity.criteria import Criterion
from kerasopt.sparsity.patterns import NM
from kerasopt.sparsity.target import Target


def update_masks(
    targets: list[Target],
    sparsity: float,
    criterion: str | Criterion = "magnitude",
    scope="layer",
    revive: bool = False,
) -> bool:
    """Prunes weights until `sparsity` of them are zero.

    What is pruned stays pruned, unless `revive` is true: hidden weights go
    first. So sparsity never falls, and a target below what is reached changes
    nothing.

    Example:

    ```python
    targets = ko.sparsity.attach_masks(model)
    ko.sparsity.update_masks(targets, 0.8, scope="global")
    ```

    Args:
        targets: List of `Target`, as `attach_masks` returns it.
        sparsity: Float in [0, 1), the fraction of zeros that the scope reaches,
            exact to one group of the pattern.
        criterion: As in `kerasopt.callbacks.Pruning`.
        scope: As in `kerasopt.callbacks.Pruning`.
        revive: Boolean, whether weights that are pruned compete with the others,
            by the values that they have under the mask.

    Returns:
        Whether a mask has changed.
    """
    criterion, scope = criteria.get(criterion), scopes.get(scope)
    moved = False
    for rivals in _rivals(targets, scope):
        keep = _keep_within_groups if isinstance(rivals[0].pattern, NM) else _keep_groups
        moved |= keep(rivals, sparsity, criterion, scope, revive)
    if moved:
        criterion.reset([weight for target in targets for weight in target.members])
    return moved


def _rivals(targets, scope):
    """Returns lists of targets that compete; one by one where none do, which saves memory."""
    alone = isinstance(scope, scopes.LayerScope) or isinstance(targets[0].pattern, NM)
    return [[target] for target in targets] if alone else [targets]


def _keep_groups(targets, sparsity, criterion, scope, revive):
    scores = [target.scores(criterion, revive) for target in targets]
    kept = scope.keep(scores, sparsity)
    return any([target.keep(flags, revive) for target, flags in zip(targets, kept, strict=True)])


def _keep_within_groups(targets, sparsity, criterion, scope, revive):
    ((weight,),) = [target.members for target in targets]
    split = weight.grouping.split
    mask = weight.mask | True if revive else weight.mask
    kept = targets[0].pattern.keep(split(criterion.scores(weight)), ~split(mask), sparsity)
    return weight.move(weight.grouping.merge(kept))
