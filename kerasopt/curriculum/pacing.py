"""Pacing functions: the share of the sorted samples in use, by the progress of the curriculum."""

import math

import keras


@keras.saving.register_keras_serializable(package="kerasopt")
class RootPacing:
    """The share grows fast at first, while new samples are few beside those in use.

    With the progress `t` in `[0, 1]`, the first share `c0` and the exponent `p`, the share (the
    *competence* of the model) is

        c(t) = min(1, (t * (1 - c0 ** p) + c0 ** p) ** (1 / p))

    which is the root competence of Platanios et al., "Competence-based Curriculum Learning for
    Neural Machine Translation" (NAACL 2019, https://arxiv.org/abs/1903.09848); `p=2` is their
    square root. Growth is inversely proportional to `c ** (p - 1)`: the more samples are in use,
    the more slowly others join them, so that there is time to learn those that have joined.

    ```python
    pacing = ko.curriculum.RootPacing(initial=0.1, p=3)
    callback = ko.callbacks.Curriculum(data, pacing=pacing, end="40%")
    ```

    Args:
        initial: The share at the beginning, `c0`, a float in `(0, 1]`.
        p: The root that is taken, a float of at least 1.

    Raises:
        ValueError: If `initial` or `p` is outside its range.
    """

    def __init__(self, initial: float = 0.01, p: float = 2.0):
        if not 0 < initial <= 1:
            raise ValueError(
                f"`initial` must be a share of the samples in (0, 1]. Received: initial={initial!r}"
            )
        if not 1 <= p < math.inf:
            raise ValueError(f"`p` must be a number of at least 1. Received: p={p!r}")
        self.initial = float(initial)
        self.p = float(p)

    def __call__(self, progress: float) -> float:
        start = self.initial**self.p
        return min(1.0, (progress * (1 - start) + start) ** (1 / self.p))

    def get_config(self) -> dict:
        return {"initial": self.initial, "p": self.p}

    @classmethod
    def from_config(cls, config: dict) -> "RootPacing":
        return cls(**config)


@keras.saving.register_keras_serializable(package="kerasopt")
class LinearPacing(RootPacing):
    """The share grows at a constant rate.

    `c(t) = min(1, t * (1 - c0) + c0)`, the linear competence of Platanios et al. (2019,
    https://arxiv.org/abs/1903.09848): root pacing with `p=1`.

    ```python
    callback = ko.callbacks.Curriculum(data, pacing="linear", end="40%")
    ```

    Args:
        initial: The share at the beginning, `c0`, a float in `(0, 1]`.

    Raises:
        ValueError: If `initial` is outside its range.
    """

    def __init__(self, initial: float = 0.01):
        super().__init__(initial, p=1)

    def get_config(self) -> dict:
        return {"initial": self.initial}


ALIASES: dict[str, type[RootPacing]] = {"linear": LinearPacing, "root": RootPacing}


def serialize(pacing) -> dict:
    """The config of a pacing function, as Keras' `serialize` functions give it."""
    return keras.saving.serialize_keras_object(pacing)


def deserialize(config: dict):
    """The pacing function of a config that `serialize` returned."""
    return keras.saving.deserialize_keras_object(config)


def get(identifier):
    """Resolves a pacing function, as Keras' `get` functions do.

    Args:
        identifier: `"root"`, `"linear"`, a config dict, or a callable that takes the progress, a
            float in `[0, 1]`, and returns the share, a float in `(0, 1]`.

    Returns:
        The pacing function.

    Raises:
        ValueError: If the identifier is none of these.
    """
    if isinstance(identifier, str) and identifier in ALIASES:
        return ALIASES[identifier]()
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if callable(identifier) and not isinstance(identifier, type):
        return identifier
    raise ValueError(
        f"`pacing` must be one of {sorted(ALIASES)} or a callable from progress to share. "
        f"Received: pacing={identifier!r}"
    )
