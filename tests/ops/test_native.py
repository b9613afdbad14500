"""Loading of the native library: what happens without it, and with another TensorFlow's."""

import functools
import warnings

import numpy as np
import processes
import pytest
import tensorflow as tf

from kerasopt import ops
from kerasopt.ops import native


@pytest.fixture(scope="module")
def expected():
    """The result of `multiply` with the library."""
    assert native.load() is not None
    return multiply()


@pytest.fixture
def fresh_load(expected, monkeypatch):
    """Let `native.load` decide again inside the test."""
    monkeypatch.setattr(native, "load", functools.cache(native.load.__wrapped__))


def multiply():
    rng = np.random.default_rng(0)
    return np.asarray(
        ops.quantized_matmul(
            rng.integers(-128, 128, (5, 70)).astype("int8"),
            rng.integers(-128, 128, (70, 9)).astype("int8"),
            rng.integers(-999, 999, 9).astype("int32"),
            rng.uniform(1e-4, 1e-3, 9).astype("float32"),
            input_zero_point=-3,
            output_zero_point=5,
        )
    )


def assert_one_warning_and_result(match, expected):
    with pytest.warns(UserWarning, match=match) as record:
        results = multiply(), multiply()
    assert len(record) == 1
    for result in results:
        np.testing.assert_array_equal(result, expected)


def test_missing_library(expected, fresh_load, monkeypatch, tmp_path):
    monkeypatch.setattr(native, "LIBRARY_PATH", tmp_path / "missing.so")
    assert_one_warning_and_result("was not built.*pip install", expected)


def test_library_of_another_tensorflow_is_not_opened(expected, fresh_load, monkeypatch, tmp_path):
    version = tmp_path / "version"
    version.write_text("2.20.0\n")
    monkeypatch.setattr(native, "VERSION_PATH", version)
    monkeypatch.setattr(tf, "load_op_library", lambda path: pytest.fail("it was opened"))
    assert_one_warning_and_result("was built for TensorFlow 2.20.0", expected)


def test_damaged_library(expected, fresh_load, monkeypatch, tmp_path):
    library = tmp_path / "damaged.so"
    library.write_bytes(b"not a library")
    monkeypatch.setattr(native, "LIBRARY_PATH", library)
    assert_one_warning_and_result("could not be loaded", expected)


def test_environment_variable_switches_it_off_silently(fresh_load, monkeypatch):
    monkeypatch.setenv("KERASOPT_NATIVE", "0")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert native.load() is None


def test_a_visible_gpu_leaves_the_work_to_keras_ops(fresh_load, monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    assert native.load() is None


def test_weights_are_packed_again_when_they_change():
    rng = np.random.default_rng(0)
    x = tf.constant(rng.integers(-128, 128, (4, 30)).astype("int8"))
    kernel = tf.Variable(rng.integers(-128, 128, (30, 20)).astype("int8"))
    bias, multiplier = tf.zeros(20, "int32"), tf.fill([20], 1e-3)

    def call():
        return ops.quantized_matmul(
            x, kernel, bias, multiplier, input_zero_point=1, output_zero_point=0
        )

    compiled = tf.function(call)
    for seed in range(4):
        new = np.random.default_rng(seed).integers(-128, 128, (30, 20)).astype("int8")
        kernel.assign(new)
        sums = (x.numpy().astype("int32") - 1) @ new.astype("int32")
        expected = np.clip(np.rint(sums.astype("float32") * np.float32(1e-3)), -128, 127)
        np.testing.assert_array_equal(compiled(), expected)
        np.testing.assert_array_equal(call(), expected)


def test_unknown_instruction_set_is_refused():
    assert not native.select_instruction_set("sse9")


def test_library_loaded_after_the_first_xla_compilation_still_compiles():
    processes.run_with_keras(
        "import numpy as np, tensorflow as tf\n"
        "from kerasopt import ops\n"
        "tf.function(lambda x: x + 1, jit_compile=True)(tf.ones(3))\n"
        "x = tf.constant([0.3, 9.0])\n"
        "y = tf.function(lambda x: ops.fake_quantize(x, 0.25, qmax=3), jit_compile=True)(x)\n"
        "np.testing.assert_array_equal(y, [0.25, 0.75])"
    )


def test_import_loads_neither_tensorflow_nor_the_library():
    code = "import sys, kerasopt.ops; assert 'tensorflow' not in sys.modules"
    processes.run("-c", code, KERAS_BACKEND="jax", JAX_PLATFORMS="cpu")
    code = "from kerasopt.ops import native; assert native.load.cache_info().currsize == 0"
    processes.run_with_keras(code)
