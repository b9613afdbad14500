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


def test_inner_projections_of_attention_are_counted():
    inputs = keras.Input((5, 8))
    model = keras.Model(inputs, layers.MultiHeadAttention(2, 4, name="attention")(inputs, inputs))
    assert summary(model, print_fn=len).macs == 4 * 5 * 8 * 8


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
