"""Scores of single embeddings."""

import numpy as np

from voiceprints.scoring import cosine


def test_a_cosine_is_one_at_most_however_single_precision_rounds():
    directions = np.random.default_rng(0).standard_normal((1000, 256)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    assert max(np.dot(one, one) for one in directions) > 1
    assert max(cosine(one, one) for one in directions) == 1
    assert min(cosine(one, -one) for one in directions) == -1
