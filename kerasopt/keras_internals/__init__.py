"""Every touch of what is private to Keras, under a name that says what it is for.

It is written for Keras 3.15, which `pyproject.toml` asks for. `.ci/next` runs the tests with the
coming Keras; what it has moved is mended here, and nowhere else.
"""
