"""All access to private parts of Keras, under names that say what it is for.

Written for Keras 3.15, which `pyproject.toml` requires. `.ci/next` runs the tests with the next
Keras; adaptations to it belong here, and nowhere else.
"""
