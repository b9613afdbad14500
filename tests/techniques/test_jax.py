"""The shared cases on the JAX backend, in a process of their own."""

from processes import TESTS, run_on_jax

FILES = [
    "callbacks/test_pruning.py",
    "callbacks/test_dynamic_pruning.py",
    "callbacks/test_pruning_patterns.py",
    "callbacks/test_learned_quantization.py",
    "callbacks/test_metric_guided_pruning.py",
    "callbacks/test_bad_batches.py",
    "callbacks/test_progressive_widths.py",
    "callbacks/test_quantization_specs.py",
    "parametrization/test_lora.py",
    "sparsity/regrowth/test_regrowth.py",
    "sparsity/test_rewinding.py",
    "techniques/test_together.py",
]
# Not all of them: every function takes XLA some seconds.
CASES = [
    "TestTogether and finalized and (subclassed or nested)",
    "TestPruning and finalized and (shared or recurrent)",
    "TestPruning and (resumed or plain_weights or mixed_bfloat16 or usable)",
    "TestPruning and (steps_per_execution or ema_overwriting or gradient_accumulation)",
    "test_pruning_patterns and finalizes and (filter or 2)",
    "TestDynamicPruning and (resumed or mixed_float16)",
    "TestLearnedQuantization and resumed",
    "test_progressive_widths and learned_scales",
    "test_bad_batches and no_trace and nan and (default or lsq)",
    "test_quantization_specs and count_find and percentile",
    "test_regrowth and resumed",
    "test_rewinding and resumed",
    "test_lora and compressed and before",
    "budget or nothing_to_prune or overlapping",
]


def test_on_jax():
    run_on_jax([TESTS / file for file in FILES], CASES)
