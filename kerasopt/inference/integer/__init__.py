"""Layers that read or write integers."""
