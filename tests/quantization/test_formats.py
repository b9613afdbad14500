import keras
import numpy as np
import pytest

from kerasopt.quantization import Format, Spec, formats


def test_int8_is_what_the_integer_ops_take():
    spec = formats.get("int8")
    assert (spec.weights.minimum, spec.weights.maximum) == (-127, 127)
    assert (spec.activations.minimum, spec.activations.maximum) == (-128, 127)
    assert spec.weights.step == np.float32(1 / 127)
    assert spec.activations.step == np.float32(1 / 255)


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("symmetric", [True, False])
def test_the_step_spans_the_range(bits, symmetric):
    format = Format(bits, symmetric)
    assert format.step.dtype == np.float32
    levels = format.maximum if symmetric else format.maximum - format.minimum
    assert format.maximum - format.minimum == 2**bits - 1 - symmetric
    np.testing.assert_allclose(format.step * levels, 1.0, rtol=1e-6)


def test_specs_are_resolved():
    spec = Spec(weights=Format(4, symmetric=True), activations=Format(8))
    assert formats.get(spec) is spec
    assert formats.get(keras.saving.serialize_keras_object(spec)) == spec
    with pytest.raises(ValueError, match=r"\['int8'\]. Received: spec='int7'"):
        formats.get("int7")
