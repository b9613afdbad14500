import keras
import numpy as np
import pytest

from kerasopt.quantization import FloatFormat, Format, Spec, specs


def test_int8_is_what_the_integer_ops_take():
    spec = specs.get("int8")
    assert (spec.weights.minimum, spec.weights.maximum) == (-127, 127)
    assert (spec.activations.minimum, spec.activations.maximum) == (-128, 127)
    assert spec.weights.step == np.float32(1 / 127)
    assert spec.activations.step == np.float32(1 / 255)


@pytest.mark.parametrize("alias", specs.ALIASES)
def test_specs_are_resolved(alias):
    spec = specs.get(alias)
    assert isinstance(spec, Spec) and specs.get(spec) is spec
    assert specs.get(keras.saving.serialize_keras_object(spec)) == spec


def test_an_unknown_spec_lists_those_that_exist():
    with pytest.raises(ValueError, match=r"'int4'.*'ternary'.*\]. Received: spec='int7'"):
        specs.get("int7")


def test_a_file_without_the_later_fields_is_read():
    spec = specs.get("int8")
    config = {k: v for k, v in spec.get_config().items() if k in ("weights", "activations")}
    assert Spec.from_config(config) == spec


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"weights": 8}, "`weights` must be .* Received: weights=8"),
        ({"activations": "int8"}, "`activations` must be .* Received: activations='int8'"),
        ({"granularity": "row"}, "Received: granularity='row'"),
        ({"granularity": 1}, "above 1. Received: granularity=1"),
        ({"dynamic": True}, "Received: dynamic=True"),
        ({"activations": None, "dynamic": "row"}, "Received: activations=None, dynamic='row'"),
        ({"activations": FloatFormat(), "dynamic": "row"}, "integer activations"),
        ({"activations": Format(1, True), "dynamic": "row"}, "2 bits or more"),
    ],
)
def test_fields_out_of_range_raise(arguments, message):
    with pytest.raises(ValueError, match=message):
        Spec(**arguments)
