import processes


def test_two_devices_compute_the_same_integers(tmp_path):
    script = processes.TESTS / "exporters" / "mirrored_inference.py"
    assert "2 models agree" in processes.run_with_keras(script, tmp_path)
