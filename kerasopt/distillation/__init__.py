"""Knowledge distillation: what a student's outputs should share with a teacher's.

| loss | class |
| --- | --- |
| `"kl_divergence"` | `KLDivergence`: softened class probabilities (Hinton et al., 2015) |
"""

from kerasopt.distillation.losses import KLDivergence, deserialize, get, serialize
from kerasopt.distillation.outputs import outputs_are_logits
from kerasopt.distillation.teacher import Teacher

__all__ = [
    "KLDivergence",
    "Teacher",
    "deserialize",
    "get",
    "outputs_are_logits",
    "serialize",
]
