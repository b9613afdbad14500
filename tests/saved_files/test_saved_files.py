"""Files that an earlier kerasopt wrote load as they were."""

import keras
import numpy as np
import pytest
from saved_files.models import FILES, FOLDER, values

import kerasopt as ko

NAMES = (FOLDER / "registered_names.txt").read_text().split()


@pytest.mark.parametrize("name", FILES)
def test_values_are_equal_to_the_bit(name):
    model = keras.models.load_model(FOLDER / f"{name}.keras")
    found = values(model)
    with np.load(FOLDER / f"{name}.npz") as expected:
        assert sorted(found) == sorted(expected.files)
        for key, value in expected.items():
            if key.startswith("output"):
                # Float products differ in the last bits from one processor to another; a step of
                # an integer is larger.
                np.testing.assert_allclose(found[key], value, rtol=1e-4, atol=1e-5)
            else:
                np.testing.assert_array_equal(found[key], value, err_msg=key)


def test_models_go_on_from_them(tmp_path):
    model = keras.models.load_model(FOLDER / "training.keras")
    ko.finalize(model)
    model.save(tmp_path / "plain.keras")
    assert keras.models.load_model(tmp_path / "plain.keras").count_params() == model.count_params()


def test_registered_names_stay():
    gone = [name for name in NAMES if keras.saving.get_registered_object(name) is None]
    assert not gone
