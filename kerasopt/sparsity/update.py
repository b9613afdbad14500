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
) -> None:
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
    """
    criterion, scope = criteria.get(criterion), scopes.get(scope)
    within = [target for target in targets if isinstance(target.pattern, NM)]
    moved = [_keep_within_groups(target, sparsity, criterion, revive) for target in within]
    targets = [target for target in targets if not isinstance(target.pattern, NM)]
    scores = [target.scores(criterion, revive) for target in targets]
    for target, kept in zip(targets, scope.keep(scores, sparsity), strict=True):
        moved.append(target.keep(kept, revive))
    if any(moved):
        criterion.reset([weight for target in targets + within for weight in target.members])


def _keep_within_groups(target, sparsity, criterion, revive):
    (weight,) = target.members
    split = weight.grouping.split
    mask = weight.mask | True if revive else weight.mask
    kept = target.pattern.keep(split(criterion.scores(weight)), ~split(mask), sparsity)
    return weight.move(weight.grouping.merge(kept))
