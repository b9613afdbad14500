"""Updates masks to a sparsity."""

import numbers

from kerasopt.sparsity import criteria, scopes
from kerasopt.sparsity.criteria import Criterion
from kerasopt.sparsity.patterns import NM
from kerasopt.sparsity.scopes import LayerScope
from kerasopt.sparsity.target import Target


def update_masks(
    targets: list[Target],
    sparsity: float,
    criterion: str | Criterion = "magnitude",
    scope="layer",
    revive: bool = False,
) -> bool:
    """Prunes weights until `sparsity` of them are zero.

    Pruned weights stay pruned unless `revive` is true, so the sparsity never decreases, and a
    `sparsity` below the current one changes nothing.

    Example:

    ```python
    targets = ko.sparsity.attach_masks(model)
    ko.sparsity.update_masks(targets, 0.8, scope="lamp")
    ```

    Args:
        targets: List of `Target`, as `attach_masks` returns it.
        sparsity: Float in [0, 1), the fraction of zeros to reach in the scope, exact to one group
            of the pattern.
        criterion: As in `kerasopt.callbacks.Pruning`.
        scope: As in `kerasopt.callbacks.Pruning`.
        revive: Boolean, whether pruned weights compete with the others by their values under the
            mask.

    Returns:
        Whether a mask has changed.

    Raises:
        ValueError: If there are no targets, `sparsity` is outside its range or beyond the 1 - N/M
            of an N:M pattern, or an N:M pattern is used with another scope than `"layer"`.
    """
    criterion, scope = criteria.get(criterion), scopes.get(scope)
    _check(targets, sparsity, scope)
    moved = False
    for rivals in _rivals(targets, scope):
        keep = _keep_within_groups if isinstance(rivals[0].pattern, NM) else _keep_groups
        moved |= keep(rivals, sparsity, criterion, scope, revive)
    if moved:
        criterion.reset([weight for target in targets for weight in target.members])
    return moved


def _check(targets, sparsity, scope) -> None:
    if not isinstance(targets, list) or not targets:
        raise ValueError(
            "`targets` must be a non-empty list returned by `kerasopt.sparsity.attach_masks`. "
            f"Received: targets={targets!r}"
        )
    real = isinstance(sparsity, numbers.Real) and not isinstance(sparsity, bool)
    if not real or not 0 <= sparsity < 1:
        raise ValueError(
            "`sparsity` must be the fraction of weights that are zero, in [0, 1). Received: "
            f"sparsity={sparsity!r}"
        )
    pattern = targets[0].pattern
    if isinstance(pattern, NM):
        # Before the final sparsity, any value is allowed.
        pattern.check_sparsity(max(sparsity, pattern.sparsity), scope)


def _rivals(targets, scope):
    """Returns lists of targets that compete; one target each if none do, which saves memory."""
    alone = isinstance(scope, LayerScope) or isinstance(targets[0].pattern, NM)
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
