"""Tests on the JAX backend, in two processes: each would import and compile it all anew."""

import pytest
from processes import TESTS, run

# Not all that could: every function takes XLA some seconds. A name that is not there is an error.
ON_JAX = {
    "callbacks/test_backup_and_restore.py": [
        "test_a_resumed_training_ends_as_an_uninterrupted_one",
        "test_global_random_states_are_those_of_the_uninterrupted_run",
        "test_the_clock_goes_on",
    ],
    "parametrization/test_watching.py": [
        "test_operations_are_rounded_in_training[compiled0]",
        "test_files_have_the_quantizers[Causal]",
        "test_products_with_weights_are_rounded",
    ],
    "benchmarking/test_comparison.py": ["test_the_backend_is_named"],
    "callbacks/test_bad_batches.py": [
        "test_a_step_that_loss_scaling_skips_leaves_no_trace[default-nan]",
        "test_a_step_that_loss_scaling_skips_leaves_no_trace[lsq-nan]",
    ],
    "callbacks/test_curriculum.py": [
        "test_training_sees_the_batches_of_each_epoch",
        "test_continues_at_the_initial_epoch_and_in_a_second_fit",
        "test_explicit_steps_of_a_whole_epoch_change_nothing",
        "test_times",
        "test_an_update_is_several_batches_with_gradient_accumulation",
        "test_the_share_is_in_the_logs_of_training_alone",
        "test_other_data_than_fit_iterates_over",
        "test_a_training_too_short_for_it",
        "test_interrupted_training_leaves_no_trace",
    ],
    "callbacks/test_distillation.py": [
        "test_loss_and_its_parts",
        "test_regularizers_keep_their_weight",
        "test_the_teacher_is_read_and_not_changed",
        "test_the_teacher_is_no_part_of_the_student",
        "test_ways_to_run_the_step_agree",
        "test_mixed_precision",
        "test_two_teachers_share_one_hard_loss_in_any_order",
        "test_one_teacher_in_two_callbacks",
        "test_a_teacher_that_shares_layers_with_the_student",
        "test_several_inputs_and_outputs",
        "test_subclassed_models",
        "test_a_teacher_with_other_outputs",
        "test_a_model_is_not_its_own_teacher",
        "test_two_callbacks_that_do_not_go_together",
        "test_outputs_of_unknown_kind",
        "test_outputs_without_classes",
        "test_no_model_as_a_teacher",
        "test_a_teacher_without_weights",
    ],
    "distillation/caching/test_fit.py": [
        "test_in_the_order_of_a_curriculum",
        "test_without_labels_and_with_weights",
        "test_the_order_of_tf_data_whatever_fit_shuffles",
    ],
    "distillation/caching/test_views.py": ["test_every_epoch_is_exact[augment0]"],
    "callbacks/test_dynamic_pruning.py": [
        "TestDynamicPruning::test_a_resumed_training_equals_an_uninterrupted_one",
        "TestDynamicPruning::test_in_mixed_precision[mixed_float16]",
    ],
    "callbacks/test_early_stopping.py": [
        "test_patience_counts_when_compression_is_complete[2-after]",
        "test_a_metric_that_is_best_uncompressed",
    ],
    "callbacks/test_metric_guided_pruning.py": [
        "test_a_budget_of_the_metric_finds_the_sparsity",
    ],
    "callbacks/test_model_checkpoint.py": [
        "test_the_order_of_batches[before]",
    ],
    "callbacks/test_progressive_widths.py": [
        "test_learned_scales_have_it_too",
    ],
    "callbacks/test_pruning.py": [
        "TestPruning::test_an_interrupted_training_leaves_the_model_usable",
        "TestPruning::test_every_model_is_compressed_and_finalized[shared]",
        "TestPruning::test_every_model_is_compressed_and_finalized[recurrent]",
        "TestPruning::test_a_resumed_training_equals_an_uninterrupted_one",
        "TestPruning::test_plain_weights_load_into_a_compressed_model_and_back",
        "TestPruning::test_with_any_optimizer[ema_overwriting]",
        "TestPruning::test_with_any_optimizer[gradient_accumulation]",
        "TestPruning::test_in_mixed_precision[mixed_bfloat16]",
        "test_nothing_to_prune_raises_before_training",
        "test_overlapping_rules_raise_before_training",
        "test_a_criterion_that_gathers_has_nothing_to_prune_by_at_once",
    ],
    "callbacks/test_pruning_patterns.py": [
        "test_it_prunes_saves_and_finalizes[2:4-sequential-0.5]",
        "test_it_prunes_saves_and_finalizes[filter-convolutional-0.5]",
    ],
    "callbacks/test_quantization_specs.py": [
        "test_observers_that_count_find_the_range_once_when_rounding_begins[percentile]",
    ],
    "callbacks/test_tensorboard.py": [
        "test_how_much_of_each_mask_changed_and_where_it_cuts",
    ],
    "distillation/features/test_attention.py": [
        "TestRelations::test_padding_does_not_count[0]",
        "TestRelations::test_gradients_are_finite[0.0]",
    ],
    "distillation/features/test_feature_losses.py": [
        "test_padding_does_not_count[normalized]",
        "test_padding_does_not_count[attention_transfer]",
        "test_gradients_are_finite[both-3-relational]",
        "test_gradients_are_finite[both-3-cosine]",
    ],
    "distillation/losses/test_every_loss.py": ["test_equal_logits_have_gentle_gradients[DIST]"],
    "distillation/losses/test_for_output.py": [
        "test_losses_of_classes_find_out_what_outputs_are[decoupled]",
    ],
    "distillation/losses/test_labels.py": [
        "test_in_a_compiled_step_the_loss_of_such_samples_is_nan[soft]",
    ],
    "distillation/test_initialization.py": [
        "test_a_student_that_has_trained_and_trains_on",
    ],
    "graph/test_cloning.py": [
        "test_every_layer_of_keras_with_state_is_copied[ConvLSTM1D]",
        "test_models_of_any_kind_are_copied[compressed]",
        "test_models_of_any_kind_are_copied[functional subclass]",
        "test_models_of_any_kind_are_copied[without config]",
        "test_a_copy_trains_apart_and_is_not_compiled",
    ],
    "graph/test_dot_product_attention.py": ["test_in_half_precision"],
    "parametrization/test_functions.py": [
        "test_functions_of_a_models_own_are_traced_anew",
        "test_a_copy_traces_functions_of_its_own",
    ],
    "parametrization/test_lora.py": [
        "test_the_sum_is_compressed_and_the_factors_train[compressed before]",
    ],
    "quantization/test_matrix_products.py": ["test_an_attention_trains[masked]"],
    "sparsity/criteria/test_wanda.py": [
        "test_inputs_that_do_not_show[<Function-embedding]",
    ],
    "sparsity/regrowth/test_regrowth.py": [
        "test_a_resumed_training_equals_an_uninterrupted_one",
    ],
    "sparsity/sensitivity_analysis/test_analysis.py": ["test_the_model_is_left_as_it_was"],
    "sparsity/test_rewinding.py": [
        "test_a_resumed_training_equals_an_uninterrupted_one",
    ],
    "techniques/test_together.py": [
        "TestTogether::test_every_model_is_compressed_and_finalized[nested]",
        "TestTogether::test_every_model_is_compressed_and_finalized[subclassed]",
    ],
    "training/optimizers/test_gradient_statistics.py": [
        "test_statistics_are_those_computed_by_hand"
        "[{'gradient_accumulation_steps': 4}-{'jit_compile': False}-{'accumulated': 4}]",
        "test_in_mixed_precision_statistics_are_unscaled_and_float32",
        "test_repeated_rows_of_an_embedding",
        "test_the_end_of_training_takes_all_of_it_off",
    ],
    "training/test_clock.py": [
        "test_counts_updates",
        "test_sixteen_batches_that_accumulate_four_are_four_updates",
        "test_a_continued_fit_goes_on",
        "test_a_second_compile_is_found_out",
        "test_is_in_the_weights_file_and_nowhere_else",
    ],
    "training/test_loss_terms.py": [
        "test_the_term_is_trained",
        "test_terms_add_up_in_any_order_and_see_the_same_loss",
        "test_the_same_callback_twice_is_one_and_serves_several_fits",
        "test_the_term_sees_the_batch_and_the_loss_without_regularizers",
        "test_a_loss_of_the_users_own_comes_back",
        "test_compute_loss_without_a_training_argument",
        "test_values_are_logged_in_training_alone",
        "test_logged_value_is_the_mean_over_samples",
        "test_survives_a_train_function_made_anew_in_the_middle",
        "test_weights_and_files_are_those_of_the_model_during_fit",
        "test_interrupted_anywhere",
        "test_a_step_that_fails_leaves_the_model_usable",
        "test_a_train_step_that_never_computes_the_loss",
        "test_a_train_step_that_never_computes_the_loss_in_an_epoch_of_one_step",
    ],
    "training/test_timed_callback.py": [
        "test_acts_when_due_and_at_both_ends",
        "test_a_continued_fit_goes_on_and_a_new_one_starts_again",
        "test_the_clock_is_read_only_when_something_may_be_due",
        "test_a_failure_in_the_first_step_leaves_the_values_of_the_model",
        "test_a_failure_before_training_leaves_the_model_as_it_was",
    ],
}

# With all optimizations of XLA, which may change last bits.
OPTIMIZED = {
    "callbacks/test_learned_quantization.py": [
        "TestLearnedQuantization::test_a_resumed_training_equals_an_uninterrupted_one",
    ],
    "callbacks/test_pruning.py": [
        "TestPruning::test_in_compiled_steps[{'steps_per_execution': 3}]",
    ],
    "sparsity/criteria/test_wanda.py": [
        "test_in_fit[{'jit_compile': True}-mixed_float16]",
    ],
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Settings with which a program that several tests run is compiled once."""
    return {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("programs")),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


# Programs of a few steps take longer to compile than to run.
UNOPTIMIZED = {
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    "XLA_FLAGS": "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1",
}


@pytest.mark.parametrize(
    "table, settings", [(ON_JAX, UNOPTIMIZED), (OPTIMIZED, {})], ids=["plain", "optimized"]
)
def test_on_jax(table, settings, cache):
    names = [f"{TESTS / file}::{name}" for file, names in table.items() for name in names]
    how = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", **settings, **cache}
    assert " passed" in run("-m", "pytest", "-q", *names, **how)
