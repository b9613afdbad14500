"""The windows of convolutions and of pooling."""

from __future__ import annotations

from typing import Any

from kerasopt.ops.reference.convolution import same_padding


def window_of(
    node: Any, layer: Any, size: tuple[int, int], dilation_rate: tuple[int, int] = (1, 1)
) -> dict[str, Any]:
    """Returns the attributes of an operator that is called on an image with channels last."""
    attributes = {"kernel_shape": size, "strides": layer.strides}
    if layer.padding == "valid":
        return attributes
    if layer.padding != "same":
        begins, ends = zip(*layer.padding, strict=True)
        return {**attributes, "pads": [*begins, *ends]}
    # A stride of 1 pads images of all sizes alike.
    image = node.keras_node.input_tensors[0].shape[1:3]
    known = [1 if stride == 1 else at for at, stride in zip(image, layer.strides, strict=True)]
    if None in known:
        # The odd pixel is padded at the end, as TensorFlow has it.
        return {**attributes, "auto_pad": "SAME_UPPER"}
    dilated = [(k - 1) * rate + 1 for k, rate in zip(size, dilation_rate, strict=True)]
    pads = [same_padding(*axis) for axis in zip(known, dilated, layer.strides, strict=True)]
    begins, ends = zip(*pads, strict=True)
    return {**attributes, "pads": [*begins, *ends]}
