"""Curriculum learning: how hard, how much, which samples.

| axis | members |
| --- | --- |
| scorer | any array of difficulties; `loss_scores`: the losses of a trained model |
| pacing | `"root"`, `"linear"`: the share of the sorted samples that may be drawn |
| order | `"easy"`, `"hard"`, `"random"`: which samples belong to that share first |
"""

from kerasopt.curriculum.dataset import CurriculumDataset
from kerasopt.curriculum.pacing import LinearPacing, RootPacing, deserialize, get, serialize
from kerasopt.curriculum.scorers import loss_scores

__all__ = [
    "CurriculumDataset",
    "LinearPacing",
    "RootPacing",
    "deserialize",
    "get",
    "loss_scores",
    "serialize",
]
