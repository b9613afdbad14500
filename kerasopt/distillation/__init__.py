"""Knowledge distillation: what a student's outputs should share with a teacher's.

| loss | class |
| --- | --- |
| `"kl_divergence"` | `KLDivergence`: softened class probabilities (Hinton et al., 2015) |
| `"mse"` and others | Keras' own losses that compare values |
"""

from kerasopt.distillation.kl_divergence import KLDivergence
from kerasopt.distillation.lessons import Lesson, check_losses, make_lessons
from kerasopt.distillation.losses import deserialize, get, serialize
from kerasopt.distillation.outputs import Kind, Output, outputs_of
from kerasopt.distillation.own_loss import own_loss
from kerasopt.distillation.teacher import Teacher

__all__ = [
    "KLDivergence",
    "Kind",
    "Lesson",
    "Output",
    "Teacher",
    "check_losses",
    "deserialize",
    "get",
    "make_lessons",
    "outputs_of",
    "own_loss",
    "serialize",
]
