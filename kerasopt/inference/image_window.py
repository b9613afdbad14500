"""What the layers that move windows over images have in common."""

from __future__ import annotations

from typing import Any

from kerasopt.inference.layer import InferenceLayer
from kerasopt.inference.packed import FormattedLayer
from kerasopt.ops.validation import as_pair, output_size, pads_of_axes, standardize_pads


class ImageWindow(InferenceLayer):
    """Mixin of convolutions: windows over images with channels last.

    Args:
        kernel_size: Integer or pair.
        strides: Integer or pair.
        padding: `"valid"`, `"same"` or `((top, bottom), (left, right))`, in pixels.
        dilation_rate: Integer or pair.
        **kwargs: The arguments of the layer.
    """

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int] = 1,
        padding: str | tuple = "valid",
        dilation_rate: int | tuple[int, int] = 1,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.kernel_size = as_pair("kernel_size", kernel_size)
        self.strides = as_pair("strides", strides)
        self.padding = standardize_pads(padding)
        self.dilation_rate = as_pair("dilation_rate", dilation_rate)

    @property
    def window(self) -> dict[str, Any]:
        return {
            "strides": self.strides,
            "padding": self.padding,
            "dilation_rate": self.dilation_rate,
        }

    def image_shape(self, input_shape: Any) -> tuple[int | None, int | None]:
        height, width = (
            output_size(size, (kernel - 1) * dilation + 1, stride, pads)
            for size, kernel, stride, dilation, pads in zip(
                input_shape[1:3],
                self.kernel_size,
                self.strides,
                self.dilation_rate,
                pads_of_axes(self.padding),
                strict=True,
            )
        )
        return height, width

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kernel_size": self.kernel_size, **self.window}


class FilteredImage(ImageWindow):
    """Mixin of convolutions with a kernel `(height, width, channels, filters)`.

    Args:
        filters: Positive integer, the number of output channels.
        kernel_size: Integer or pair.
        **kwargs: The arguments of `ImageWindow`.
    """

    def __init__(self, filters: int, kernel_size: int | tuple[int, int], **kwargs: Any):
        super().__init__(kernel_size, **kwargs)
        self.filters = filters

    def kernel_shape(self, input_shape: Any) -> tuple[int, ...]:
        return (*self.kernel_size, input_shape[-1], self.filters)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (input_shape[0], *self.image_shape(input_shape), self.filters)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": self.filters}


class GroupedImage(FilteredImage, FormattedLayer):
    """Mixin of convolutions with a kernel `(height, width, channels / groups, filters)`.

    Args:
        filters: Positive integer, the number of output channels.
        kernel_size: Integer or pair.
        groups: Positive integer, the number of groups, as in `keras.layers.Conv2D`.
        **kwargs: The arguments of `ImageWindow`.
    """

    def __init__(
        self, filters: int, kernel_size: int | tuple[int, int], groups: int = 1, **kwargs: Any
    ):
        super().__init__(filters, kernel_size, **kwargs)
        self.groups = groups

    def kernel_shape(self, input_shape: Any) -> tuple[int, ...]:
        *window, channels, filters = super().kernel_shape(input_shape)
        return (*window, channels // self.groups, filters)

    @property
    def packing(self) -> dict[str, Any]:
        window = {"groups": self.groups, "dilation_rate": self.dilation_rate}
        return {**super().packing, **window}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "groups": self.groups}
