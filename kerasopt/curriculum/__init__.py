"""Curriculum learning: difficulty scores, pacing and order of samples.

| axis | members |
| --- | --- |
| scorer | any array of difficulties; `loss_scores`: the losses of a trained model |
| pacing | the share of the sorted samples that may be drawn, as by `"root"` |
| order | `"easy"`, `"hard"`, `"random"`: which samples belong to that share first |
"""

from typing import Any

from kerasopt.axis import find_class
from kerasopt.curriculum.dataset import CurriculumDataset
from kerasopt.curriculum.pacings import PACINGS, Pacing, deserialize, get, serialize
from kerasopt.curriculum.scorers import loss_scores

__all__ = [
    "CurriculumDataset",
    "Pacing",
    "deserialize",
    "get",
    "loss_scores",
    "serialize",
    *PACINGS.classes,
]


def __getattr__(name: str) -> Any:
    return find_class(__name__, name, PACINGS)
