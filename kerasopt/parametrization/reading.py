"""How a parametrized layer reads its weights and activations."""

import functools

import keras

from kerasopt.graph.parametrized import data_among, own_class, slots_of
from kerasopt.keras_internals.attention import COMPUTE, causal_mask, has_dropout, softmax_of
from kerasopt.keras_internals.variables import has_lora, variable_under
from kerasopt.parametrization.chain import chain_of
from kerasopt.parametrization.view import ParametrizedVariable
from kerasopt.parametrization.watching import watched

# The first and the second tensor that a product of two reads, each with a range of its own.
FACTOR_SLOTS = ("first_input", "second_input")
# The tensors of a layer other than weights: its input (all tensors of one range) and output, the
# input of its own `activation`, and the tensor between the two parts of a separable convolution.
ACTIVATION_SLOTS = ("input", *FACTOR_SLOTS, "output", "pre_activation", "between")


def members(base: type, slots: tuple[str, ...], watches: bool) -> dict:
    """Returns the members of a subclass of `base` that reads `slots` through their chains.

    Args:
        base: A class of layers.
        slots: Tuple of strings.
        watches: Boolean, whether operations that its code calls are layers with chains.
    """
    defined = {slot: _weight_property(base, slot) for slot in slots if slot not in ACTIVATION_SLOTS}
    own = base.call  # type: ignore[attr-defined]
    own = watched(own) if watches else own
    if watches or {"input", *FACTOR_SLOTS, "output", "between"} & set(slots):
        defined["call"] = _call_through_chains(own, slots)
    if "pre_activation" in slots:
        defined["activation"] = _activation_property()
    if issubclass(base, keras.layers.MultiHeadAttention):
        defined[COMPUTE] = _attention_in_steps(base)
    return defined


def read_input(layer, tensor):
    """Returns the input that `layer` computes with when it is called on `tensor`."""
    return chain_of(layer, "input")(tensor) if "input" in slots_of(layer) else tensor


def read_until(layer, slot: str, link):
    """Returns the input of `link` for the weight `slot` of `layer`, a float32 tensor."""
    chain = chain_of(layer, slot)
    stored = keras.ops.cast(keras.ops.convert_to_tensor(own_weight(layer, slot)), "float32")
    return chain.apply(stored, chain.links[: chain.links.index(link)])


def _weight_property(base, slot):
    def read(layer):
        own = functools.partial(own_weight, layer, slot)
        return ParametrizedVariable(stored_variable(layer, slot), chain_of(layer, slot), own)

    def write(layer, value):
        own = getattr(base, slot, None)
        if isinstance(own, property):
            own.__set__(layer, value)
        else:
            vars(layer)[slot] = value

    return property(read, write)


def _call_through_chains(own, slots):
    # `wraps` keeps the signature, which Keras inspects.
    @functools.wraps(own)
    def call(self, *args, **kwargs):
        if "input" in slots and not _are_indices(self, *args, *kwargs.values()):
            # An addition has two positional tensors that share the chain.
            args = _read_through(chain_of(self, "input"), args)
            first = self.call_signature_parameters[0]
            if first in kwargs:
                kwargs[first] = _read_through(chain_of(self, "input"), kwargs[first])
        for position, slot in enumerate(FACTOR_SLOTS):
            if slot in slots:
                args = _read_one_through(chain_of(self, slot), position, args)
        run = _separable_call if "between" in slots else own
        outputs = run(self, *args, **kwargs)
        if "output" in slots:
            outputs = _read_through(chain_of(self, "output"), outputs)
        return outputs

    return call


def _activation_property():
    def read(layer):
        chain, function = chain_of(layer, "pre_activation"), vars(layer)["activation"]
        return lambda tensor: function(chain(tensor))

    def write(layer, value):
        vars(layer)["activation"] = value

    return property(read, write)


def _separable_call(layer, inputs):
    """The computation of Keras' separable convolutions, in two steps."""
    ops = keras.ops
    window = {"data_format": layer.data_format, "dilation_rate": layer.dilation_rate}
    depthwise = layer.depthwise_kernel
    x = ops.depthwise_conv(inputs, depthwise, layer.strides, layer.padding, **window)
    x = chain_of(layer, "between")(x)
    x = ops.conv(x, layer.pointwise_kernel, 1, "valid", data_format=layer.data_format)
    if layer.use_bias:
        shape = [1] * len(x.shape)
        shape[1 if layer.data_format == "channels_first" else -1] = -1
        x = x + ops.reshape(layer.bias, shape)
    return x if layer.activation is None else layer.activation(x)


def _attention_in_steps(base):
    own = getattr(base, COMPUTE)

    @functools.wraps(own)
    def compute(
        self,
        query,
        key,
        value,
        attention_mask=None,
        training=None,
        return_attention_scores=False,
        **kwargs,
    ):
        # A fused operation would bypass the chain of the softmax.
        steps = bool(slots_of(softmax_of(self)))
        fuses = fuses_attention(self, return_attention_scores) and len(query.shape) == 4
        if steps and fuses and attention_mask is not None:
            is_causal = kwargs.pop("use_causal_mask", False)
            query, attention_mask = _as_fused(self, query, value, attention_mask, is_causal)
        arguments = query, key, value, attention_mask, training, return_attention_scores or steps
        return own(self, *arguments, **kwargs)

    return compute


def fuses_attention(layer, returns_scores: bool) -> bool:
    """Whether Keras computes an attention layer as one fused operation.

    This holds for queries with one axis. In the fused operation, a query without visible keys
    attends to all keys equally. If the layer computes scores, for dropout or to return them, the
    weights of such a query are 0.
    """
    return not (has_dropout(layer) or returns_scores)


def _as_fused(layer, query, value, mask, is_causal):
    """Returns queries and a mask whose softmax gives the weights of the fused operation."""
    ops = keras.ops
    mask = ops.cast(mask, "bool")
    if is_causal:
        mask = ops.logical_and(mask, causal_mask(layer, query, value))
    while len(mask.shape) < 4:
        mask = ops.expand_dims(mask, -3)  # for all heads
    sees = ops.any(mask, axis=-1, keepdims=True)
    # Scores of zeros are equal in any number of bits.
    query = ops.where(ops.transpose(sees, (0, 2, 1, 3)), query, ops.zeros_like(query))
    return query, ops.logical_or(mask, ops.logical_not(sees))


def _read_through(chain, structure):
    # A number is a constant of the operation, not an activation.
    flat = [x for x in keras.tree.flatten(structure) if keras.ops.is_tensor(x) and len(x.shape)]
    read = set(map(id, data_among(flat)))
    return keras.tree.map_structure(lambda x: chain(x) if id(x) in read else x, structure)


def _are_indices(layer, inputs, *others) -> bool:
    """Whether an embedding looks up its inputs, rather than multiplying them in reverse."""
    is_table = isinstance(layer, keras.layers.Embedding)
    return is_table and not keras.backend.is_float_dtype(
        keras.backend.standardize_dtype(inputs.dtype)
    )


def _read_one_through(chain, position, structure):
    flat = keras.tree.flatten(structure)
    flat[position] = chain(flat[position])
    return keras.tree.pack_sequence_as(structure, flat)


def stored_variable(layer, slot: str) -> keras.Variable | None:
    """Returns the variable behind `layer.<slot>`, without its chain."""
    if slot in ACTIVATION_SLOTS:
        return None
    own = own_weight(layer, slot)
    is_sum = has_lora(layer) and not isinstance(own, keras.Variable)
    return variable_under(layer, slot) if is_sum else own


def own_weight(layer, slot: str):
    """Returns `layer.<slot>` in the layer's own class: a variable, or a tensor under LoRA."""
    own = getattr(own_class(layer), slot, None)
    return own.__get__(layer) if isinstance(own, property) else vars(layer).get(slot)
