"""Surrogate gradients for the sign function."""

import keras


def clipped(x):
    """`clip(x, -1, 1)`, of gradient 1 where |x| <= 1 (Courbariaux et al. 2016)."""
    return keras.ops.clip(x, -1.0, 1.0)


def approximate(x):
    """`2x - x|x|` where |x| <= 1, of gradient `2 - 2|x|` (Liu et al. 2018)."""
    x = keras.ops.clip(x, -1.0, 1.0)
    return 2.0 * x - x * keras.ops.abs(x)


SURROGATES = {"clipped": clipped, "approximate": approximate}


def check_gradient(gradient) -> None:
    """Raises `ValueError` if `gradient` names none of these."""
    if gradient not in SURROGATES:
        raise ValueError(
            f"`gradient` must be one of {sorted(SURROGATES)}. Received: gradient={gradient!r}"
        )
