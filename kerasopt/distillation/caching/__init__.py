"""The exact cache of a teacher: what it gives for all samples, in files."""

from kerasopt.distillation.caching.cached_teacher import CachedTeacher
from kerasopt.distillation.caching.making import cache

__all__ = ["CachedTeacher", "cache"]
