"""The layer whose code is being recorded."""

from __future__ import annotations

import types
from dataclasses import dataclass, field
from typing import Any

import keras

from kerasopt.graph.opening.places import Places
from kerasopt.graph.opening.sizes import flattened


@dataclass
class Context:
    """The layer whose own code runs.

    Attributes:
        unseen: Dict of the ids of its tensors that `watched` does not see when the code runs on
            data, since nothing of the data is in them: made of sizes, or by functions of the
            backend. Operations on them alone have no names.
    """

    layer: keras.Layer
    path: str
    places: Places
    parts: dict[int, str]
    frame: types.FrameType | None = None
    unseen: dict[int, keras.KerasTensor] = field(default_factory=dict)

    def is_unseen(self, args: tuple, kwargs: dict[str, Any]) -> bool:
        """Whether all tensors of a call are unseen."""
        tensors = [x for x in flattened((args, kwargs)) if isinstance(x, keras.KerasTensor)]
        return bool(tensors) and all(id(x) in self.unseen for x in tensors)

    def leave_unseen(self, outputs: Any) -> Any:
        """Returns outputs of a call, which are unseen from now on."""
        self.unseen |= {id(x): x for x in keras.tree.flatten(outputs)}
        return outputs
