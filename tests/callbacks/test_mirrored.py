from processes import TESTS, run


def test_masks_on_two_devices_are_those_on_one():
    assert run(TESTS / "callbacks/mirrored_pruning.py") == "10 prunings agree\n"
