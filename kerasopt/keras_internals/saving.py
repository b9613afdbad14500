"""Reading and writing models."""

from typing import Any

import keras
from keras.src.backend.common.global_state import get_global_attribute
from keras.src.export.export_utils import get_input_signature
from keras.src.saving.keras_saveable import KerasSaveable

__all__ = [
    "KerasSaveable",
    "get_input_signature",
    "is_reading_file",
    "track_backend_variables",
    "unpickled",
    "unpickled_as",
]


def is_reading_file() -> bool:
    """Whether Keras is creating a model from a file, before it reads the weights."""
    # Only deserialization of a file has a scope of shared objects.
    return get_global_attribute("shared_objects/id_to_obj_map") is not None


def unpickled(cls: Any, file: Any) -> Any:
    """Returns the object of a class from a file in memory, as Keras unpickles models."""
    return cls._unpickle_model(file)


def unpickled_as(base: Any) -> dict[str, Any]:
    """Returns the members with which a subclass is pickled as `base`."""
    return {"_unpickle_model": base._unpickle_model}


def track_backend_variables(archive: keras.export.ExportArchive) -> None:
    """Makes a SavedModel contain its variables only once.

    Keras tracks its own variables, and the TensorFlow variables inside them that an endpoint reads,
    so everything would be in the file twice.
    """
    tracked = archive._tf_trackable
    for name in ("variables", "trainable_variables", "non_trainable_variables"):
        # Keras 3.16 has put those of TensorFlow there by itself.
        known = getattr(tracked, name)
        setattr(tracked, name, [x.value if isinstance(x, keras.Variable) else x for x in known])
