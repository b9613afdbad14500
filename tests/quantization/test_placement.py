import warnings

import keras
import numpy as np
import pytest
from keras import layers

from kerasopt.quantization import find_sites, make_recipe

INT8 = make_recipe("int8")


def sites(model, rules=()):
    """Returns, for each path that gets quantizers, the set of its slots."""
    found = {}
    for site in find_sites(model, INT8, list(rules)):
        assert site.slot not in found.setdefault(site.path, set())
        found[site.path].add(site.slot)
    return found


def chain(*members, shape=(8, 8, 3)):
    inputs = keras.Input(shape)
    x = inputs
    for member in members:
        x = member(x)
    return keras.Model(inputs, x)


def test_a_convolution_its_normalization_and_its_activation_are_one_group():
    model = chain(
        layers.Conv2D(4, 3, name="conv"),
        layers.BatchNormalization(),
        layers.ReLU(name="relu"),
        layers.Conv2D(4, 3, name="next"),
    )
    assert sites(model) == {
        "conv": {"kernel", "input"},
        "relu": {"output"},
        "next": {"kernel", "output"},
    }


def test_an_activation_that_is_an_operation_ends_the_group():
    model = chain(layers.Conv2D(4, 3, name="conv"), keras.ops.relu6, layers.Flatten())
    found = sites(model)
    assert found.pop("conv") == {"kernel", "input"}
    assert list(found.values()) == [{"output"}]


@pytest.mark.parametrize("add", [lambda x, y: layers.Add()([x, y]), lambda x, y: x + y])
def test_residual_additions_have_a_range_of_their_own(add):
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", name="conv")(inputs)
    y = layers.Conv2D(4, 3, padding="same", name="branch")(x)
    model = keras.Model(inputs, layers.Conv2D(2, 1, name="last")(add(x, y)))
    found = sites(model)
    assert found.pop("conv") == {"kernel", "input", "output"}
    assert found.pop("branch") == {"kernel", "output"}
    assert found.pop("last") == {"kernel", "output"}
    assert list(found.values()) == [{"output"}]


@pytest.mark.parametrize("count", [2, 3])
def test_a_sum_of_embeddings_is_rounded_once(count):
    inputs = keras.Input((8,), dtype="int32")
    tables = [layers.Embedding(9, 4)(inputs) for _ in range(count)]
    x = layers.Dense(4, name="dense")(layers.Add(name="sum")(tables))
    assert sites(
        keras.Model(inputs, layers.Add(name="last")([x, *tables])), [("embed*", None)]
    ) == {
        "sum": {"output"},
        "dense": {"kernel", "output"},
        "last": {"input", "output"},
    }


def test_a_sum_of_inputs_reads_integers():
    x, y = keras.Input((4,)), keras.Input((4,))
    model = keras.Model([x, y], layers.Dense(2, name="dense")(layers.Add(name="sum")([x, y])))
    assert sites(model) == {"sum": {"input", "output"}, "dense": {"kernel", "output"}}


def test_what_follows_a_layer_with_float_activations_rounds_its_input():
    model = chain(*(layers.Dense(4, name=name) for name in "abc"), shape=(3,))
    assert sites(model, [("b", make_recipe("int8_weight_only"))]) == {
        "a": {"kernel", "input", "output"},
        "b": {"kernel"},
        "c": {"kernel", "input", "output"},
    }


def test_reshaping_and_maximum_pooling_pass_integers_on():
    model = chain(
        layers.Conv2D(4, 3, name="conv"),
        layers.MaxPooling2D(),
        layers.Dropout(0.5),
        layers.Flatten(),
        layers.Dense(2, name="dense"),
    )
    assert sites(model) == {"conv": {"kernel", "input", "output"}, "dense": {"kernel", "output"}}


def test_averages_are_ranged():
    model = chain(layers.GlobalAveragePooling2D(name="mean"), layers.Dense(2, name="dense"))
    assert sites(model) == {"mean": {"input", "output"}, "dense": {"kernel", "output"}}


def test_what_a_layers_own_activation_receives_is_quantized():
    model = chain(
        layers.Dense(4, "gelu", name="gelu"), layers.Dense(2, "softmax", name="top"), shape=(3,)
    )
    assert sites(model) == {
        "gelu": {"kernel", "input", "pre_activation", "output"},
        "top": {"kernel", "pre_activation"},
    }


def test_what_is_between_separable_convolutions_is_quantized():
    model = chain(layers.SeparableConv2D(4, 3, name="conv"))
    expected = {"depthwise_kernel", "pointwise_kernel", "input", "between", "output"}
    assert sites(model) == {"conv": expected}


@pytest.mark.parametrize(
    "middle",
    [
        layers.Activation("silu", name="middle"),
        layers.BatchNormalization(name="middle"),
        layers.LayerNormalization(name="middle"),
        layers.Softmax(name="middle"),
        layers.LeakyReLU(name="middle"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_functions_are_quantized_where_they_stand_between_integers(middle):
    pool = layers.MaxPooling2D(1)
    model = chain(layers.Conv2D(4, 3), pool, middle, layers.Conv2D(2, 1))
    assert sites(model)["middle"] == {"output"}
    kind, config = type(middle), middle.get_config()
    assert "middle" not in sites(chain(kind.from_config(config), layers.Conv2D(2, 1)))
    assert "middle" not in sites(chain(layers.Conv2D(4, 3), pool, kind.from_config(config)))


def test_functions_that_follow_on_each_other_have_one_quantizer():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="conv")(inputs)
    x = layers.ReLU(6.0, name="relu")(x + 3.0) * (1 / 6)
    found = sites(keras.Model(inputs, layers.Conv2D(2, 1, name="last")(x)))
    assert found.pop("conv") == {"kernel", "input", "output"}
    assert found.pop("last") == {"kernel", "output"}
    assert "relu" not in found and list(found.values()) == [{"output"}]


def test_products_of_integers_are_quantized():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="conv")(inputs)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Multiply(name="product")([x, layers.Conv2D(4, 1, activation="sigmoid")(gate)])
    model = keras.Model(inputs, layers.Conv2D(2, 1)(x))
    assert sites(model)["product"] == {"output"}


@pytest.mark.parametrize(
    "function, scale, zero_point", [("sigmoid", 1 / 256, -128), ("tanh", 1 / 128, 0)]
)
def test_functions_with_a_known_range_have_the_scale_that_runtimes_expect(
    function, scale, zero_point
):
    model = chain(layers.Dense(4, function, name="top"), layers.Dense(2), shape=(3,))
    (quantizer,) = (
        site.quantizer
        for site in find_sites(model, INT8, [])
        if (site.path, site.slot) == ("top", "output")
    )
    quantizer.build(None)
    assert (quantizer.scale, quantizer.zero_point) == (np.float32(scale), zero_point)


def test_what_a_rule_leaves_out_stays_float_and_what_follows_quantizes_its_input():
    model = chain(
        layers.Dense(4, name="first"),
        layers.Dense(4, name="float"),
        layers.Dense(2, name="last"),
        shape=(3,),
    )
    assert sites(model, [("float", None)]) == {
        "first": {"kernel", "input", "output"},
        "last": {"kernel", "input", "output"},
    }


def test_embeddings_are_left_alone_unless_named():
    def model():
        inputs = keras.Input((4,), dtype="int32")
        x = layers.Embedding(8, 4, name="table")(inputs)
        return keras.Model(inputs, layers.Dense(2, name="top")(layers.Flatten()(x)))

    assert "table" not in sites(model())
    rules = [("table", INT8)]
    assert sites(model(), rules)["table"] == {"embeddings", "output"}


def test_a_shared_layer_gets_each_quantizer_once():
    shared = layers.Dense(3, name="shared")
    inputs = keras.Input((3,))
    model = keras.Model(inputs, shared(shared(inputs)))
    assert sites(model) == {"shared": {"kernel", "input", "output"}}


def test_a_subclassed_model_is_quantized_like_a_functional_one():
    class Hidden(keras.Model):
        def __init__(self):
            super().__init__()
            self.blocks = [layers.Dense(3), layers.Dense(3)]

        def call(self, x):
            return self.blocks[1](keras.ops.tanh(self.blocks[0](x)))

    model = Hidden()
    model(np.ones((1, 3)))
    assert sites(model) == {
        "blocks/0": {"kernel", "input", "output"},
        "tanh": {"output"},
        "blocks/1": {"kernel", "output"},
    }


def test_cells_of_recurrent_layers_have_quantized_weights_only():
    inputs = keras.Input((4, 3))
    model = keras.Model(inputs, layers.Bidirectional(layers.LSTM(2), name="both")(inputs))
    assert sites(model) == {
        f"both/{direction}_layer/cell": {"kernel", "recurrent_kernel"}
        for direction in ("forward", "backward")
    }


def joined(join, *, second_reader=False, middle=None):
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="left")(inputs)
    y = layers.Conv2D(4, 3, padding="same", name="right")(inputs)
    if middle is not None:
        x = middle(x)
    outputs = [layers.Conv2D(2, 1, name="last")(join([x, y]))]
    if second_reader:
        outputs.append(layers.Conv2D(2, 1, name="other")(x))
    return keras.Model(inputs, outputs)


@pytest.mark.parametrize(
    "join",
    [
        lambda tensors: layers.Concatenate(name="join")(tensors),
        lambda x: keras.ops.concatenate(x, -1),
    ],
    ids=["layer", "operation"],
)
@pytest.mark.parametrize("middle", [None, layers.MaxPooling2D(1, name="pool")], ids=str)
def test_what_goes_to_one_concatenation_only_has_its_scale(join, middle):
    found = sites(joined(join, middle=middle))
    assert found.pop("left") == found.pop("right") == {"kernel", "input"}
    assert found.pop("last") == {"kernel", "output"}
    assert list(found.values()) == [{"output"}]


@pytest.mark.parametrize(
    "model",
    [
        joined(layers.Concatenate(name="join"), second_reader=True),
        joined(layers.Concatenate(name="join"), middle=keras.ops.tanh),
    ],
    ids=["read twice", "after a function"],
)
def test_any_other_concatenation_of_integers_has_its_own_scale(model):
    found = sites(model)
    assert found["join"] == {"output"}
    assert found["left"] == {"kernel", "input", "output"}
    assert found["last"] == {"kernel", "output"}


@pytest.mark.parametrize(
    "model, rules",
    [
        (joined(layers.Concatenate(name="join")), [("join", None)]),
        (joined(layers.Concatenate(name="join")), [("right", None)]),
        (joined(layers.Concatenate(name="join"), middle=layers.PReLU()), []),
    ],
    ids=["left out", "of float", "after float"],
)
def test_a_concatenation_that_has_no_integers_stays_float(model, rules):
    found = sites(model, rules)
    assert "join" not in found
    assert found["left"] == {"kernel", "input", "output"}
    assert found["last"] == {"kernel", "input", "output"}


def transformer():
    ids = keras.Input((4,), dtype="int32")
    x = layers.Embedding(50, 16, name="words")(ids)
    return keras.Model(ids, layers.Dense(16, name="dense")(x))


def test_tables_that_no_rule_names_are_told_of_with_the_rule():
    message = r"3,200 of the 3,520 bytes .* Pass rules=\[\(\"words\", \"int8_weight_only\"\)\]"
    with pytest.warns(UserWarning, match=message):
        sites(transformer())


@pytest.mark.parametrize("recipe", [make_recipe("int8_weight_only"), None])
def test_tables_that_a_rule_names_are_no_news(recipe):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sites(transformer(), rules=[("words", recipe)])


def test_integers_and_calls_without_an_integer_form_are_not_rounded():
    ids = keras.Input((4,), dtype="int32")
    x = layers.Embedding(50, 8)(ids + (ids * 2)[:, :4])
    q, k = layers.Dense(4, name="q")(x), layers.Dense(4, name="k")(x)
    model = keras.Model(ids, layers.Dense(2, name="last")(q - k))
    assert sites(model) == {
        "q": {"kernel", "input", "output"},
        "k": {"kernel", "input", "output"},
        "last": {"kernel", "input", "output"},
    }


def test_dynamic_ranges_are_those_of_what_dense_layers_read():
    inputs = keras.Input((6, 6, 4))
    x = layers.Dense(4, name="dense")(layers.Conv2D(4, 3, padding="same", name="conv")(inputs))
    model = keras.Model(inputs, layers.LayerNormalization()(x + inputs))
    found = {
        f"{site.path}/{site.slot}" for site in find_sites(model, make_recipe("int8_dynamic"), [])
    }
    assert found == {"conv/kernel", "dense/kernel", "dense/input"}


def test_inside_an_attention_with_dynamic_ranges_projections_round_their_rows():
    inputs = keras.Input((4, 8))
    model = keras.Model(inputs, layers.MultiHeadAttention(2, 4)(inputs, inputs))
    sites = find_sites(model, make_recipe("int8_dynamic"), [])
    assert [site.slot for site in sites] == ["kernel", "input"] * 4
    axes = {site.path.split("/")[-1]: site.quantizer.axes for site in sites if site.slot == "input"}
    assert axes == {"_query_dense": 1, "_key_dense": 1, "_value_dense": 1, "_output_dense": 2}
