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
    """Whether Keras makes a model of what a file says, before it reads the weights."""
    # Objects of a file are shared under their numbers; nothing else has such a scope.
    return get_global_attribute("shared_objects/id_to_obj_map") is not None


def unpickled(cls: Any, file: Any) -> Any:
    """Returns the object of a class that a file in memory holds, as Keras pickles models."""
    return cls._unpickle_model(file)


def unpickled_as(base: Any) -> dict[str, Any]:
    """Returns what a subclass defines so that its objects are pickled as those of `base`."""
    return {"_unpickle_model": base._unpickle_model}


def track_backend_variables(archive: keras.export.ExportArchive) -> None:
    """Writes the variables of a SavedModel once.

    Keras tracks its own variables, and those of TensorFlow inside of them where an endpoint reads
    them: everything would be in the file twice.
    """
    tracked = archive._tf_trackable
    for name in ("variables", "trainable_variables", "non_trainable_variables"):
        # Keras 3.16 has put those of TensorFlow there by itself.
        known = getattr(tracked, name)
        setattr(tracked, name, [x.value if isinstance(x, keras.Variable) else x for x in known])
