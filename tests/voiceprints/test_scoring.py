"""Scores of single embeddings."""

import numpy as np
import pytest

from voiceprints.scoring import calibrated, cosine, cosine_at


def test_a_cosine_is_one_at_most_however_single_precision_rounds():
    directions = np.random.default_rng(0).standard_normal((1000, 256)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    assert max(np.dot(one, one) for one in directions) > 1
    assert max(cosine(one, one) for one in directions) == 1
    assert min(cosine(one, -one) for one in directions) == -1


@pytest.mark.parametrize("threshold", [-0.2, 0.5, 0.754])
def test_what_is_as_far_from_another_threshold_counts_the_same(threshold):
    for cosine_of_another_model in np.linspace(-1, 1, 21).tolist():
        counted = calibrated(cosine_of_another_model, 0.6)
        assert calibrated(cosine_at(counted, threshold), threshold) == pytest.approx(counted)
