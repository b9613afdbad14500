"""Models as files."""

from kerasopt.exporters.export import export
from kerasopt.exporters.keras_archive import save

__all__ = ["export", "save"]
