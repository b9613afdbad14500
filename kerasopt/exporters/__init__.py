"""Models as files."""

from kerasopt.exporters.keras_archive import save

__all__ = ["save"]
