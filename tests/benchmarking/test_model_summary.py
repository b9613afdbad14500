"""`summary`: parameters, zeros, bits, bytes and MACs of all kinds of layers and models."""

import keras
import numpy as np
import pytest
from lowering.trained import images, quantization_aware

from kerasopt.benchmarking import summary
from kerasopt.inference import Affine
from kerasopt.inference.binary import BinaryDense
from kerasopt.inference.dynamic_dense import DynamicDense
from kerasopt.inference.half import HalfDense
from kerasopt.inference.integer.dense import QuantizedDense
from kerasopt.inference.sparse import SparseDense
from kerasopt.lowering import convert
from kerasopt.parametrization import Parametrization, parametrize
from kerasopt.sparsity import Mask

layers = keras.layers
AFFINES = {"input_affine": Affine(0.1, 3), "output_affine": Affine(0.2, -5)}
WIDE = {name: Affine(0.1, 0, bits=16) for name in AFFINES}


class FourBits(Parametrization):
    """A quantizer, as far as a summary can tell."""

    order = 30
    bits = 4

    def call(self, inputs):
        return keras.ops.round(inputs)


def rows(model):
    """Summarizes `model`; returns the rows by path."""
    return {row.path: row for row in summary(model, print_fn=len).layers}


@pytest.mark.parametrize(
    ("layer", "shape", "macs"),
    [
        (layers.Dense(7), (5,), 5 * 7),
        (layers.Dense(7), (3, 5), 3 * 5 * 7),
        (layers.Conv1D(6, 3), (10, 4), 8 * 3 * 4 * 6),
        (layers.Conv2D(8, 3, strides=2, padding="same"), (9, 9, 4), 25 * 9 * 4 * 8),
        (layers.Conv2D(8, 3, groups=2), (9, 9, 4), 49 * 9 * 2 * 8),
        (layers.DepthwiseConv2D(3, depth_multiplier=2), (9, 9, 4), 49 * 9 * 4 * 2),
        (layers.SeparableConv2D(8, 3), (9, 9, 4), 49 * (9 * 4 + 4 * 8)),
        (layers.Conv2DTranspose(8, 3, strides=2), (5, 5, 4), 25 * 9 * 4 * 8),
        (layers.EinsumDense("abc,cde->abde", (3, 6, 2)), (3, 5), 3 * 5 * 6 * 2),
        (layers.EinsumDense("...x,xy->...y", 6), (3, 4, 5), 12 * 5 * 6),
    ],
)
def test_macs_follow_from_the_definition_of_the_layer(layer, shape, macs):
    model = keras.Sequential([keras.Input(shape), layer])
    (row,) = rows(model).values()
    assert row.macs == macs
    assert row.parameters == layer.count_params()
    assert row.bits == 32 and row.bytes == 4 * row.parameters


def test_projections_and_products_of_attention_are_counted():
    inputs = keras.Input((5, 8))
    model = keras.Model(inputs, layers.MultiHeadAttention(2, 4, name="attention")(inputs, inputs))
    assert summary(model, print_fn=len).macs == 4 * 5 * 8 * 8 + 2 * 5 * 5 * 8
    assert rows(model)["attention"].macs == 2 * 5 * 5 * 8


@pytest.mark.parametrize(
    "multiply, macs",
    [
        (lambda x, y: keras.ops.matmul(x, keras.ops.transpose(y, (0, 2, 1))), 5 * 6 * 7),
        (lambda x, y: keras.ops.einsum("bqd,bkd->bkq", x, y), 5 * 6 * 7),
        (lambda x, y: layers.Dot(axes=2)([x, y]), 5 * 6 * 7),
        (
            lambda x, y: keras.ops.dot_product_attention(*(z[:, :, None] for z in (x, y, y))),
            2 * 5 * 6 * 7,
        ),
        (lambda x, y: layers.Attention()([x, y]), 2 * 5 * 6 * 7),
        (lambda x, y: keras.ops.matmul(x, np.ones((7, 9), "float32")), 5 * 7 * 9),
        (lambda x, y: keras.ops.einsum("bqd,bkd->bqkd", x, y), 0),
        # The cheapest way, two at a time: those of `x` and `y`, and with the third.
        (
            lambda x, y: keras.ops.einsum("...qd,...kd,...ke->...qe", x, y, y),
            5 * 6 * 7 + 5 * 6 * 7,
        ),
        (lambda x, y: keras.ops.einsum("bqd,bkd,bk->bqk", x, y, y[..., 0]), 5 * 6 * 7),
        (lambda x, y: Experts()(x), 2 * 5 * 7 * 3),
    ],
)
def test_products_of_two_tensors_are_counted(multiply, macs):
    x, y = keras.Input((5, 7)), keras.Input((6, 7))
    assert summary(keras.Model([x, y], multiply(x, y)), print_fn=len).macs == macs


class Experts(layers.Layer):
    """Multiplies with a weight that is no `kernel`."""

    def build(self, shape):
        self.experts = self.add_weight(shape=(2, shape[-1], 3))

    def call(self, x, training=False):
        return keras.ops.einsum("btd,edh->beth", x, self.experts)


class Block(layers.Layer):
    """Attention and a projection, in a layer of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.query, self.key, self.value = (layers.Dense(16) for _ in range(3))

    def build(self, shape):
        for dense in (self.query, self.key, self.value):
            dense.build(shape)

    def call(self, x):
        query, key, value = self.query(x), self.key(x), self.value(x)
        scores = keras.ops.einsum("bqd,bkd->bqk", query, key) * 0.25
        return keras.ops.matmul(keras.ops.softmax(scores), value) + x


def transformer(length):
    """Takes tokens and segments; an opened block is called twice, and a table in reverse."""
    inputs = {name: keras.Input((length,), dtype="int32", name=name) for name in ("token", "kind")}
    embedding, block = layers.ReversibleEmbedding(30, 16, name="table"), Block(name="block")
    x = embedding(inputs["token"]) + layers.Embedding(2, 16)(inputs["kind"])
    return keras.Model(inputs, embedding(block(block(x)), reverse=True))


def tokens(length):
    rng = np.random.default_rng(0)
    return {
        "token": rng.integers(0, 30, (4, length)).astype("int32"),
        "kind": rng.integers(0, 2, (4, length)).astype("int32"),
    }


def test_inside_opened_layers_and_with_a_given_length_too():
    model = transformer(None)
    assert summary(model, print_fn=len).macs == 0
    report = summary(model, print_fn=len, data=tokens(6))
    products = {row.path: row.macs for row in report.layers if row.path.startswith("block/")}
    assert products == {
        **{f"block/{name}": 2 * 6 * 16 * 16 for name in ("query", "key", "value")},
        **{f"block/{name}": 2 * 6 * 6 * 16 for name in ("einsum", "matmul")},
    }
    assert report.macs - sum(products.values()) == 6 * 16 * 30
    assert summary(transformer(6), print_fn=len).macs == report.macs


def test_the_share_in_integers_is_that_of_products_too():
    model, x = transformer(None), tokens(6)
    plain = summary(model, print_fn=len, data=x)
    assert plain.integer_share == 0
    quantized = quantization_aware(model, x, "int8")
    for each in (quantized, convert(quantized)):
        report = summary(each, print_fn=len, data=x)
        assert report.macs == plain.macs
        assert report.integer_share >= 1 - 6 * 16 * 30 / plain.macs  # all but the table in reverse
        by_kind = {row.class_name: row for row in report.layers if row.path.startswith("block")}
        assert all((row.bits, row.input_bits) == (8, 8) for row in by_kind.values() if row.macs)
    assert {"QuantizedDense", "QuantizedBatchMatMul"} <= by_kind.keys()


def test_projections_of_attention_read_what_comes_before():
    inputs = keras.Input((5, 8))
    x = layers.Dense(8)(inputs)
    model = keras.Model(inputs, layers.MultiHeadAttention(2, 4)(x, x))
    data = np.random.default_rng(0).normal(size=(4, 5, 8)).astype("float32")
    report = summary(quantization_aware(model, data, "int8"), print_fn=len)
    assert report.macs_by_precision == {(8, 8): report.macs}


def test_floats_of_few_bits_are_no_integers():
    def model(dtype="float32"):
        return keras.Sequential([keras.Input((8,)), layers.Dense(16, dtype=dtype)])

    x = np.random.default_rng(0).normal(size=(4, 8)).astype("float32")
    half = [model("float16"), quantization_aware(model("mixed_float16"), x, "int8_weight_only")]
    for spec in ("float16", "int8_weight_only"):
        quantized = quantization_aware(model(), x, spec)
        half += [quantized, convert(quantized, spec)]
    assert [summary(each, print_fn=len).integer_share for each in half] == [0] * len(half)


def test_what_keras_quantizes_is_integers():
    model = keras.Sequential([keras.Input((6,)), layers.Dense(8), layers.Dense(4)])
    model.layers[0].quantize("int8")
    assert summary(model, print_fn=len).integer_share == 6 * 8 / (6 * 8 + 8 * 4)


def test_shared_layers_count_parameters_once_and_macs_per_call():
    block = keras.Sequential([keras.Input((8,)), layers.Dense(8, name="inner")], name="block")
    inputs = keras.Input((8,))
    row = rows(keras.Model(inputs, block(block(inputs))))["block/inner"]
    assert (row.parameters, row.macs) == (72, 2 * 64)


def test_subclassed_models_are_seen_into():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.blocks = [layers.Dense(4), layers.Dense(4)]

        def call(self, x):
            return self.blocks[1](self.blocks[0](x)) + self.blocks[0](x)

    model = Net()
    model(np.zeros((2, 4), "float32"))
    counted = rows(model)
    assert {path: row.macs for path, row in counted.items()} == {"blocks/0": 32, "blocks/1": 16}


def test_a_summary_leaves_no_trace_on_the_layers():
    model = keras.Sequential([keras.Input((5,)), layers.Dense(3)])
    before = set(vars(model.layers[0]))
    summary(model, print_fn=len)
    assert set(vars(model.layers[0])) == before


def test_unknown_dimensions_leave_macs_open():
    model = keras.Sequential([keras.Input((None, 5)), layers.Dense(3)])
    text: list[str] = []
    report = summary(model, print_fn=text.append)
    assert report.layers[0].macs is None
    assert text[0].splitlines()[-1].endswith("- |")


def test_recurrent_cells_have_no_macs():
    model = keras.Sequential([keras.Input((6, 5)), layers.LSTM(3, name="lstm")])
    row = rows(model)["lstm/cell"]
    assert row.macs is None and row.parameters == 4 * (3 * 5 + 3 * 3 + 3)


def test_zeros_and_bits_are_those_the_layer_computes_with():
    model = keras.Sequential([keras.Input((8,)), layers.Dense(16, name="dense")])
    mask = Mask()
    parametrize(model.layers[0], "kernel", mask)
    parametrize(model.layers[0], "kernel", FourBits())
    model.layers[0].kernel.assign(np.full((8, 16), 3.0))
    mask.mask.assign(np.arange(128).reshape(8, 16) % 4 == 0)

    row = rows(model)["dense"]
    assert (row.parameters, row.kernel_parameters, row.zeros) == (144, 128, 96)
    assert (row.bits, row.bytes) == (4, 128 // 2 + 16 * 4)
    # What rounds to zero is zero, too.
    model.layers[0].kernel.assign(np.full((8, 16), 0.1))
    assert rows(model)["dense"].zeros == 128


def test_integer_kernels_have_the_bits_of_their_dtype():
    model = keras.Sequential([keras.Input((8,)), layers.Dense(16)])
    model.quantize("int8")
    (row,) = rows(model).values()
    # The int8 kernel, the float32 bias and one float32 scale a channel.
    assert (row.bits, row.bytes, row.macs) == (8, 128 + 16 * 4 + 16 * 4, 128)


def test_prints_a_table_with_totals(capsys):
    model = keras.Sequential([keras.Input((64,)), layers.Dense(10, name="logits")], name="net")
    report = summary(model)
    assert capsys.readouterr().out.splitlines() == [
        "Model: net",
        "",
        "| Layer (type)   | Parameters | Zeros | Bits | Bytes | MACs |",
        "| -------------- | ---------: | ----: | ---: | ----: | ---: |",
        "| logits (Dense) |        650 |  0.0% |   32 | 2,600 |  640 |",
        "| Total          |        650 |  0.0% |      | 2,600 |  640 |",
    ]
    totals = (report.parameters, report.sparsity, report.bytes, report.macs)
    assert totals == (650, 0.0, 2600, 640)


def test_wrong_models_are_named():
    with pytest.raises(TypeError, match="`model` must be a Keras model.*Received: model="):
        summary(layers.Dense(3))
    with pytest.raises(ValueError, match="is not built.*Received: model="):
        summary(keras.Sequential([layers.Dense(3)]))


def test_macs_are_counted_by_the_bits_of_weights_and_activations():
    inputs = keras.Input((8, 8, 4))
    x = layers.Conv2D(4, 3, activation="relu")(inputs)
    y = layers.Concatenate()([layers.Conv2D(4, 1)(x), layers.Conv2D(2, 1)(x)])
    y = layers.Dense(5)(layers.PReLU()(layers.Conv2D(3, 1)(layers.MaxPooling2D()(y))))
    model = keras.Model(inputs, y)
    x = images(8, 8, 4)
    macs = summary(model, print_fn=len).macs
    assert summary(model, print_fn=len).macs_by_precision == {(32, 32): macs}
    model = quantization_aware(model, x, "int4")
    report = summary(model, print_fn=len)
    assert report.macs_by_precision == {(4, 8): macs}
    assert f"4 × 8 bits: {macs:,} (100.0%)" in str(report)
    assert summary(convert(model), print_fn=len).macs_by_precision == {(4, 8): macs}


def test_a_converted_transposed_convolution_has_as_many_products():
    inputs = keras.Input((5, 5, 4))
    outputs = layers.Conv2DTranspose(8, 3, strides=2, name="up")(layers.Conv2D(4, 1)(inputs))
    model = quantization_aware(keras.Model(inputs, outputs), images(8, 5, 4), "int8")
    assert rows(convert(model))["up"].macs == rows(model)["up"].macs == 25 * 9 * 4 * 8


@pytest.mark.parametrize(
    "spec, simulated, converted",
    [
        ("int8", (8, 8), (8, 8)),
        ("int16x8", (8, 16), (8, 16)),
        ("int8_dynamic", (8, 8), (8, 8)),
        ("int8_weight_only", (8, 32), (8, 32)),
        ("binary", (1, 1), (1, 1)),
    ],
)
def test_the_bits_of_a_spec_are_those_of_its_integers(spec, simulated, converted):
    inputs = keras.Input((8, 8, 4))
    x = layers.Conv2D(8, 1)(layers.Conv2D(8, 3)(inputs))
    if spec == "int8_dynamic":
        x = inputs
    model = keras.Model(inputs, layers.Dense(16)(layers.Dense(16)(x)))
    model = quantization_aware(model, images(8, 8, 4), spec)
    for each, bits in ((model, simulated), (convert(model, spec), converted)):
        assert set(summary(each, print_fn=len).macs_by_precision) == {bits}


@pytest.mark.parametrize(
    "make, bits, size",
    [
        (lambda: QuantizedDense(32, **AFFINES), (8, 8), 64 * 32 + 3 * 4 * 32),
        (
            lambda: QuantizedDense(32, weight_format="int4", **AFFINES),
            (4, 8),
            64 * 32 // 2 + 3 * 4 * 32,
        ),
        (
            lambda: QuantizedDense(32, weight_format="2:4", **AFFINES),
            (8, 8),
            64 * 32 * 5 // 8 + 3 * 4 * 32,
        ),
        (lambda: QuantizedDense(32, **WIDE), (8, 16), 64 * 32 + 3 * 4 * 32),
        (lambda: DynamicDense(32), (8, 8), 64 * 32 + 2 * 4 * 32),
        (lambda: BinaryDense(32), (1, 1), 64 * 32 // 8 + 2 * 4 * 32),
        (lambda: HalfDense(32, weight_format="bfloat16"), (16, 32), 64 * 32 * 2 + 2 * 4 * 32),
        (lambda: SparseDense(32, (5, 1)), (32, 32), 5 * (4 + 2) + 4 * 32 + 4 * 32),
    ],
)
def test_inference_layers_say_what_their_products_and_their_weights_take(make, bits, size):
    layer = make()
    affine = getattr(layer, "input_affine", None)
    inputs = keras.Input((64,), dtype=affine and affine.dtype)
    (row,) = rows(keras.Model(inputs, layer(inputs))).values()
    assert (row.bits, row.input_bits) == bits
    assert row.bytes == layer.bytes == size
    assert row.macs == row.kernel_parameters == 64 * 32


def test_weights_that_are_held_in_few_bits_are_counted_so():
    model = keras.Sequential([keras.Input((8,)), layers.Dense(16, name="dense")])
    x = np.random.default_rng(0).normal(size=(4, 8)).astype("float32")
    held = convert(quantization_aware(model, x, "int4_weight_only"))
    row = rows(held)["dense"]
    assert (row.bits, row.input_bits, row.macs, row.parameters) == (4, 32, 128, 144)
    assert summary(held, print_fn=len).macs_by_precision == {(4, 32): 128}
