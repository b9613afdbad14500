"""Blocks of a kernel, seen as a matrix."""

import math

from kerasopt.sparsity.patterns.grouping import Grouping
from kerasopt.sparsity.patterns.pattern import PATTERNS, Pattern


@PATTERNS.register("blockRxC", form=r"block(\d+)x(\d+)")
class Block(Pattern):
    """Rectangular blocks of the kernel as a matrix: `"block4x1"`, or any `"blockRxC"`.

    The matrix has a row for each (spatial position, input channel), the channels of one position
    side by side, and a column for each output channel. Every block has R rows and C columns, so
    `"block4x1"` is 4 inputs of 1 output. If R or C does not divide the matrix, the blocks at the
    lower and right border are smaller. The rows of a depthwise kernel are its positions.

    ```python
    ko.callbacks.Pruning(0.8, pattern="block4x1")  # or ko.sparsity.Block(4, 1)
    ```

    Reference:
        Narang et al., "Block-Sparse Recurrent Neural Networks" (2017,
        https://arxiv.org/abs/1711.02782).

    Args:
        rows: Integer, how many rows a block has.
        columns: Integer, how many columns a block has.

    Raises:
        ValueError: If either is less than 1.
    """

    needs = "spatial axes and no input channels that the layer sums over"

    def __init__(self, rows: int, columns: int):
        if min(rows, columns) < 1:
            raise ValueError(
                "A block must have at least one row and one column. Received: "
                f"pattern='block{rows}x{columns}'"
            )
        self.rows, self.columns = rows, columns
        self.alias = f"block{rows}x{columns}"

    def applies(self, shape, layout):
        return bool(layout.spatial + layout.contracted)

    def check(self, path, shape, layout):
        super().check(path, shape, layout)
        rows, columns = self.grouping(shape, layout).view
        if self.rows > rows or self.columns > columns:
            raise ValueError(
                self._refusal(
                    path,
                    shape,
                    f"is a matrix of {rows}x{columns} (spatial positions * inputs, outputs): "
                    f"smaller than a block of {self.rows}x{self.columns}",
                )
            )

    def grouping(self, shape, layout):
        rows, columns = layout.spatial + layout.contracted, layout.outputs
        view = tuple(math.prod(shape[axis] for axis in axes) for axes in (rows, columns))
        return Grouping(shape, rows + columns, view, (self.rows, self.columns))

    def get_config(self):
        return {"rows": self.rows, "columns": self.columns}
