"""Statistics on two devices, in a process of its own."""

from processes import TESTS, run_with_keras


def test_on_two_devices():
    output = run_with_keras(TESTS / "sparsity/mirrored_statistics.py")
    assert output == "6 statistics agree\n"
