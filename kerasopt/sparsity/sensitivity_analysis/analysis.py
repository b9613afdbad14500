"""Measures the metric of a model with one layer pruned at a time."""

import contextlib
import numbers
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np

from kerasopt import graph
from kerasopt.keras_internals.training import forget_jax_state
from kerasopt.parametrization import Attachments
from kerasopt.sparsity import criteria, patterns
from kerasopt.sparsity.criteria.criterion import Criterion
from kerasopt.sparsity.masking import make_targets, select_masked
from kerasopt.sparsity.patterns.n_m import NM
from kerasopt.sparsity.patterns.pattern import Pattern
from kerasopt.sparsity.scopes import LayerScope
from kerasopt.sparsity.sensitivity_analysis.curves import Sensitivity
from kerasopt.sparsity.sensitivity_analysis.evaluation_data import evaluation_arguments
from kerasopt.sparsity.target import Target
from kerasopt.sparsity.update import update_masks
from kerasopt.training.direction import metric_direction
from kerasopt.training.model_state import strategy_scope

LEVELS = (0.25, 0.5, 0.75, 0.9, 0.95)


def sensitivity(
    model: keras.Model,
    data: Any,
    levels: Iterable[float] | None = None,
    criterion: Any = "magnitude",
    pattern: str | Pattern = "element",
    rules: Iterable = (),
    metric: str | None = None,
    mode: str = "auto",
    verbose: int = 1,
) -> Sensitivity:
    """Measures the sensitivity of each layer: how far it can be pruned by itself.

    Every layer that `kerasopt.callbacks.Pruning` would prune is pruned alone,
    without training, to each level in turn, and the model is evaluated. This
    takes one `model.evaluate` per layer and level, and one for the unchanged
    model. Afterwards the model is restored (weights, masks, classes of layers
    and compiled functions), also after an exception or Ctrl-C.

    Example:

    ```python
    curves = ko.sparsity.sensitivity(model, (x_val, y_val))
    print(curves)
    curves.plot("sensitivity.png")
    pruning = ko.callbacks.Pruning(
        ko.schedules.PolynomialDecay(0.0, 0.8, begin="10%", end="60%"),
        rules=curves.suggest(budget=0.01),
    )
    ```

    A pruned model starts from its masks: if a layer has already reached a
    level, the score is that of the unchanged model.

    Args:
        model: A built and compiled Keras model.
        data: Data for `model.evaluate` that can be read repeatedly: a tuple
            `(x, y)` or `(x, y, sample_weight)`, a `tf.data.Dataset`, or a
            `keras.utils.PyDataset`. Use other data than the final test set. A
            `Dataset` or `PyDataset` defines the batch size; arrays are
            evaluated in batches of 32, as in Keras.
        levels: Floats in [0, 1), the fractions of zeros to try. Defaults to
            0.25, 0.5, 0.75, 0.9 and 0.95, and for a pattern N:M to its
            sparsity, 1 - N/M.
        criterion: As in `kerasopt.callbacks.Pruning`, except for criteria that
            need training (`"saliency"`, `"movement"`, `"wanda"`).
        pattern: As in `kerasopt.callbacks.Pruning`.
        rules: Rules of `kerasopt.callbacks.Pruning`, or of
            `kerasopt.sparsity.attach_masks`: layers with `None`, zero or `False`
            are left out.
        metric: String, a key of the dict that `model.evaluate` returns. Defaults
            to `"accuracy"` if the model has it, or else to `"loss"`.
        mode: `"max"` if higher is better, `"min"` if lower is, or `"auto"`, as in
            Keras' callbacks.
        verbose: 0 (silent) or 1 (a progress bar).

    Returns:
        `Sensitivity`: the scores, as a table, a figure and a suggestion of rules.

    Raises:
        ValueError: If the model is not built or not compiled, has nothing to
            prune or no such metric; if `data` can be read only once, or is
            endless; if a level is outside [0, 1) or not supported by the
            pattern; if the criterion needs training.

    References:
        - Han et al., "Learning both Weights and Connections for Efficient Neural
          Networks" (2015, https://arxiv.org/abs/1506.02626), section 5.
        - Li et al., "Pruning Filters for Efficient ConvNets" (2017,
          https://arxiv.org/abs/1608.08710), section 3.3.
    """
    pattern, criterion = patterns.get(pattern), _without_training(criterion)
    levels = _checked_levels(levels, pattern)
    arguments = evaluation_arguments(data)
    graph.require_built(model)
    _check_model(model)
    selected, skipped = _selected(model, pattern, rules)
    progress = keras.utils.Progbar(1 + len(selected) * len(levels), verbose=verbose)

    def evaluate():
        return model.evaluate(**arguments, verbose=0, return_dict=True)

    with _put_back(model) as attachments:
        with strategy_scope(model):
            made = make_targets(model, selected, pattern, attachments)
            layers = dict(zip([path for path, *_ in selected], made, strict=True))
        attachments.finish()
        results = evaluate()
        metric = _checked_metric(results, metric)
        mode = metric_direction(model, metric, mode)
        baseline = results[metric]
        progress.add(1)

        def score():
            return evaluate()[metric]

        scores = {
            path: _curve(targets, levels, criterion, score, baseline, progress)
            for path, targets in layers.items()
        }
    sizes = {path: sum(target.size for target in targets) for path, targets in layers.items()}
    return Sensitivity(metric, mode, baseline, levels, scores, sizes, skipped)


def _curve(targets: list[Target], levels, criterion, score, baseline, progress) -> list[float]:
    """Returns the score at each level, and leaves the masks as they were."""
    weights = [weight for target in targets for weight in target.weights]
    before = [weight.mask.copy() for weight in weights]
    zeros, scores = _zeros(targets), [baseline]
    # Levels are ascending: a higher level prunes everything that a lower one does.
    for level in levels:
        update_masks(targets, level, criterion)
        moved, zeros = _zeros(targets) != zeros, _zeros(targets)
        scores.append(score() if moved else scores[-1])
        progress.add(1)
    for weight, mask in zip(weights, before, strict=True):
        weight.move(mask)
    return scores[1:]


def _zeros(targets) -> int:
    return sum(int(np.sum(~weight.mask)) for target in targets for weight in target.members)


@contextlib.contextmanager
def _put_back(model: keras.Model) -> Iterator[Attachments]:
    """Attaches masks to a model, and restores the model at the end."""
    values = [(v, np.array(keras.ops.convert_to_numpy(v))) for v in model.variables]
    functions = {
        name: getattr(model, name)
        for name in ("train_function", "test_function", "predict_function")
    }
    attachments = Attachments(model)
    try:
        yield attachments
    finally:
        if keras.config.backend() == "jax":
            # An interrupted step leaves the variables empty, and its state here.
            forget_jax_state(model)
        for variable, value in values:
            variable.assign(value)
        attachments.undo()
        for name, function in functions.items():
            setattr(model, name, function)


def _selected(model, pattern, rules):
    """Returns the layers to prune, and the paths of those that the rules exclude."""
    wanted = [(rule.selector, bool(rule.argument)) for rule in graph.parse_rules(rules)]
    selections = select_masked(model, pattern, wanted, default=True)
    selected = [selection for selection in selections if selection.argument]
    if not selected:
        raise ValueError(
            f"The rules exclude all layers: leave at least one to prune. Received: rules={rules}"
        )
    return selected, tuple(path for path, _, chosen, _ in selections if not chosen)


def _check_model(model) -> None:
    if not model.compiled:
        raise ValueError(
            f"Compile model '{model.name}' first, so that it can be evaluated. Received: "
            "compiled=False"
        )


def _without_training(identifier) -> Criterion:
    criterion = criteria.get(identifier)
    if type(criterion).gather is not Criterion.gather:
        raise ValueError(
            f"{criterion} needs statistics that are gathered in training, but a sensitivity "
            "analysis does not train. Pass a criterion that needs only the weights, such as "
            f"'magnitude'. Received: criterion={identifier!r}"
        )
    return criterion


def _checked_levels(levels, pattern) -> tuple[float, ...]:
    if levels is None:
        levels = (pattern.sparsity,) if isinstance(pattern, NM) else LEVELS
    levels = tuple(levels) if isinstance(levels, Iterable) else (levels,)
    if not levels or not all(isinstance(v, numbers.Real) and 0 <= float(v) < 1 for v in levels):
        raise ValueError(
            f"`levels` must be one or more fractions of zeros in [0, 1). Received: levels={levels}"
        )
    for level in levels:
        pattern.check_sparsity(level, LayerScope())
    return tuple(sorted({float(level) for level in levels}))


def _checked_metric(results, metric) -> str:
    if metric is None:
        return "accuracy" if "accuracy" in results else "loss"
    if metric not in results:
        raise ValueError(
            f"`metric` must be one that the model was compiled with: {sorted(results)}. "
            f"Received: metric={metric!r}"
        )
    return metric
