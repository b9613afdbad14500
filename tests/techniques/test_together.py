import itertools

import keras
import numpy as np
import pytest
from techniques import models
from techniques.properties import assert_on_int8_grid, assert_ranges_seen, assert_sparse, kernels
from techniques.technique_test_case import TechniqueTestCase

import kerasopt as ko


class TestTogether(TechniqueTestCase):
    """Pruning, quantization, distillation and a curriculum in one fit."""

    sparsity = 0.5
    rounds_activations = True

    def data(self, model):
        x, y = models.data(model)
        scores = np.arange(len(y), dtype="float32")
        return ko.curriculum.CurriculumDataset(x, y, scores, batch_size=4)

    def callbacks(self, model, data):
        return [
            ko.callbacks.Curriculum(data, end="50%"),
            ko.callbacks.Pruning(ko.schedules.Linear(0.0, 0.5, end="50%"), scope="layer"),
            ko.callbacks.QuantizationAware("int8", begin="50%"),
            ko.callbacks.Distillation(self.teacher(model), temperature=2.0, alpha=0.5),
        ]

    def teacher(self, model):
        teacher = models.ZOO[{"own_step": "sequential"}.get(model.name, model.name)]()
        generator = np.random.default_rng(0)
        for weight in teacher.trainable_weights:
            weight.assign(generator.normal(0, 0.3, weight.shape))
        return teacher

    def check(self, model):
        assert_sparse(kernels(model), 0.5)
        assert_on_int8_grid(kernels(model))
        assert_ranges_seen(model)

    def test_the_order_of_the_callbacks_does_not_matter(self):
        results = []
        for order in itertools.islice(itertools.permutations(range(4)), 0, 24, 7):
            model = self.make("convolutional")
            data = self.data(model)
            callbacks = self.callbacks(model, data)
            keras.utils.set_random_seed(1)
            model.fit(data, epochs=2, verbose=0, callbacks=[callbacks[i] for i in order])
            results.append([weight.numpy() for weight in model.weights])
        for other in results[1:]:
            for a, b in zip(results[0], other, strict=True):
                np.testing.assert_array_equal(a, b)

    @pytest.mark.parametrize("first", ["pruning", "quantization"])
    def test_zeros_stay_zero_when_quantization_follows_in_a_fit_of_its_own(self, first):
        model = self.make("convolutional")
        callbacks = [ko.callbacks.Pruning(0.5), ko.callbacks.QuantizationAware()]
        for callback in callbacks if first == "pruning" else callbacks[::-1]:
            model.fit(self.data(model), verbose=0, callbacks=[callback])
        self.check(model)
