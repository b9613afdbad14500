"""Structured patterns: the weights of a channel, a pair of channels, or a head."""

from kerasopt.sparsity.patterns.grouping import Grouping
from kerasopt.sparsity.patterns.pattern import PATTERNS, Pattern


@PATTERNS.register("kernel")
class Kernel(Pattern):
    """One spatial slice of a convolution: the window between one input and one output channel.

    Of a kernel (height, width, in, out), in * out groups of height * width weights. Kernels
    without spatial axes, as in Dense, have no such slices.

    ```python
    ko.callbacks.Pruning(0.5, pattern="kernel", rules=[("stem", None)])
    ```

    Reference:
        Mao et al., "Exploring the Regularity of Sparse Structure in Convolutional Neural
        Networks" (2017, https://arxiv.org/abs/1705.08922).
    """

    needs = "spatial axes"

    def applies(self, shape, layout):
        return bool(layout.spatial)

    def grouping(self, shape, layout):
        return Grouping.along(shape, layout.inputs + layout.outputs)


@PATTERNS.register("filter")
class Filter(Pattern):
    """One output channel: a filter of a convolution, a unit of a dense layer.

    Of a kernel (height, width, in, out), out groups of height * width * in weights.

    ```python
    ko.callbacks.Pruning(0.5, pattern="filter")
    ```

    Reference:
        Li et al., "Pruning Filters for Efficient ConvNets" (2017,
        https://arxiv.org/abs/1608.08710).
    """

    def grouping(self, shape, layout):
        return Grouping.along(shape, layout.outputs)


@PATTERNS.register("channel")
class Channel(Pattern):
    """One input channel, for all outputs; one row of an embedding.

    Of a kernel (height, width, in, out), in groups of height * width * out weights. In a
    grouped convolution, one channel of each of its groups.

    ```python
    ko.callbacks.Pruning(0.5, pattern="channel", rules=[("stem", None)])
    ```

    Reference:
        He et al., "Channel Pruning for Accelerating Very Deep Neural Networks" (2017,
        https://arxiv.org/abs/1707.06168).
    """

    needs = "axis of input channels"

    def applies(self, shape, layout):
        return bool(layout.inputs)

    def grouping(self, shape, layout):
        return Grouping.along(shape, layout.inputs)


@PATTERNS.register("head")
class Head(Pattern):
    """One head of an attention layer.

    In the query, key and value kernels (inputs, heads, size) the heads are the first of two
    output axes, in the output kernel (heads, size, outputs) the first of two input axes, and in
    the biases (heads, size) the first axis.

    ```python
    ko.callbacks.Pruning(ko.schedules.OneShot(0.5, "10%"), pattern="head", criterion="saliency")
    ```

    Reference:
        Michel et al., "Are Sixteen Heads Really Better than One?" (2019,
        https://arxiv.org/abs/1905.10650).
    """

    needs = "axis of heads"

    def applies(self, shape, layout):
        return not layout.spatial and len(self._channels(layout)) > 1

    def grouping(self, shape, layout):
        return Grouping.along(shape, self._channels(layout)[:1])

    def _channels(self, layout):
        return layout.contracted if len(layout.contracted) > 1 else layout.outputs
