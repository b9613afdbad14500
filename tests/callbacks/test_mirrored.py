from processes import TESTS, run, run_with_keras


def test_masks_on_two_devices_are_those_on_one():
    assert run_with_keras(TESTS / "callbacks/mirrored_pruning.py") == "10 prunings agree\n"


def test_ranges_on_two_devices_are_one():
    output = run_with_keras(TESTS / "callbacks/mirrored_quantization.py")
    assert output == "one range on both\n"


def test_masks_of_sharded_kernels_are_sharded():
    devices = "--xla_force_host_platform_device_count=2"
    environment = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": devices}
    output = run(TESTS / "callbacks/sharded_pruning.py", **environment)
    assert output == "masks lie where kernels do\n"
