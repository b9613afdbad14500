"""A weight that is read through a mask, and its division into groups."""

from dataclasses import dataclass

import keras
import numpy as np

from kerasopt.graph import KernelLayout
from kerasopt.sparsity.mask import Mask
from kerasopt.sparsity.patterns.grouping import Grouping


@dataclass(eq=False)
class MaskedWeight:
    """A weight of a layer, with its mask.

    Attributes:
        number: Integer, its index among the masked weights of one pruning. It seeds random numbers,
            since automatic names differ from model to model.
        path: String, the path of the layer in the model.
        layer: The layer.
        name: String, the attribute name of the weight.
        link: The `Mask` that the layer reads it through.
        layout: `KernelLayout`, the meaning of its axes.
        grouping: `Grouping`, its division into groups that are pruned together.
        gathered: The variable with the statistic that the criterion gathers in training, or `None`.
        growth: The variable, of its shape, with the statistic that the regrowth gathers.
    """

    number: int
    path: str
    layer: keras.layers.Layer
    name: str
    link: Mask
    layout: KernelLayout
    grouping: Grouping
    gathered: keras.Variable | None = None
    growth: keras.Variable | None = None

    @property
    def size(self) -> int:
        """The number of values."""
        return int(np.prod(self.grouping.shape))

    @property
    def stored(self) -> keras.Variable:
        """The variable that the optimizer updates, or that is frozen under LoRA."""
        return getattr(self.layer, self.name).stored

    @property
    def value(self) -> np.ndarray:
        """The values without the mask, hidden ones included, as float32."""
        return _float32(getattr(self.layer, self.name).own_value)

    @property
    def statistic(self) -> np.ndarray | None:
        """The gathered statistic, as float32."""
        return None if self.gathered is None else _float32(self.gathered.value)

    @property
    def mask(self) -> np.ndarray:
        """The mask, a boolean array of the weight's shape."""
        return np.asarray(self.link.mask.value)

    def move(self, mask: np.ndarray) -> bool:
        """Sets the mask, and returns whether it has changed."""
        if np.array_equal(mask, self.mask):
            return False
        self.link.mask.assign(mask)
        return True

    def __str__(self):
        """The path of the weight in the model, such as `"block1/conv/kernel"`."""
        return f"{self.path}/{self.name}"


def _float32(values) -> np.ndarray:
    # Not `convert_to_numpy`, which copies twice on TensorFlow.
    return np.asarray(keras.ops.cast(values, "float32"))
