"""Statistics on two devices, in a process of its own."""

from processes import TESTS, run


def test_on_two_devices():
    assert run(TESTS / "sparsity/mirrored_statistics.py") == "6 statistics agree\n"
