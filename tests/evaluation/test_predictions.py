"""What predictions say at once: classes, and whether they are sure."""

import made
import numpy as np
import pytest

from empathy.evaluation import predictions as predictions_lib


def test_a_tie_goes_to_the_first_class():
  ties = np.array([[0.4, 0.4, 0.2], [0.2, 0.4, 0.4]])
  assert predictions_lib.predicted_class(ties).tolist() == [0, 1]


@pytest.mark.parametrize(
  ('tops', 'number', 'graded'),
  [
    ([1.0] * 40, 1, False),
    ([0.6, 0.7, 0.8, 0.9, 1.0] * 8, 5, False),
    ([0.6, 0.65, 0.7, 0.8, 0.9, 1.0] * 8, 6, True),
    # Few clips take few values even of a graded confidence.
    ([0.6, 0.7, 0.8, 0.9], 4, True),
    # Rounding is no difference.
    ([0.9, 0.3 + 0.6] * 20, 1, False),
  ],
)
def test_what_counts_as_confidence(tops, number, graded):
  tops = np.array([*tops, np.nan])
  shown = {'text': np.stack([tops, 1 - tops, 0 * tops], axis=-1)[None]}
  clips = np.arange(len(tops))
  _, plan = made.added_up(
    made.corpus(clips, clips % 3), made.predictions(shown)
  )
  assert plan.num_confidences('view', 'text') == number
  assert plan.graded('view', 'text') == graded
