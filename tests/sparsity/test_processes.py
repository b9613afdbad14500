"""Statistics on the JAX backend, and on two devices: in processes of their own."""

from processes import TESTS, run, run_on_jax

FILES = [
    "sparsity/criteria/test_criteria.py",
    "sparsity/criteria/test_wanda.py",
    "optimizers/test_gradient_statistics.py",
]
# Not all of them: every function takes XLA some seconds.
CASES = [
    "statistics_are_those and gradient_accumulation",
    "mixed_precision or embedding or end_of_training",
    "test_in_fit and float16 and jit",
]


def test_on_jax():
    run_on_jax([TESTS / file for file in FILES], CASES)


def test_on_two_devices():
    assert run(TESTS / "sparsity/mirrored_statistics.py") == "6 statistics agree\n"
