import keras
import pytest

from kerasopt.graph import Rule, select


def test_rules_are_values():
    assert Rule("conv*", 0.5) == Rule("conv*", 0.5)
    with pytest.raises(AttributeError):
        Rule("conv*", 0.5).argument = 1


def test_bad_rules_raise():
    with pytest.raises(TypeError, match="Received: selector=3"):
        select([], [(3, 0.5)])
    with pytest.raises(TypeError, match="Received: rules item 'conv'"):
        select([], ["conv"])
    for rules in ({"conv": 0.5}, "conv", None, 0.5):
        with pytest.raises(TypeError, match="`rules` must be a list of pairs.*Received: rules="):
            select([], rules)


def test_a_layer_is_no_selector():
    with pytest.raises(TypeError, match="pass its name.*Received: selector=<Dense"):
        Rule(keras.layers.Dense(3), 0.5)


def test_the_path_of_a_weight_names_the_weight():
    layer = keras.layers.Dense(3, name="dense")
    for selector in ("dense/bias", "*/bias", "block/*/bias", "block/dense/bias"):
        assert Rule(selector, 0.5).names("block/dense", layer, "bias")
        assert not Rule(selector, 0.5).names("block/dense", layer, "kernel")
        assert not Rule(selector, 0.5).matches("block/dense", layer)
    for selector in ("dense*", "dense", "bias", "*", "other/bias", keras.layers.Dense):
        assert not Rule(selector, 0.5).names("block/dense", layer, "bias")
