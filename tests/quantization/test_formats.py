import keras
import numpy as np
import pytest

from kerasopt.quantization import FloatFormat, Format


@pytest.mark.parametrize("bits", range(2, 17))
@pytest.mark.parametrize("symmetric", [True, False])
def test_the_step_spans_the_range(bits, symmetric):
    format = Format(bits, symmetric)
    assert format.step.dtype == np.float32
    levels = format.maximum if symmetric else format.maximum - format.minimum
    assert format.maximum - format.minimum == 2**bits - 1 - symmetric
    np.testing.assert_allclose(format.step * levels, 1.0, rtol=1e-6)


def test_one_bit_has_no_zero():
    format = Format(1, symmetric=True)
    assert (format.minimum, format.maximum, format.step) == (-1, 1, 1)
    with pytest.raises(ValueError, match="pass `symmetric=True`. Received: bits=1"):
        Format(1)


def test_zero_is_one_of_the_values_of_a_range():
    scale, zero_point = Format(8).affine(np.float32([-1, 2, 0]), np.float32([3, 4, 0]))
    np.testing.assert_array_equal(scale, np.float32([4, 4, 255]) * np.float32(1 / 255))
    np.testing.assert_array_equal(zero_point, [-64, -128, -128])


def test_a_symmetric_range_has_the_largest_magnitude():
    scale, zero_point = Format(8, True).affine(np.float32([-5, 1, 0]), np.float32([3, 4, 0]))
    np.testing.assert_array_equal(scale, np.float32([5, 4, 127]) * np.float32(1 / 127))
    np.testing.assert_array_equal(zero_point, [0, 0, 0])


@pytest.mark.parametrize("bits", [0, 17, 4.0, "8", True])
def test_bits_out_of_range_raise(bits):
    with pytest.raises(ValueError, match="`bits` must be from 1 to 16. Received: bits="):
        Format(bits)


def test_an_unknown_float_raises():
    with pytest.raises(ValueError, match=r"'bfloat16'\). Received: dtype='float8'"):
        FloatFormat("float8")


@pytest.mark.parametrize("format", [Format(4, True), Format(), FloatFormat("bfloat16")])
def test_a_config_round_trip(format):
    config = keras.saving.serialize_keras_object(format)
    assert keras.saving.deserialize_keras_object(config) == format
