"""Which output of a model learns what from which output of its teacher."""

from typing import Any, NamedTuple

import keras

from kerasopt.distillation.losses import check_kinds, get
from kerasopt.distillation.outputs import Output, is_nested, outputs_of, paths_of, spread


class Lesson(NamedTuple):
    """One output that is distilled.

    Attributes:
        output: The `Output` of the model.
        place: Its place among the model's outputs, flat.
        teacher_place: The place of the teacher's output.
        loss: Called with the output of the teacher and that of the model.
    """

    output: Output
    place: int
    teacher_place: int
    loss: keras.losses.Loss


def make_lessons(
    model: keras.Model, outputs, teacher: keras.Model, teacher_outputs, loss, **options
) -> list[Lesson]:
    """Returns what a model learns from its teacher, output by output.

    Args:
        model: The model that trains.
        outputs: What it returns: tensors, or symbols of them.
        teacher: The teacher.
        teacher_outputs: What that returns.
        loss: As in `kerasopt.callbacks.Distillation`.
        **options: For losses that an alias names, what `for_output` takes.

    Raises:
        ValueError: If `loss` has not one entry for each output, an output cannot have its loss, or
            the teacher has no output of that shape for it.
    """
    student, taught = outputs_of(model, outputs), outputs_of(teacher, teacher_outputs)
    found = _wanted(loss, outputs, student)
    wanted = [place for place, identifier in enumerate(found) if identifier is not None]
    if not wanted:
        raise ValueError(
            f"`loss` leaves every output out: there is nothing to learn. Received: loss={loss!r}"
        )
    partners = _partners(outputs, teacher_outputs, wanted)
    _check_shapes(student, taught, partners)
    return [
        Lesson(student[i], i, j, _loss(found, student, i, taught[j], options))
        for i, j in partners.items()
    ]


def check_losses(loss: Any) -> bool:
    """Raises `ValueError` if `loss` has what is no loss; returns whether an alias names one."""
    leaves = [leaf for leaf in _leaves(loss) if leaf is not None]
    return any(isinstance(get(leaf), type) for leaf in leaves)


def _leaves(loss) -> list:
    return [leaf for _, leaf in paths_of(loss)] if is_nested(loss) else [loss]


def _loss(identifiers, student, place, teacher, options):
    loss, output = get(identifiers[place]), student[place]
    if not isinstance(loss, type):
        check_kinds(loss, output, teacher)
        return loss
    try:
        return loss.for_output(output, teacher, **options)
    except ValueError as error:
        names = [each.name for each in student]
        given = dict(zip(names, identifiers, strict=True)) | {output.name: None}
        advice = f"such as loss={given}, which leaves it out" if len(names) > 1 else "such as 'mse'"
        raise ValueError(
            f"{error} Or give it another loss, {advice}. Received: loss={identifiers[place]!r}"
        ) from None


def _wanted(loss, outputs, student: list[Output]) -> list:
    """Returns the identifier of a loss, or `None`, for each output."""
    names = [output.name for output in student]
    found = spread(loss, outputs, names)
    if not is_nested(loss):
        # Where the model has losses, its outputs without one are none to train.
        every = all(output.loss is None for output in student)
        return [loss if every or output.loss is not None else None for output in student]
    given = dict(paths_of(loss))
    if len(given) != len(names) or (isinstance(loss, dict) and set(given) != set(names)):
        raise ValueError(
            "`loss` must have one entry for each output of the model, which is `None` where an "
            f"output is left out. Received: loss with {list(given)}, a model with {names}"
        )
    return found


def _partners(outputs, teacher_outputs, wanted: list[int]) -> dict[int, int]:
    """Returns the place of the teacher's output for each place of an output."""
    paths = [path for path, _ in keras.tree.flatten_with_path(outputs)]
    theirs = [path for path, _ in keras.tree.flatten_with_path(teacher_outputs)]
    if len(wanted) == 1 and theirs == [()]:
        return {wanted[0]: 0}
    # What has names is found by them; a list with more in it may mean anything.
    alike = len(paths) == len(theirs) or isinstance(teacher_outputs, dict)
    if not alike or not all(paths[place] in theirs for place in wanted):
        raise ValueError(_mismatch(_shapes(teacher_outputs), _shapes(outputs)))
    return {place: theirs.index(paths[place]) for place in wanted}


def _check_shapes(student: list[Output], taught: list[Output], partners: dict[int, int]) -> None:
    for place, teacher_place in partners.items():
        shape, other = student[place].shape, taught[teacher_place].shape
        sizes = zip(shape, other, strict=False)
        if len(shape) != len(other) or any(
            None not in pair and pair[0] != pair[1] for pair in sizes
        ):
            name = student[place].name
            raise ValueError(_mismatch(other, f"{shape} in output '{name}'" if name else shape))


def _shapes(outputs):
    return keras.tree.map_structure(lambda tensor: tuple(tensor.shape), outputs)


def _mismatch(teacher, model) -> str:
    return (
        "The outputs of `teacher` must have the structure and the shapes of the outputs of the "
        "model that trains; let both end in the same number of classes, or leave outputs out that "
        "the teacher does not have, by `loss`. "
        f"Received: teacher with {teacher}, model with {model}"
    )
