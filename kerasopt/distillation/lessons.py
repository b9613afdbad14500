"""Matches the outputs of a model with those of its teacher and with distillation losses."""

from typing import Any, NamedTuple

import keras

from kerasopt.distillation.losses import check_kinds, get, suiting
from kerasopt.distillation.outputs import Kind, Output, is_nested, outputs_of, paths_of, spread
from kerasopt.distillation.teachers.teacher import Teacher


class Lesson(NamedTuple):
    """A distilled output.

    Attributes:
        output: The `Output` of the model.
        place: Its position among the model's outputs, flat.
        teacher_place: The position of the teacher's output.
        teacher_kind: The `Kind` of the teacher's output.
        loss: The loss, called with the outputs of the teacher and of the model.
    """

    output: Output
    place: int
    teacher_place: int
    teacher_kind: Kind
    loss: keras.losses.Loss


def make_lessons(
    model: keras.Model, outputs, teacher: Teacher, teacher_outputs, loss, **options
) -> list[Lesson]:
    """Returns the `Lesson` of every distilled output.

    Args:
        model: The model that trains.
        outputs: Its outputs: tensors or symbolic tensors.
        teacher: The teacher.
        teacher_outputs: The outputs of the teacher.
        loss: As in `kerasopt.callbacks.Distillation`.
        **options: Arguments of `for_output`, for losses given by an alias.

    Raises:
        ValueError: If `loss` does not have one entry for each output, a loss does not suit its
            output, or the teacher has no output of that shape.
    """
    student, taught = outputs_of(model, outputs), teacher.outputs_of(teacher_outputs)
    found = _wanted(loss, outputs, student)
    wanted = [place for place, identifier in enumerate(found) if identifier is not None]
    if not wanted:
        raise ValueError(
            "`loss` is `None` for every output: give at least one output a loss. Received: "
            f"loss={loss!r}"
        )
    partners = _partners(outputs, teacher_outputs, wanted)
    _check_shapes(student, taught, partners)
    return [
        Lesson(student[i], i, j, taught[j].kind, _loss(found, student, i, taught[j], options))
        for i, j in partners.items()
    ]


def losses_in(loss: Any) -> list:
    """Returns all losses of the argument of a callback; those given by an alias as classes.

    Raises:
        ValueError: If one is unknown.
    """
    return [get(leaf) for leaf in _leaves(loss) if leaf is not None]


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
        advice = f"such as {suiting(output)!r}"
        if len(names) > 1:
            advice += f", or leave it out, loss={given}"
        raise ValueError(
            f"{error} Or give it another loss, {advice}. Received: loss={identifiers[place]!r}"
        ) from None


def _wanted(loss, outputs, student: list[Output]) -> list:
    """Returns the identifier of a loss, or `None`, for each output."""
    names = [output.name for output in student]
    found = spread(loss, outputs, names)
    if not is_nested(loss):
        # If the model has losses, outputs without one are not trained.
        every = all(output.loss is None for output in student)
        return [loss if every or output.loss is not None else None for output in student]
    given = dict(paths_of(loss))
    if len(given) != len(names) or (isinstance(loss, dict) and set(given) != set(names)):
        raise ValueError(
            "`loss` must have one entry for each output of the model, `None` for outputs that are "
            f"not distilled. Received: loss with {list(given)}, a model with {names}"
        )
    return found


def _partners(outputs, teacher_outputs, wanted: list[int]) -> dict[int, int]:
    """Returns the position of the teacher's output for each position of an output."""
    paths = [path for path, _ in keras.tree.flatten_with_path(outputs)]
    theirs = [path for path, _ in keras.tree.flatten_with_path(teacher_outputs)]
    if len(wanted) == 1 and theirs == [()]:
        return {wanted[0]: 0}
    # Named outputs are matched by name; extra outputs in a list would be ambiguous.
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
        "The outputs of `teacher` must have the same structure and shapes as those of the model: "
        "use the same number of classes in both, or exclude outputs that the teacher does not have "
        f"by `None` in `loss`. Received: teacher with {teacher}, model with {model}"
    )
