import keras
import numpy as np
import pytest
from keras import layers
from techniques.models import ZOO, subclassed

import kerasopt as ko
from kerasopt.distillation import initialize


def transformer(blocks, width=8, name="teacher"):
    """Blocks of attention and Dense layers, each with layers of automatic names inside."""

    def block(index):
        inputs = keras.Input((5, width))
        x = layers.LayerNormalization()(inputs + layers.MultiHeadAttention(2, 4)(inputs, inputs))
        x = layers.LayerNormalization()(x + layers.Dense(width)(layers.Dense(2 * width)(x)))
        return keras.Model(inputs, x, name=f"block_{index}")

    inputs = keras.Input((5,), dtype="int32")
    x = layers.Embedding(12, width, name="embedding")(inputs)
    for index in range(blocks):
        x = block(index)(x)
    x = layers.Dense(3, name="classifier")(layers.GlobalAveragePooling1D()(x))
    model = keras.Model(inputs, x, name=name)
    model.set_weights([np.random.default_rng(7).normal(size=w.shape) for w in model.get_weights()])
    return model


def values(model, prefix=""):
    """Returns the weights of a model whose layers have paths that begin so."""
    return [
        weight.numpy()
        for path, layer in ko.graph.layers(model)
        if path.startswith(prefix)
        for weight in ko.graph.own_variables(layer)
    ]


def fresh(model):
    """Returns a copy of a model with other weights."""
    copy = ko.graph.clone(model)
    copy.set_weights([np.random.default_rng(8).normal(size=w.shape) for w in copy.get_weights()])
    return copy


def assert_equal(found, expected):
    assert found
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_every_second_block(capsys):
    teacher, student = transformer(4), transformer(2, name="student")
    before = values(student, "classifier")
    student.get_layer("classifier").set_weights([w + 1 for w in before])
    mapping = {"embedding": "embedding", "block_0": "block_0", "block_1": "block_2"}
    assert initialize(student, teacher, mapping) is student
    assert_equal(values(student, "embedding"), values(teacher, "embedding"))
    assert_equal(values(student, "block_0"), values(teacher, "block_0"))
    assert_equal(values(student, "block_1"), values(teacher, "block_2"))
    assert_equal(values(student, "classifier"), [w + 1 for w in before])
    printed = capsys.readouterr().out
    assert "block_1 from block_2: 16" in printed and "left as they were: classifier (2)" in printed


def test_globs_are_matched_one_after_the_other(capsys):
    teacher, student = transformer(2), fresh(transformer(2))
    initialize(student, teacher, [("block_*", "block_*")], verbose=False)
    assert_equal(values(student, "block"), values(teacher, "block"))
    assert not np.array_equal(values(student, "embedding")[0], values(teacher, "embedding")[0])
    assert not capsys.readouterr().out


@pytest.mark.parametrize("kind", ZOO)
def test_models_of_any_kind(kind):
    teacher = ZOO[kind]()
    student = fresh(teacher)
    initialize(student, teacher, {"*": "*"})
    assert_equal(student.get_weights(), teacher.get_weights())


def test_names_that_differ_by_numbers_are_matched_by_their_order():
    def model():
        return keras.Sequential([keras.Input((4,)), layers.Dense(4), layers.Dense(4)], name="part")

    teacher, student = (keras.Sequential([keras.Input((4,)), model()]) for _ in range(2))
    assert [p for p, _ in ko.graph.layers(teacher)] != [p for p, _ in ko.graph.layers(student)]
    initialize(student, teacher, {"part": "part"})
    assert_equal(student.get_weights(), teacher.get_weights())


def test_weights_by_their_paths():
    teacher, student = transformer(1), fresh(transformer(1))
    bias = student.get_layer("classifier").bias.numpy()
    initialize(student, teacher, {"classifier/kernel": "classifier/kernel"})
    kernels = [model.get_layer("classifier").kernel.numpy() for model in (student, teacher)]
    np.testing.assert_array_equal(*kernels)
    np.testing.assert_array_equal(student.get_layer("classifier").bias, bias)


def test_weights_of_a_model_itself():
    class WithToken(keras.Model):
        def __init__(self):
            super().__init__()
            self.token = self.add_weight(shape=(3,), initializer="uniform", name="token")
            self.dense = layers.Dense(2)

        def call(self, x):
            return self.dense(x + self.token)

    teacher, student = WithToken(), WithToken()
    for model in (teacher, student):
        model(np.ones((1, 3)))
    kernel = student.dense.kernel.numpy()
    initialize(student, teacher, {"token": "token"})
    np.testing.assert_array_equal(student.token.numpy(), teacher.token.numpy())
    np.testing.assert_array_equal(student.dense.kernel.numpy(), kernel)


def test_parametrized_layers_copy_what_they_store():
    teacher, student = subclassed(), subclassed()
    ko.sparsity.update_masks(ko.sparsity.attach_masks(student), 0.5)
    zeros = student.heads["main"].kernel.numpy() == 0
    stored = teacher.heads["main"].kernel.numpy()
    initialize(student, teacher, {"heads/main": "heads/main"})
    expected = np.where(zeros, 0, stored)
    np.testing.assert_array_equal(student.heads["main"].kernel.numpy(), expected)
    plain = subclassed()
    initialize(plain, student, {"heads/main": "heads/main"})
    np.testing.assert_array_equal(plain.heads["main"].kernel, stored)


def test_a_student_that_has_trained_and_trains_on():
    teacher, student = transformer(1), fresh(transformer(1))
    x, y, taught = np.ones((4, 5)), np.ones((4, 3)), teacher.get_weights()
    student.compile("adam", "mse")
    student.fit(x, y, verbose=0)
    slots = [v.numpy() for v in student.optimizer.variables]
    initialize(student, teacher, {"*": "*"})
    assert_equal([v.numpy() for v in student.optimizer.variables], slots)
    expected = teacher.predict(x, verbose=0)
    np.testing.assert_array_equal(student.predict(x, verbose=0), expected)
    student.fit(x, y, verbose=0)
    assert_equal(teacher.get_weights(), taught)
    np.testing.assert_array_equal(teacher.predict(x, verbose=0), expected)


@pytest.mark.parametrize(
    "mapping, message",
    [
        (
            {"block_1": "block_1", "block_0": "blok_0"},
            r"matches no weights of the teacher: .*block",
        ),
        ({"block_9": "block_0"}, "matches no weights of the student"),
        ({"block_0": "block_1", "classifier": "embedding"}, "differ in 3 weights"),
        ({"block_*": "block_0"}, "matches 2 layers of the student, .* 1 of"),
        ({"block_0": "block_0", "*": "*"}, "of 'block_0' twice"),
        ([("block_0", "block_0"), ("block_0", "block_1")], "of 'block_0' twice"),
        ({}, "Received: mapping={}"),
        (["block_0"], "Received: mapping="),
        ([("block_0", 3)], "Received: mapping="),
    ],
)
def test_nothing_changes_after_an_error(mapping, message):
    teacher, student = transformer(2), fresh(transformer(2))
    before = student.get_weights()
    with pytest.raises(ValueError, match=message) as error:
        initialize(student, teacher, mapping)
    assert "Received: " in str(error.value)
    assert_equal(student.get_weights(), before)


def test_other_shapes_are_listed():
    with pytest.raises(ValueError, match=r"'embedding/embeddings' float32\[12, 4\] and 'embedding"):
        initialize(transformer(1, 4), transformer(1), {"embedding": "embedding"})


def test_integers_are_no_floats():
    teacher, student = ZOO["sequential"](), ZOO["sequential"]()
    teacher.quantize("int8")
    with pytest.raises(ValueError, match=r"int8\["):
        initialize(student, teacher, {student.layers[0].name: teacher.layers[0].name})


def test_models():
    model = transformer(1)
    with pytest.raises(ValueError, match="another model than `student`"):
        initialize(model, model, {"*": "*"})
    with pytest.raises(ValueError, match="is not built"):
        initialize(keras.Sequential([layers.Dense(2)]), model, {"*": "*"})
    with pytest.raises(TypeError, match="must be a Keras model"):
        initialize(model, layers.Dense(2), {"*": "*"})
