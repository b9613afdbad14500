"""The reference on the JAX backend gives the bits of the TensorFlow backend."""

import numpy as np
import processes

PROGRAM = """
import sys

import keras
import numpy as np

from kerasopt import ops

rng = np.random.default_rng(0)


def tensor(low, high, shape, dtype):
    values = rng.integers(low, high, shape) if dtype != "float32" else rng.uniform(low, high, shape)
    return keras.ops.convert_to_tensor(values.astype(dtype))


image = tensor(-128, 128, (2, 9, 8, 70), "int8")
channels = tensor(-9999, 9999, 70, "int32"), tensor(1e-5, 1e-3, 70, "float32")
points = dict(input_zero_point=-3, output_zero_point=5)
window = dict(strides=2, padding="same")
scales = dict(scale0=0.1, scale1=0.3, output_scale=0.2, output_zero_point=1)
x, scale = tensor(-3, 3, (50, 70), "float32"), tensor(1e-3, 1e-1, 70, "float32")

results = [
    ops.quantized_matmul(image, tensor(-128, 128, (70, 70), "int8"), *channels, **points),
    ops.quantized_conv2d(
        image, tensor(-128, 128, (3, 3, 70, 70), "int8"), *channels, **points, **window
    ),
    ops.quantized_depthwise_conv2d(
        image, tensor(-128, 128, (3, 3, 70, 1), "int8"), *channels, **points, **window
    ),
    ops.quantized_conv2d(
        tensor(-32768, 32768, (2, 9, 8, 70), "int16"),
        tensor(-128, 128, (3, 3, 70, 70), "int8"),
        *channels,
        input_zero_point=0,
        output_zero_point=0,
        **window,
    ),
    ops.quantized_add(image[0], image[1], zero_point0=4, zero_point1=-5, **scales),
    ops.quantized_mean(image, input_scale=0.1, output_scale=0.05, **points),
    ops.look_up(image, tensor(-128, 128, 256, "int8")),
    ops.quantized_softmax(image, ops.exponentials(0.1)),
    ops.quantized_multiply(image[0], image[1], zero_point0=4, zero_point1=-5, **scales),
    ops.quantized_batch_matmul(
        image[0], tensor(-128, 128, (9, 70, 5), "int8"), zero_point0=4, zero_point1=-5, **scales
    ),
    ops.quantized_average_pool(
        image, pool_size=3, input_scale=0.1, output_scale=0.05, **points, **window
    ),
    ops.quantized_scale(image, tensor(-128, 128, 70, "int8"), *channels, **points),
    ops.quantize(x, scale, 3),
    ops.fake_quantize(x, scale),
    *ops.min_max(x),
]
if keras.backend.backend() == "jax":
    assert "tensorflow" not in sys.modules
    import jax

    results.append(jax.jit(jax.grad(lambda x: (x * ops.fake_quantize(x, scale)).sum()))(x))
else:
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(x * ops.fake_quantize(x, scale))
    results.append(tape.gradient(y, x))
np.savez(sys.argv[1], *[np.asarray(result) for result in results])
"""


def test_backends_agree(tmp_path):
    paths = [tmp_path / f"{backend}.npz" for backend in ("tensorflow", "jax")]
    processes.run_with_keras(PROGRAM, paths[0])
    processes.run("-c", PROGRAM, paths[1], KERAS_BACKEND="jax", JAX_PLATFORMS="cpu")
    tensorflow, jax = map(np.load, paths)
    assert len(tensorflow.files) == 17
    *exact, gradient = tensorflow.files
    for name in exact:
        np.testing.assert_array_equal(jax[name], tensorflow[name], err_msg=name)
    # y + x dy/dx: a float sum after a product, which XLA contracts.
    np.testing.assert_allclose(jax[gradient], tensorflow[gradient], rtol=1e-5, atol=1e-6)
