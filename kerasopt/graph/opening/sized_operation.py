"""An operation whose arguments depend on the sizes of its tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from kerasopt.graph.opening.sizes import Size, evaluate, names_in
from kerasopt.keras_internals.interception import constructor_arguments

# An argument, or a structure of arguments: a kind and its content.
Template = list[Any]


@keras.saving.register_keras_serializable(package="kerasopt")
class SizedOperation(keras.Operation):
    """Computes an operation of `keras.ops` with sizes that are known only when it is called.

    `keras.ops.reshape(x, (keras.ops.shape(x)[0], 4, 8))` in the `call` of a layer cannot be an
    operation of a functional model, since the size of a batch is unknown there. This operation
    reads it from the shape of its tensors.

    Args:
        target: The `keras.Operation` to compute, with any sizes in place of the unknown ones; or
            string, the name of a function of `keras.ops` that creates a tensor.
        arguments: The arguments of its constructor (`target` is an operation) and of its call, as
            templates.
        sources: Dict of the name of each size to `(index of a tensor, axis)`.
        name: String.
    """

    def __init__(
        self,
        target: keras.Operation | str,
        arguments: Sequence[Template],
        sources: Mapping[str, Sequence[int]],
        name: str | None = None,
    ):
        super().__init__(name=name)
        self.target = target
        self.arguments = arguments
        self.sources = sources

    def call(self, *tensors: Any) -> Any:
        known = {
            name: keras.ops.shape(tensors[index])[axis]
            for name, (index, axis) in self.sources.items()
        }
        own, args, kwargs = (filled(each, tensors, known) for each in self.arguments)
        if isinstance(self.target, str):
            return getattr(keras.ops, self.target)(*args, **kwargs)
        return type(self.target)(**own).call(*args, **kwargs)

    @property
    def creates(self) -> bool:
        """Whether it creates a tensor: of its tensors, it reads only the sizes."""
        return isinstance(self.target, str)

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "target": self.target
            if self.creates
            else keras.saving.serialize_keras_object(self.target),
            "arguments": keras.saving.serialize_keras_object(list(self.arguments)),
            "sources": {name: list(place) for name, place in self.sources.items()},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SizedOperation:
        config = dict(config)
        for name in ("target", "arguments"):
            if not isinstance(config[name], str):
                config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)


def template(structure: Any, tensors: list[Any]) -> Template:
    """Returns the template of a structure of arguments; adds its symbolic tensors to `tensors`."""
    if isinstance(structure, keras.KerasTensor):
        tensors.append(structure)
        return ["tensor", len(tensors) - 1]
    if isinstance(structure, Size):
        return ["size", structure.expression]
    if isinstance(structure, dict):
        return ["dict", {name: template(x, tensors) for name, x in structure.items()}]
    if isinstance(structure, slice):
        parts = structure.start, structure.stop, structure.step
        return ["slice", [template(x, tensors) for x in parts]]
    if isinstance(structure, (tuple, list)):
        kind = "tuple" if isinstance(structure, tuple) else "list"
        return [kind, [template(x, tensors) for x in structure]]
    return ["value", structure]


def sizes_of(template: Template) -> set[str]:
    """Returns the names of the unknown sizes in a template."""
    kind, content = template
    if kind == "size":
        return names_in(content)
    if kind in ("tensor", "value"):
        return set()
    return set().union(*map(sizes_of, content.values() if kind == "dict" else content))


def filled(template: Template, tensors: Sequence[Any], known: dict[str, Any]) -> Any:
    """Returns the structure that a template describes, for given tensors and sizes."""
    kind, content = template
    if kind == "tensor":
        return tensors[content]
    if kind == "size":
        return evaluate(content, known)
    if kind == "value":
        return content
    if kind == "dict":
        return {name: filled(each, tensors, known) for name, each in content.items()}
    parts = [filled(each, tensors, known) for each in content]
    return {"slice": lambda: slice(*parts), "tuple": lambda: tuple(parts), "list": lambda: parts}[
        kind
    ]()


def constants_of(operation: keras.Operation) -> Any:
    """Returns a structure of what an operation, or a layer without state, was made with."""
    if isinstance(operation, keras.Layer):
        return {name: x for name, x in operation.get_config().items() if name != "name"}
    if isinstance(operation, SizedOperation):
        return operation.arguments
    return constructor_arguments(operation)
