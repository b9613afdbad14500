from processes import TESTS, run


def test_masks_on_two_devices_are_those_on_one():
    assert run(TESTS / "callbacks/mirrored_pruning.py") == "10 prunings agree\n"


def test_ranges_on_two_devices_are_one():
    assert run(TESTS / "callbacks/mirrored_quantization.py") == "one range on both\n"
