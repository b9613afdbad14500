"""Initialization of a student from layers of its teacher."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Mapping

import keras

from kerasopt import graph
from kerasopt.distillation.weight_pairs import Copy, Tree, copies_of, prefixes_of, weights_of
from kerasopt.keras_internals.printing import print_msg


def initialize(
    student: keras.Model,
    teacher: keras.Model,
    mapping: Mapping[str, str] | Iterable[tuple[str, str]],
    verbose: bool = True,
) -> keras.Model:
    """Copies weights of a teacher's layers to layers of a student.

    A student that begins with some layers of its teacher learns faster than one that begins at
    random, as Sanh et al. found for transformers with every second layer, "DistilBERT" (2019,
    https://arxiv.org/abs/1910.01108).

    A name stands for all weights below it. Within a pair, weights are matched by their paths below
    it; where these differ by numbers only, as automatic names do, in their order. Everything is
    checked first: after an error, no weight has changed.

    ```python
    ko.distillation.initialize(model, teacher, {"stem": "stem", "dense/bias": "dense/bias"})

    # For a student of half the depth: the embeddings, and every second block.
    mapping = {"*embedding": "*embedding"} | {f"block_{i}": f"block_{2 * i}" for i in range(6)}
    ```

    Parametrized layers give and take the values that they store: masks and ranges are not copied,
    and weights under a mask are. To copy what a pruned teacher computes with, `ko.finalize` it
    first. The state of an optimizer is not touched.

    Args:
        student: A built `keras.Model`; its weights are changed in place.
        teacher: A built `keras.Model`.
        mapping: Dict, or list of pairs, from the student's names to the teacher's: paths of layers
            as `kerasopt.graph.layers` lists them, of models or layers around them, or of weights
            (`"dense/kernel"`). A glob on such paths stands for all that it matches, one after the
            other, so both sides must match equally many.
        verbose: Whether to print what is copied, and what is left as it was.

    Returns:
        The student.

    Raises:
        TypeError: If one of them is no model.
        ValueError: If one is not built or both are the same; if a name matches no weights, a weight
            is named twice, or weights differ in names, shapes or kinds of dtypes.
    """
    for model in (student, teacher):
        graph.require_built(model)
    if student is teacher:
        raise ValueError(
            "`teacher` must be another model than `student`. Received: the same model, "
            f"{student.name}"
        )
    pairs = list(mapping.items() if isinstance(mapping, Mapping) else mapping)
    if not pairs or not all(_is_pair(pair) for pair in pairs):
        raise ValueError(
            "`mapping` must be a dict, or a list of pairs, of names in the student and names in "
            f"the teacher. Received: mapping={mapping!r}"
        )
    ours, theirs = weights_of(student), weights_of(teacher)
    copies = [copy for pair in pairs for copy in copies_of(*pair, ours, theirs)]
    _check_once(copies)
    for copy in copies:
        for variable, source in copy.weights:
            # JAX would give both the same array, and delete it in the student's next step.
            variable.assign(keras.ops.copy(keras.ops.convert_to_tensor(source)))
    if verbose:
        print_msg(_report(student, teacher, copies, ours))
    return student


def _is_pair(pair: object) -> bool:
    return (
        isinstance(pair, (tuple, list))
        and len(pair) == 2
        and all(isinstance(name, str) for name in pair)
    )


def _check_once(copies: list[Copy]) -> None:
    """Raises `ValueError` if a weight of the student is named twice."""
    names: dict[int, str] = {}
    for copy in copies:
        for variable, _ in copy.weights:
            if id(variable) in names:
                raise ValueError(
                    f"`mapping` names weights of '{copy.student}' twice: leave one of them out. "
                    f"Received: mapping with '{names[id(variable)]}' and '{copy.student}'"
                )
            names[id(variable)] = copy.student


def _report(student: keras.Model, teacher: keras.Model, copies: list[Copy], tree: Tree) -> str:
    """Returns what was copied, and the largest parts of the student that were not."""
    copied = {id(variable) for copy in copies for variable, _ in copy.weights}
    touched = {
        prefix for path, variable in tree if id(variable) in copied for prefix in prefixes_of(path)
    }
    left: collections.Counter[str] = collections.Counter(
        next(prefix for prefix in prefixes_of(path) if prefix not in touched)
        for path, variable in tree
        if id(variable) not in copied
    )
    lines = [f"'{student.name}' begins with weights of '{teacher.name}':"]
    lines += [f"  {copy.student} from {copy.teacher}: {len(copy.weights)}" for copy in copies]
    kept = ", ".join(f"{path} ({count})" for path, count in left.items())
    return "\n".join([*lines, f"  left as they were: {kept or 'none'}"])
