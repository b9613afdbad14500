"""What `kerasopt.ops.reference` makes of the arguments of native ops."""

from keras import ops as keras_ops

from kerasopt import ops
from kerasopt.ops import reference
from kerasopt.ops.validation import standardize_pads


def _unpacked(weights, attributes, **packing):
    """Takes what is of the weights out of the attributes; returns kernel, bias and multiplier."""
    packing["format"] = attributes.pop("weight_format", packing.get("format", "int8"))
    packed = ops.PackedWeights(weights, tuple(attributes.pop("kernel_shape")), **packing)
    return packed.unpack()


def _window(attributes):
    top, bottom, left, right = attributes.pop("pads")
    padding = attributes["padding"]
    if padding == "valid":
        padding = standardize_pads(((top, bottom), (left, right)))
    pairs = {name: tuple(attributes[name]) for name in ("strides", "dilation_rate")}
    return attributes | pairs | {"padding": padding}


def _matmul(function, **packing):
    def computed(x, weights, **attributes):
        return function(x, *_unpacked(weights, attributes, **packing), **attributes)

    return computed


def _convolution(function, **packing):
    def computed(x, weights, **attributes):
        attributes = _window(attributes)
        dilation = {"dilation_rate": attributes["dilation_rate"]}
        if "groups" in attributes:
            dilation["groups"] = attributes["groups"]
        unpacked = _unpacked(weights, attributes, **dilation, **packing)
        return function(x, *unpacked, **attributes)

    return computed


def _dynamic_matmul(x, kernel, bias, scale):
    return reference.dynamic_matmul(x, kernel, scale, bias)


def _half_matmul(x, kernel, bias, scale):
    return keras_ops.matmul(x, keras_ops.cast(kernel, "float32")) * scale + bias


def _binary_conv2d(x, kernel, bias, scale, **window):
    return reference.binary_conv2d(x, kernel, scale, bias, **window)


def _pair(function):
    return lambda x0, x1, **attributes: function(x0, x1, **attributes)


def _batch_matmul(x0, x1, order0, order1, **attributes):
    x0, x1 = (
        keras_ops.transpose(x, order) if order else x for x, order in ((x0, order0), (x1, order1))
    )
    return reference.quantized_batch_matmul(x0, x1, **attributes)


def _pool(function):
    def computed(x, **attributes):
        pairs = {name: tuple(attributes[name]) for name in ("pool_size", "strides")}
        return function(x, **attributes | pairs)

    return computed


def _weight_only_matmul(kernel_shape, **arguments):
    return reference.weight_only_matmul(kernel_shape=tuple(kernel_shape), **arguments)


def _fake_quantize_gradient(upstream, x, scale, zero_point, qmin, qmax):
    return reference.learned_scale_gradients(upstream, x, scale, zero_point, qmin, qmax)[0]


REFERENCES = {
    "QuantizedMatMul": _matmul(reference.quantized_matmul),
    "DynamicMatMul": _matmul(_dynamic_matmul, bias_dtype="float32"),
    "HalfMatMul": _matmul(_half_matmul, bias_dtype="float32"),
    "WeightOnlyMatMul": _weight_only_matmul,
    "QuantizedConv2D": _convolution(reference.quantized_conv2d),
    "QuantizedDepthwiseConv2D": _convolution(
        reference.quantized_depthwise_conv2d, is_depthwise=True
    ),
    "BinaryConv2D": _convolution(_binary_conv2d, bias_dtype="float32", format="binary"),
    "FakeQuantize": reference.fake_quantize,
    "FakeQuantizeGrad": _fake_quantize_gradient,
    "LearnedScaleGradients": reference.learned_scale_gradients,
    "Quantize": lambda x, scale, zero_point, T: reference.quantize(x, scale, zero_point, T),
    "MinMax": reference.min_max,
    "QuantizedAdd": _pair(reference.quantized_add),
    "QuantizedMultiply": _pair(reference.quantized_multiply),
    "QuantizedBatchMatMul": _batch_matmul,
    "QuantizedMean": reference.quantized_mean,
    "MaxPool": _pool(reference.max_pool),
    "QuantizedAveragePool": _pool(reference.quantized_average_pool),
    "LookUp": reference.look_up,
    "QuantizedSoftmax": reference.quantized_softmax,
    "QuantizedLayerNormalization": reference.quantized_layer_normalization,
}
