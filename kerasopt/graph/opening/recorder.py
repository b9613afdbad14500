"""Records the calls of layers and operations inside a layer, on symbolic tensors."""

from __future__ import annotations

import sys
from collections.abc import Callable, Set
from typing import Any

import keras

from kerasopt.graph.dot_product_attention import attend, is_attention
from kerasopt.graph.opening.backend_function import BackendFunction
from kerasopt.graph.opening.call import (
    UNSEEN,
    Axis,
    Call,
    Constant,
    TooManyCalls,
    Unrecordable,
)
from kerasopt.graph.opening.composite import is_composite, is_worth_it, may_be_opened, paths_inside
from kerasopt.graph.opening.context import Context
from kerasopt.graph.opening.leaves import outputs_of_leaf
from kerasopt.graph.opening.places import Places
from kerasopt.graph.opening.reasons import REFUSALS, reason
from kerasopt.graph.opening.reshapes import with_inferred_size, without_batch
from kerasopt.graph.opening.sized_operation import (
    SizedOperation,
    constants_of,
    sizes_of,
    template,
)
from kerasopt.graph.opening.sizes import Size, Sizes, as_integer, flattened, has_size, is_beyond
from kerasopt.graph.opening.unification import sizes_compared
from kerasopt.keras_internals.calls import (
    bound_arguments,
    fill_masks,
    mask_of,
    set_masks_of_outputs,
)
from kerasopt.keras_internals.graphs import set_dense
from kerasopt.keras_internals.interception import (
    SymbolicArguments,
    any_symbolic_tensors,
    callers,
    compute_output_spec,
    constructor_arguments,
)
from kerasopt.keras_internals.layers import awaits_weights, held_layers

# Their functions are no arguments that could be recorded.
_CONTROL_FLOW = frozenset(
    "AssociativeScan Cond ForiLoop Map Scan Switch VectorizedMap WhileLoop".split()
)
# Code that loops over an axis of unknown size calls more, with the large numbers tried for it.
_MOST_CALLS = 10_000
CUTS = (
    "its code takes as much of a table as an unknown length: of a weight this is recorded, if it "
    "has more than 40 entries"
)
# Called on symbols, they refuse axes of unknown size.
_OF_KNOWN_SIZES = frozenset("FFT FFT2 IFFT2 IRFFT ISTFT RFFT STFT".split())


class Recorder:
    """An `Interceptor` that records.

    Args:
        sizes: The `Sizes` of the symbolic tensors.
        computed: Set of `Axis`, those whose sizes are unknown, too, since a layer computes them
            from unknown ones.

    Attributes:
        calls: List of `Call`.
        closed: Dict of the path of each inner layer that could not be opened to the reason.
        masks: List of (tensor, mask) of the outputs that opened layers gave masks.
    """

    def __init__(self, sizes: Sizes, computed: Set[Axis] = frozenset()):
        self.calls: list[Call] = []
        self.closed: dict[str, str] = {}
        self.masks: list[tuple[keras.KerasTensor, keras.KerasTensor]] = []
        self._sizes = sizes
        self._computed = computed
        self._count = 0
        self._contexts: list[Context] = []
        self._named: list[Places] = []
        # Where a size is found: a symbolic tensor and an axis.
        self._sources: dict[str, tuple[keras.KerasTensor, int]] = {}
        self._is_inside_leaf = False
        # Symbolic tensors that depend on weights alone, by their ids.
        self._constants: dict[int, keras.KerasTensor] = {}

    def symbol(self, sizes: list[Any], dtype: str) -> keras.KerasTensor:
        """Returns a symbolic tensor, an argument of the recorded call."""
        tensor = keras.KerasTensor(sizes, dtype)
        for axis, size in enumerate(sizes):
            if isinstance(getattr(size, "expression", None), str):
                self._sources.setdefault(size.expression, (tensor, axis))
        return tensor

    def keep_names(self) -> None:
        """Keeps the names of the operations, for calls on tensors."""
        for places in self._named:
            places.keep()

    def run(self, layer: keras.Layer, args: tuple, kwargs: dict[str, Any], path: str = "") -> Any:
        """Runs the code of a layer in inference mode, and returns what it returns."""
        if any(context.layer is layer for context in self._contexts):
            raise Unrecordable("it contains itself")
        bound = bound_arguments(layer, args, kwargs)
        if "training" in layer.call_signature_parameters:
            bound.arguments["training"] = False
        fill_masks(layer, bound.arguments)
        context = Context(layer, path, Places(layer), paths_inside(layer))
        self._contexts.append(context)
        self._named.append(context.places)
        context.frame = sys._getframe()
        try:
            outputs = layer.call(*bound.args, **bound.kwargs)
            outputs = keras.tree.map_structure(self._symbolic, outputs)
            self._set_masks(layer, bound.arguments, outputs)
            return outputs
        finally:
            self._contexts.pop()
            context.frame = None

    def _set_masks(self, layer: keras.Layer, arguments: dict[str, Any], outputs: Any) -> None:
        first = next(iter(arguments.values()))
        set_masks_of_outputs(layer, first, outputs, arguments.get("mask"))
        flat = [x for x in keras.tree.flatten(outputs) if x is not None]
        self.masks += [(x, mask_of(x)) for x in flat if mask_of(x) is not None]

    def _symbolic(self, value: Any) -> Any:
        """Returns a symbolic tensor for what a layer returns."""
        if value is None or isinstance(value, keras.KerasTensor):
            return value
        if not keras.ops.is_tensor(value):
            raise Unrecordable(f"it returns a {type(value).__name__}")
        constant = Constant(value)
        return self._record_operation(constant, constant, (), {}, constant.compute_output_spec())

    def layer(self, layer: keras.Layer, args: tuple, kwargs: dict[str, Any], own: Any) -> Any:
        if self._is_inside_leaf:
            return own(layer, *args, **kwargs)
        context = self._contexts[-1]
        if layer is context.layer:
            raise Unrecordable("it contains itself")
        if id(layer) not in context.parts:
            return self._call_of_made(layer, args, kwargs, own)
        path = context.path + context.parts[id(layer)]
        if awaits_weights(layer):
            raise Unrecordable(f"its layer '{path}' has never been built")
        outputs = self._call_of_part(layer, args, kwargs, own, path)
        return context.leave_unseen(outputs) if context.is_unseen(args, kwargs) else outputs

    def _call_of_part(
        self, layer: keras.Layer, args: tuple, kwargs: dict[str, Any], own: Any, path: str
    ) -> Any:
        """Records the call of an inner layer: its own calls, or it as a whole."""
        if any_symbolic_tensors(args, kwargs) and may_be_opened(layer):
            recorded: tuple[list[Any], ...] = (self.calls, self.masks, self._named)
            counts = [len(each) for each in recorded]
            try:
                outputs = self.run(layer, args, kwargs, path + "/")
                if is_worth_it(layer, self.calls[counts[0] :]):
                    return outputs
            except REFUSALS as error:
                if is_composite(layer):
                    self.closed[path] = reason(error)
            for each, count in zip(recorded, counts, strict=True):
                del each[count:]  # nothing stays half-opened
        try:
            return self._call_of_leaf(layer, args, kwargs, own, path)
        except REFUSALS as error:
            # Why it is not opened says more than what it declares wrongly.
            raise Unrecordable(self.closed.get(path) or reason(error)) from None

    def _call_of_leaf(
        self, layer: keras.Layer, args: tuple, kwargs: dict[str, Any], own: Any, path: str
    ) -> Any:
        self._is_inside_leaf = True
        try:
            # What its code calls has been looked at already if that was recorded in vain.
            outputs = outputs_of_leaf(layer, args, kwargs, own, path not in self.closed)
        finally:
            self._is_inside_leaf = False
        self._record(layer, path, None, args, kwargs, outputs)
        return outputs

    def _call_of_made(
        self, layer: keras.Layer, args: tuple, kwargs: dict[str, Any], own: Any
    ) -> Any:
        """Records the call of a layer that the code has made, like that of an operation."""
        self._is_inside_leaf = True
        try:
            outputs = outputs_of_leaf(layer, args, kwargs, own)
        finally:
            self._is_inside_leaf = False
        if layer.variables or held_layers(layer):
            raise Unrecordable(f"it calls '{layer.name}', which is no attribute of it")
        if has_size(constants_of(layer)):
            raise Unrecordable(f"it makes '{layer.name}' from sizes that are unknown")
        return self._record_operation(layer, layer, args, kwargs, outputs)

    def operation(self, operation: Any, args: tuple, kwargs: dict[str, Any], own: Any) -> Any:
        kind = type(operation).__name__
        if kind in _CONTROL_FLOW:
            raise Unrecordable(f"it uses `keras.ops` for control flow ({kind})")
        if kind == "Ndim":
            return len(args[0].shape)  # of which Keras makes a symbolic tensor
        if is_attention(operation):
            return attend(*args, **{**kwargs, "is_causal": operation.is_causal})
        if kind == "GetItem" and is_beyond(*args, **kwargs):
            raise Unrecordable("it cuts an axis at a length that may be beyond its end")
        config = constructor_arguments(operation)
        with sizes_compared(_made_of(operation), (config, *args), kwargs, self._constants.keys()):
            outputs = operation.compute_output_spec(*args, **kwargs)
        for x in keras.tree.flatten(outputs):
            set_dense(x)  # Keras takes a product with a constant for a sparse one
        config = with_inferred_size(config, outputs)
        # Where sizes are known, what is made of them are constants.
        named = kind.lower() if self._contexts[-1].is_unseen(args, kwargs) else operation
        if has_size((args, kwargs, config)) or kind in _OF_KNOWN_SIZES:
            return self._sized(operation, config, args, kwargs, outputs, named)
        return self._record_operation(named, operation, args, kwargs, outputs)

    def add_loss(self, layer: keras.Layer, loss: Any, own: Any) -> None:
        pass  # it is no part of what the layer returns

    def shape(self, tensor: keras.KerasTensor, own: tuple) -> tuple:
        return tuple(map(self._sizes.of, own))

    def function(self, name: str, args: tuple, kwargs: dict[str, Any], own: Any) -> Any:
        if not has_size((args, kwargs)) or any_symbolic_tensors(args, kwargs):
            return own(*args, **kwargs)
        plain = keras.tree.map_structure(as_integer, (args, kwargs))
        outputs = compute_output_spec(lambda: own(*plain[0], **plain[1]))
        if any(isinstance(x, slice) and has_size(x) for x in keras.tree.flatten(args)):
            if not has_size(outputs.shape):
                raise Unrecordable(CUTS)  # it is shorter than the length
        args, kwargs = keras.tree.map_structure(_as_tensor, (args, kwargs))
        return self._sized(name, {}, args, kwargs, outputs, name)

    def backend_function(self, name: str, args: tuple, kwargs: dict[str, Any]) -> Any:
        if any(map(callable, flattened((args, kwargs)))):
            return NotImplemented
        return self._contexts[-1].leave_unseen(BackendFunction(name)(*args, **kwargs))

    def _sized(
        self, target: Any, config: dict, args: tuple, kwargs: dict, outputs: Any, named: Any
    ) -> Any:
        """Records a call that depends on sizes."""
        simple = without_batch(target, config)
        if simple is not None:
            return self._record_operation(named, simple, args, kwargs, outputs)
        tensors: list[keras.KerasTensor] = []
        arguments = [template(each, tensors) for each in (config, args, kwargs)]
        sources = {
            name: self._place(name, tensors)
            for name in sorted(set().union(*map(sizes_of, arguments)))
        }
        operation = SizedOperation(target, arguments, sources)
        return self._record_operation(named, operation, tuple(tensors), {}, outputs)

    def _place(self, name: str, tensors: list[keras.KerasTensor]) -> tuple[int, int]:
        """Returns which of the tensors, along which axis, has a size; appends one if none has."""
        for index, tensor in enumerate(tensors):
            for axis, size in enumerate(tensor.shape):
                if getattr(size, "expression", None) == name:
                    return index, axis
        tensor, axis = self._sources[name]
        tensors.append(tensor)
        return len(tensors) - 1, axis

    def _record_operation(
        self, named: Any, operation: keras.Operation, args: tuple, kwargs: dict, outputs: Any
    ) -> Any:
        context = self._contexts[-1]
        if isinstance(named, str):
            key = f"{named}{UNSEEN}{len(self.calls)}"
            context.leave_unseen(outputs)
        else:
            assert context.frame is not None
            place = () if isinstance(named, Constant) else callers(context.frame)
            own = f"{type(operation).__name__.lower()}{UNSEEN}{len(self.calls)}"
            key = context.places.key(named, place) or own
        self._record(operation, context.path + key, key, args, kwargs, outputs)
        return outputs

    def _record(
        self, called: Any, path: str, key: str | None, args: tuple, kwargs: dict, outputs: Any
    ) -> None:
        if self._count >= _MOST_CALLS:
            raise TooManyCalls(f"its code makes more than {_MOST_CALLS:,} calls")
        flat = keras.tree.flatten(outputs)
        owner = self._contexts[-1].layer
        weights = _weights_among(owner, keras.tree.flatten((args, kwargs)))
        args, kwargs = keras.tree.map_structure(_as_tensor, (args, kwargs))
        for constant in keras.tree.flatten((args, kwargs)):
            if self._is_cut(constant):
                raise Unrecordable(CUTS)
        arguments = SymbolicArguments(*args, **kwargs)
        self.calls.append(Call(called, owner, path, key, arguments, flat, self._count, weights))
        is_sized = isinstance(called, SizedOperation) or has_size((args, kwargs))
        if not is_sized and all(id(x) in self._constants for x in arguments.keras_tensors):
            self._constants.update((id(x), x) for x in flat)
        for number, tensor in enumerate(flat):
            for axis, size in enumerate(tensor.shape):
                if (self._count, number, axis) in self._computed and not isinstance(size, Size):
                    name = f"size_{self._count}_{number}_{axis}"
                    self._sizes.name(size, name)
                    self._sources[name] = tensor, axis
        self._count += 1

    def _is_cut(self, value: Any) -> bool:
        """Whether a constant has a size that is unknown, since code took a part of another one."""
        is_constant = hasattr(value, "shape") and not isinstance(value, keras.KerasTensor)
        return is_constant and has_size([self._sizes.of(size) for size in value.shape])


def _weights_among(owner: keras.Layer, arguments: list[Any]) -> dict[int, str]:
    """Returns the places of variables that are attributes of a layer, and the attributes."""
    stored = {
        place: getattr(x, "stored", x)  # a view of a parametrized weight
        for place, x in enumerate(arguments)
        if isinstance(x, keras.Variable)
    }
    names = {id(value): name for name, value in vars(owner).items()} if stored else {}
    return {place: names[id(x)] for place, x in stored.items() if id(x) in names}


def _as_tensor(value: Any) -> Any:
    """Returns the value of a variable, which is a constant of an operation."""
    return keras.ops.convert_to_tensor(value) if isinstance(value, keras.Variable) else value


def _made_of(operation: keras.Operation) -> Callable[..., Any]:
    """Returns what an operation computes, as a function of its constructor's arguments, too."""

    def compute(config: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        made: Any = type(operation)(**config) if has_size(config) else operation
        return made.call(*args, **kwargs)

    return compute
