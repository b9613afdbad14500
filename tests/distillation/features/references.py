"""Feature losses as their papers write them, in float64 and by loops, and features for them.

Each reference takes features of the teacher and of the student, without the positions that do not
count, and returns the loss of each sample.
"""

import numpy as np


def sequences(rng, batch=4, length=5, channels=(3, 3), scale=1.0):
    """Draws features of a teacher and of a student, of shape (batch, length, channels)."""
    drawn = (rng.normal(size=(batch, length, each)) * scale for each in channels)
    return [each.astype("float32") for each in drawn]


def huber(x):
    return np.where(np.abs(x) < 1, x**2 / 2, np.abs(x) - 0.5)


def unit(x):
    return x / np.linalg.norm(x)


def softmax(x):
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


def hint(teacher, student):
    return [np.mean((t - s) ** 2) for t, s in zip(teacher, student, strict=True)]


def cosine(teacher, student):
    pairs = zip(teacher, student, strict=True)
    return [np.mean([1 - unit(a) @ unit(b) for a, b in zip(t, s, strict=True)]) for t, s in pairs]


def normalized(teacher, student):
    def of_channels(samples):
        values = np.concatenate(samples)
        return [(each - values.mean(0)) / np.sqrt(values.var(0) + 1e-6) for each in samples]

    return [half / 2 for half in hint(of_channels(teacher), of_channels(student))]


def attention_transfer(teacher, student):
    def maps(samples):
        return [unit((each**2).sum(-1)) for each in samples]

    return [np.sum((t - s) ** 2) for t, s in zip(maps(teacher), maps(student), strict=True)]


def similarity(teacher, student):
    def rows(samples):
        return [unit([np.vdot(a, b) for b in samples]) for a in samples]

    return np.mean((np.array(rows(teacher)) - rows(student)) ** 2, axis=-1)


def relational(teacher, student):
    def distances(samples):
        found = np.array([[np.linalg.norm(a - b) for b in samples] for a in samples])
        return found / found.sum() * len(samples) * (len(samples) - 1)

    def cosines(samples):
        def direction(a, b):
            return unit((a - b).ravel()) if (a != b).any() else np.zeros(a.size)

        sides = [[direction(a, b) for a in samples] for b in samples]
        return np.array([[[i @ k for k in at] for i in at] for at in sides])

    return huber(distances(teacher) - distances(student)).mean(-1) + 2 * huber(
        cosines(teacher) - cosines(student)
    ).mean((-2, -1))


def attention_maps(teacher, student):
    return ((teacher - student) ** 2).sum(-1).mean((1, 2))


def relations(teacher, student, heads=2):
    def of_heads(x):
        parts = np.split(x, heads, axis=-1)
        return [softmax(part @ part.T / np.sqrt(part.shape[-1])) for part in parts]

    def divergence(t, s):
        pairs = zip(of_heads(t), of_heads(s), strict=True)
        return np.mean([(p * np.log(p / q)).sum(-1) for p, q in pairs])

    triples = zip(zip(*teacher, strict=True), zip(*student, strict=True), strict=True)
    return [sum(divergence(*pair) for pair in zip(t, s, strict=True)) for t, s in triples]
