"""A vendor's scores."""

import numpy as np
import pytest

from api.scores import ScoreScale
from voiceprints.results import Scored

THRESHOLD = 0.754


@pytest.mark.parametrize("inclusive", [True, False])
def test_a_scale_never_rounds_over_the_decision_point(inclusive):
    scale = ScoreScale(-1, 0.6, 1, inclusive)
    for cosine in np.linspace(THRESHOLD - 0.01, THRESHOLD + 0.01, 201):
        scored = Scored(float(cosine), THRESHOLD)
        score = scale.of(scored)
        assert (score >= 0.6 if inclusive else score > 0.6) == scored.accepted


def test_a_scale_keeps_its_order_and_its_ends():
    scale = ScoreScale(0, 60, 100, inclusive=False)
    scores = [scale.of(Scored(cosine, THRESHOLD)) for cosine in np.linspace(-1, 1, 2001).tolist()]
    assert scores == sorted(scores)
    assert (scores[0], scores[-1]) == (0, 100)
