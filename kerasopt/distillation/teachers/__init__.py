"""What a student learns from."""

from kerasopt.distillation.teachers.file_teacher import FileTeacher
from kerasopt.distillation.teachers.model_teacher import ModelTeacher
from kerasopt.distillation.teachers.resolving import as_teachers
from kerasopt.distillation.teachers.self_teacher import SelfTeacher
from kerasopt.distillation.teachers.teacher import Teacher

__all__ = ["FileTeacher", "ModelTeacher", "SelfTeacher", "Teacher", "as_teachers"]
