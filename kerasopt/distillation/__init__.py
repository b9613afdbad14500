"""Knowledge distillation: losses between the outputs of a student and a teacher.

| loss | class |
| --- | --- |
| `"kl_divergence"` | `KLDivergence`: softened class probabilities (Hinton et al., 2015) |
| `"decoupled"` | `Decoupled`: the labelled class, apart from the others (Zhao et al., 2022) |
| `"dist"` | `DIST`: correlations between and within classes (Huang et al., 2022) |
| `"logits_mse"` | `LogitsMSE`: squared differences of logits (Kim et al., 2021) |
| `"binary"` | `BinaryKLDivergence`: one sigmoid unit, or labels that do not exclude each other |
| `"mse"` and others | Keras' own losses that compare values |

Losses between features, inside the networks, are in `kerasopt.distillation.features`.
"""

from typing import Any

from kerasopt.axis import find_class
from kerasopt.distillation.caching import CachedTeacher, cache
from kerasopt.distillation.features import FEATURE_LOSSES, FeatureLoss
from kerasopt.distillation.lessons import Lesson, check_losses, make_lessons
from kerasopt.distillation.losses import LOSSES, deserialize, get, serialize
from kerasopt.distillation.outputs import Kind, Output, outputs_of
from kerasopt.distillation.own_loss import own_loss
from kerasopt.distillation.teacher import Teacher

__all__ = [
    "CachedTeacher",
    "FeatureLoss",
    "Kind",
    "Lesson",
    "Output",
    "Teacher",
    "cache",
    "check_losses",
    "deserialize",
    "get",
    "make_lessons",
    "outputs_of",
    "own_loss",
    "serialize",
    *FEATURE_LOSSES.classes,
    *LOSSES.classes,
]


def __getattr__(name: str) -> Any:
    return find_class(__name__, name, LOSSES, FEATURE_LOSSES)
