import made
import numpy as np
import pytest

from empathy.evaluation import selective


def test_threshold_by_hand():
  confidence = np.array([0.9, 0.8, 0.8, 0.7, 0.6])
  error = np.array([False, True, False, False, True])
  # Error rates at .9, .8, .7, .6: 0, 1/3, 1/4, 2/5.
  for wanted, expected in ((0.1, 0.9), (0.25, 0.7), (0.3, 0.7), (0.4, 0.6)):
    found = selective.threshold(confidence, error, wanted, np.ones(5))
    assert found == expected
  found = selective.threshold(confidence[1:], error[1:], 0.1, np.ones(4))
  assert found == np.inf
  # As if the first clip were two: 0, 1/4, 1/5, 2/6.
  number = np.array([2, 1, 1, 1, 1])
  for wanted, expected in ((0.21, 0.7), (0.34, 0.6)):
    assert selective.threshold(confidence, error, wanted, number) == expected


def _found(seed=0, num_clips=6000, fold=None):
  """Clips whose confidence is the chance that they are right."""
  rng = np.random.default_rng(seed)
  chance = rng.uniform(0.5, 1, num_clips)
  labels = np.where(rng.random(num_clips) < chance, 0, 1)
  probabilities = np.stack([chance, 1 - chance], axis=1)[None]
  groups = rng.integers(0, 60, num_clips)
  corpus = made.corpus(groups, labels, classes=('low', 'high'))
  predictions = made.predictions(
    {'text+audio': probabilities}, groups % 5 if fold is None else fold
  )
  return made.answer(selective, corpus, predictions)


@pytest.mark.parametrize('fold', [None, np.zeros(6000, int)])
def test_the_risk_is_the_wanted_one_where_the_truth_is_known(fold):
  found = _found(fold=fold)
  for wanted in selective.WANTED:
    name = f'diagnosis.selective_{round(100 * wanted)}'
    risk = found.statistics[f'{name}.risk']
    coverage = found.statistics[f'{name}.coverage']
    # Confidence is uniform on (.5, 1): above t the mean error is (1 - t) / 2,
    # and 2 (1 - t) of the clips are there.
    assert risk.estimate == pytest.approx(wanted, abs=0.02)
    assert coverage.estimate == pytest.approx(min(1, 4 * wanted), abs=0.06)
    assert risk.low < risk.estimate < risk.high
    assert (
      risk.n
      == found.tables['selective'][selective.WANTED.index(wanted)][
        'num_answered'
      ]
    )


def test_a_folds_own_labels_do_not_choose_its_threshold():
  # Fold 1 is always right, fold 0 always wrong, all equally confident: fold 0
  # is answered, since fold 1 is right, and fold 1 is not.
  probabilities = np.tile([0.9, 0.1], (1, 40, 1))
  labels = np.repeat([1, 0], 20)
  corpus = made.corpus(np.arange(40) // 2, labels, classes=('low', 'high'))
  fold = np.repeat([0, 1], 20)
  found = made.answer(
    selective, corpus, made.predictions({'text+audio': probabilities}, fold)
  )
  assert found.statistics['diagnosis.selective_10.risk'].estimate == 1.0
  assert found.statistics['diagnosis.selective_10.coverage'].estimate == 0.5


def test_an_error_rate_of_few_clips_is_not_told():
  # As above, but for 19 clips of either fold.
  probabilities = np.tile([0.9, 0.1], (1, 38, 1))
  labels = np.repeat([1, 0], 19)
  corpus = made.corpus(np.arange(38), labels, classes=('low', 'high'))
  fold = np.repeat([0, 1], 19)
  found = made.answer(
    selective, corpus, made.predictions({'text+audio': probabilities}, fold)
  )
  assert '19 clips are answered' in found.skipped['diagnosis.selective_10.risk']
  assert found.statistics['diagnosis.selective_10.coverage'].estimate == 0.5


def test_what_is_missing_is_said():
  corpus = made.corpus(np.zeros(4, int), np.zeros(4, int))
  for views, says in (('text', 'text+audio'), ('text+audio', 'two groups')):
    predictions = made.predictions({views: np.full((1, 4, 3), 1 / 3)})
    found = made.answer(selective, corpus, predictions)
    assert says in found.skipped['diagnosis.selective']
