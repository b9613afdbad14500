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
from kerasopt.distillation.agreement import NAMES as AGREEMENT
from kerasopt.distillation.caching import CachedTeacher, cache
from kerasopt.distillation.distillation_run import DistillationRun
from kerasopt.distillation.features import FEATURE_LOSSES, FeatureLoss
from kerasopt.distillation.imitation import Imitation
from kerasopt.distillation.initialization import initialize
from kerasopt.distillation.losses import LOSSES, deserialize, get, serialize
from kerasopt.distillation.matching import Features, as_features
from kerasopt.distillation.outputs import Kind, Output, outputs_of
from kerasopt.distillation.scalar import Scalar, scalars_of
from kerasopt.distillation.teachers import (
    FileTeacher,
    ModelTeacher,
    SelfTeacher,
    Teacher,
    as_teachers,
)
from kerasopt.distillation.weighting import finite, weights_of_finite

__all__ = [
    "AGREEMENT",
    "CachedTeacher",
    "DistillationRun",
    "FeatureLoss",
    "Features",
    "FileTeacher",
    "Imitation",
    "Kind",
    "ModelTeacher",
    "Output",
    "Scalar",
    "SelfTeacher",
    "Teacher",
    "as_features",
    "as_teachers",
    "cache",
    "deserialize",
    "finite",
    "get",
    "initialize",
    "outputs_of",
    "scalars_of",
    "serialize",
    "weights_of_finite",
    *FEATURE_LOSSES.classes,
    *LOSSES.classes,
]


def __getattr__(name: str) -> Any:
    return find_class(__name__, name, LOSSES, FEATURE_LOSSES)
