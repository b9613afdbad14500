"""The peak of the multiply instruction, as a reference for products of int8 matrices."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from kerasopt.ops import native

STEPS = 4_000_000  # about 15 milliseconds, compared with microseconds to start threads


class Peak:
    """A loop of multiply instructions on registers, in every thread at once.

    Args:
        threads: Integer, the number of threads.

    Attributes:
        products: The number of int8 products in a call; 0 if the instruction set in use has no
            vectors.
    """

    def __init__(self, threads: int):
        self._pool = ThreadPoolExecutor(threads)
        self._steps = [STEPS] * threads
        self.products = threads * STEPS * native.peak_products(1)

    def __call__(self) -> None:
        list(self._pool.map(native.peak_products, self._steps))
