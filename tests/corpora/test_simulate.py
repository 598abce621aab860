import dataclasses

import numpy as np
import pytest
import threadpoolctl
from sklearn import linear_model

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import sayings, simulate, splits

FULL = simulate.CONDITIONS[-1]


@pytest.fixture(autouse=True)
def one_thread():
  """Small regressions lose more to threads than they gain."""
  with threadpoolctl.threadpool_limits(1):
    yield


def gs(counts):
  """The chance that two voters on a clip differ."""
  total = counts.sum(axis=1)
  return 1 - (counts * (counts - 1)).sum(axis=1) / (total * (total - 1))


def expected(corpus, truth):
  return np.stack([truth[f'expected_{name}'] for name in corpus.classes], 1)


def separation(values, group):
  """F of the means of groups; about 1 where groups explain nothing."""
  names, index = np.unique(group, return_inverse=True)
  size = np.bincount(index)
  mean = np.bincount(index, values) / size
  between = (size * (mean - values.mean()) ** 2).sum() / (len(names) - 1)
  within = ((values - mean[index]) ** 2).sum() / (len(values) - len(names))
  return between / within


def accuracy(parameters, modality, target):
  """Accuracy on 1,000 new clips of a regression fitted to 1,000 others."""
  (train, train_truth), (test, test_truth) = (
    simulate.simulate(parameters, seed) for seed in (0, 1)
  )
  model = linear_model.LogisticRegression(C=0.01, max_iter=200)
  y = [target(train, train_truth), target(test, test_truth)]
  model.fit(train.features[modality].values, y[0])
  return model.score(test.features[modality].values, y[1])


def out_of_fold(values, labels, folds):
  """Probabilities by a logistic regression that has not seen the fold."""
  probabilities = np.empty((len(labels), 2))
  for fold in range(folds.max() + 1):
    train, test = values[folds != fold], values[folds == fold]
    mean, std = train.mean(axis=0), train.std(axis=0)
    model = linear_model.LogisticRegression(C=0.003, max_iter=200)
    model.fit((train - mean) / std, labels[folds != fold])
    probabilities[folds == fold] = model.predict_proba((test - mean) / std)
  return probabilities


def adjusted_difference(corpus):
  """How much less certain the votes are where a single view disagrees.

  In strata of the fused prediction and twentieth of its confidence, weighted by
  n1 n0 / (n1 + n0); and the accuracy of each view.
  """
  folds = splits.group_folds(corpus.groups, corpus.labels, 5, 0)
  values = {name: f.values for name, f in corpus.features.items()}
  values['fused'] = np.concatenate(list(values.values()), axis=1)
  probabilities = {
    name: out_of_fold(x, corpus.labels, folds) for name, x in values.items()
  }
  predicted = {name: p.argmax(axis=1) for name, p in probabilities.items()}
  differ = np.any(
    [predicted[m] != predicted['fused'] for m in simulate.MODALITIES], axis=0
  )
  rank = probabilities['fused'].max(axis=1).argsort().argsort()
  stratum = predicted['fused'] * 20 + rank * 20 // len(rank)
  uncertain = gs(corpus.vote_counts(FULL))
  total = weights = 0.0
  for name in np.unique(stratum):
    one = uncertain[differ & (stratum == name)]
    none = uncertain[~differ & (stratum == name)]
    if len(one) and len(none):
      weight = len(one) * len(none) / (len(one) + len(none))
      total += weight * (one.mean() - none.mean())
      weights += weight
  right = {name: (p == corpus.labels).mean() for name, p in predicted.items()}
  return total / weights, right


def cue_of(modality):
  return lambda corpus, truth: truth[f'{modality}_cue']


def test_same_seed_same_corpus_and_another_seed_another():
  parameters = simulate.Parameters(num_clips=50, num_groups=5, width=8)
  one, one_truth = simulate.simulate(parameters, 3)
  two, two_truth = simulate.simulate(parameters, 3)
  other, _ = simulate.simulate(parameters, 4)
  for name, values in one_truth.items():
    np.testing.assert_array_equal(values, two_truth[name])
  for field in dataclasses.fields(corpus_lib.Votes):
    np.testing.assert_array_equal(
      getattr(one.votes, field.name), getattr(two.votes, field.name)
    )
  for modality in simulate.MODALITIES:
    values = one.features[modality].values
    np.testing.assert_array_equal(values, two.features[modality].values)
    assert (values != other.features[modality].values).any()


def test_it_is_a_valid_corpus(tmp_path):
  corpus, _ = simulate.simulate(
    simulate.Parameters(num_clips=60, num_groups=7, width=5), 0
  )
  corpus_lib.write(corpus, tmp_path / 'corpus')
  read = corpus_lib.read(tmp_path / 'corpus', None)
  assert read.info == corpus.info
  assert read.info['simulated'] is True
  assert read.features['audio'].values.shape == (60, 5)
  np.testing.assert_array_equal(read.labels, corpus.labels)


def test_sizes_are_as_asked():
  parameters = simulate.Parameters(num_clips=2000)
  corpus, truth = simulate.simulate(parameters, 0)
  sizes = np.unique(corpus.groups, return_counts=True)[1]
  assert len(corpus.ids) == 2000
  assert len(sizes) == 40
  assert 0.4 < np.log(sizes).std() < 1.0
  # Nobody votes twice on a clip in a condition; 3 to 7 vote.
  votes = corpus.votes
  cell = votes.clip * len(corpus.conditions) + votes.condition
  keys = set(zip(cell.tolist(), votes.annotator.tolist(), strict=True))
  assert len(keys) == len(cell)
  number = np.bincount(cell, minlength=8000)
  assert (number.min(), number.max()) == (3, 7)
  assert number.mean() == pytest.approx(5, abs=0.1)
  assert truth['conflict'].mean() == pytest.approx(0.4, abs=0.035)
  assert truth['weak'].mean() == pytest.approx(0.15, abs=0.025)
  for modality in simulate.MODALITIES:
    share = (truth['culprit'] == modality).mean()
    assert share == pytest.approx(0.4 / 3, abs=0.025)


def test_truth_says_where_cues_point():
  corpus, truth = simulate.simulate(simulate.Parameters(width=2), 1)
  for modality in simulate.MODALITIES:
    elsewhere = truth[f'{modality}_cue'] != truth['state']
    np.testing.assert_array_equal(elsewhere, truth['culprit'] == modality)
    strength = truth[f'{modality}_strength']
    weak = truth['weak'] == 1
    assert strength[weak].mean() < 0.4 * strength[~weak].mean()
  np.testing.assert_array_equal(truth['conflict'] == 1, truth['culprit'] != '')
  np.testing.assert_array_equal(truth['id'], corpus.ids)
  # Ties go to the first class.
  counts = corpus.vote_counts(FULL)
  np.testing.assert_array_equal(corpus.labels, counts.argmax(axis=1))


@pytest.mark.parametrize('num_classes', [2, 4])
def test_votes_follow_their_expectation(num_classes):
  classes = tuple(f'class{i}' for i in range(num_classes))
  parameters = simulate.Parameters(num_clips=4000, width=1, classes=classes)
  corpus, truth = simulate.simulate(parameters, 0)
  share = expected(corpus, truth)
  np.testing.assert_allclose(share.sum(axis=1), 1, atol=1e-5)
  counts = corpus.vote_counts(FULL)
  number = counts.sum(axis=1, keepdims=True)
  # In ten bins of the expected share, the votes' share is within 5 sigma.
  for column in range(num_classes):
    order = np.argsort(share[:, column])
    for rows in np.array_split(order, 10):
      mean = np.average(share[rows, column], weights=number[rows, 0])
      seen = counts[rows, column].sum() / number[rows].sum()
      error = np.sqrt(mean * (1 - mean) / number[rows].sum())
      assert abs(seen - mean) < 5 * error


def test_expected_votes_by_hand():
  # One annotator like all, no bias: evidence adds up to a softmax.
  parameters = simulate.Parameters(
    num_clips=20, num_groups=2, annotator_differences=0, width=1
  )
  corpus, truth = simulate.simulate(parameters, 0)
  for row in range(20):
    evidence = {name: 0.0 for name in corpus.classes}
    for modality in simulate.MODALITIES:
      cue = truth[f'{modality}_cue'][row]
      evidence[cue] += truth[f'{modality}_strength'][row]
    total = sum(np.exp(value) for value in evidence.values())
    for name in corpus.classes:
      assert truth[f'expected_{name}'][row] == pytest.approx(
        np.exp(evidence[name]) / total, abs=2e-6
      )


def test_more_modalities_help_people():
  corpus, _ = simulate.simulate(simulate.Parameters(width=1), 0)
  rows = np.arange(len(corpus.ids))
  right = {}
  for condition in corpus.conditions:
    counts = corpus.vote_counts(condition)
    right[condition] = counts[rows, corpus.labels].sum() / counts.sum()
  assert 0.75 <= right[FULL] <= 0.87
  for modality in simulate.MODALITIES:
    assert 0.58 <= right[modality] <= 0.70
    assert right[FULL] - right[modality] > 0.1


def test_link_makes_votes_uncertain_and_its_switch_unlinks_them():
  gap = {}
  overall = {}
  for linked in (True, False):
    parameters = simulate.Parameters(num_clips=8000, width=1, linked=linked)
    corpus, truth = simulate.simulate(parameters, 0)
    uncertain = gs(corpus.vote_counts(FULL))
    planted = (truth['conflict'] == 1) | (truth['weak'] == 1)
    gap[linked] = uncertain[planted].mean() - uncertain[~planted].mean()
    overall[linked] = uncertain.mean()
  assert gap[True] > 0.2
  # The standard error is about .006.
  assert abs(gap[False]) < 0.02
  # Votes are as uncertain as before, only elsewhere.
  assert overall[False] == pytest.approx(overall[True], abs=0.02)


def test_default_corpus_is_learnable_and_its_link_can_be_found():
  for seed in (0, 1):
    corpus, _ = simulate.simulate(simulate.Parameters(), seed)
    adjusted, right = adjusted_difference(corpus)
    assert adjusted > 0.04
    for modality in simulate.MODALITIES:
      assert 0.62 < right[modality] < 0.80
      assert right['fused'] > right[modality] + 0.02
    assert 0.77 < right['fused'] < 0.87


def test_no_link_is_found_where_there_is_none():
  unlinked = simulate.Parameters(linked=False)
  adjusted = [
    adjusted_difference(simulate.simulate(unlinked, seed)[0])[0]
    for seed in range(6)
  ]
  # One corpus has a standard error of about .023, so their mean one of .01.
  assert abs(np.mean(adjusted)) < 0.03


def test_shares_of_conflict_and_weakness_can_be_none():
  parameters = simulate.Parameters(conflict=0, weak=0, width=1)
  _, truth = simulate.simulate(parameters, 0)
  assert not truth['conflict'].any()
  assert not truth['weak'].any()
  assert set(truth['culprit']) == {''}


def test_speaker_effect_and_its_switch():
  with_effect = simulate.Parameters(num_clips=3000, width=16)
  without = dataclasses.replace(with_effect, speaker_effect=0)
  separations = {}
  for name, parameters in {'on': with_effect, 'off': without}.items():
    corpus, truth = simulate.simulate(parameters, 0)
    state = (truth['state'] == 'empathetic').astype(float)
    # Where the cue and the noise are the same, the speaker is what is left.
    values = corpus.features['text'].values[:, 0].astype(float)
    separations[name] = [
      separation(column, corpus.groups)
      for column in (state, truth['text_strength'], values)
    ]
  assert min(separations['on']) > 2.5
  # F with 39 and 2960 degrees of freedom: its 99.9 % point is 1.87.
  assert max(separations['off']) < 1.87


def test_annotator_differences_and_their_switch():
  on = simulate.Parameters(num_clips=4000, width=1)
  off = dataclasses.replace(on, annotator_differences=0)
  leaning = {}
  for name, parameters in {'on': on, 'off': off}.items():
    corpus, _ = simulate.simulate(parameters, 0)
    votes = corpus.votes
    leaning[name] = separation(votes.label.astype(float), votes.annotator)
  assert leaning['on'] > 5
  # F with 23 and many degrees of freedom: its 99.9 % point is 2.1.
  assert leaning['off'] < 2.1


def test_features_show_the_cue_and_the_loud_one_more_so():
  default = simulate.Parameters(width=64)
  text = accuracy(default, 'text', cue_of('text'))
  video = accuracy(default, 'video', cue_of('video'))
  assert 0.8 < text < video < 0.99
  loud_text = simulate.Parameters(width=64, loud_modality='text', loudness=3.0)
  assert accuracy(loud_text, 'text', cue_of('text')) > text + 0.03
  muted = simulate.Parameters(width=64, loudness=0.0)
  assert accuracy(muted, 'video', cue_of('video')) < 0.58


def test_noise_modality_knows_nothing():
  parameters = simulate.Parameters(width=64, noise_modality='audio')
  assert accuracy(parameters, 'audio', cue_of('audio')) < 0.56
  assert accuracy(parameters, 'text', cue_of('text')) > 0.8
  corpus, _ = simulate.simulate(parameters, 0)
  values = corpus.features['audio'].values
  assert separation(values[:, 0].astype(float), corpus.groups) < 1.9


def test_the_encoder_is_frozen():
  # A model of one corpus reads another: else the accuracies above were chance.
  # And what concerns features alone leaves the votes as they were.
  one, _ = simulate.simulate(simulate.Parameters(width=4), 0)
  other, _ = simulate.simulate(
    simulate.Parameters(width=8, feature_noise=2.0, loudness=1.0), 0
  )
  np.testing.assert_array_equal(one.votes.label, other.votes.label)
  np.testing.assert_array_equal(one.labels, other.labels)


def test_more_classes():
  parameters = simulate.Parameters(
    classes=('calm', 'sad', 'glad'), num_clips=900, width=32
  )
  corpus, truth = simulate.simulate(parameters, 0)
  assert set(corpus.labels.tolist()) == {0, 1, 2}
  assert set(truth['state']) == {'calm', 'sad', 'glad'}
  agree = np.array(corpus.classes)[corpus.labels] == truth['state']
  assert agree.mean() > 0.75


@pytest.mark.parametrize(
  ('name', 'value'),
  [
    ('num_groups', 0),
    ('num_clips', 39),
    ('group_sigma', -1.0),
    ('group_sigma', float('inf')),
    ('width', 0),
    ('classes', ('one',)),
    ('classes', ('one', 'one')),
    ('classes', ('one', '')),
    ('num_annotators', 6),
    ('num_votes', 0),
    ('conflict', 1.1),
    ('conflict', float('nan')),
    ('weak', 0.7),
    ('speaker_effect', -0.1),
    ('annotator_differences', -0.1),
    ('feature_noise', -0.1),
    ('loudness', -0.1),
    ('loud_modality', 'smell'),
    ('noise_modality', 'smell'),
  ],
)
def test_impossible_parameters_are_named(name, value):
  parameters = dataclasses.replace(simulate.Parameters(), **{name: value})
  with pytest.raises(errors.InputError, match=f'^{name}: ') as raised:
    simulate.simulate(parameters, 0)
  assert len(str(raised.value).splitlines()) == 1


RATED = simulate.Parameters(num_values=7, num_clips=400, width=32)


def test_ratings_are_as_expected():
  parameters = dataclasses.replace(
    RATED, num_clips=60, num_annotators=200, num_votes=198
  )
  corpus, truth = simulate.simulate(parameters, 3)
  assert corpus.values.tolist() == [1, 2, 3, 4, 5, 6, 7]
  counts = corpus.vote_counts(FULL)
  # A vote's deviation is below 3, and 200 of them are averaged.
  mean = counts @ corpus.values / counts.sum(axis=1)
  np.testing.assert_allclose(corpus.scores, mean)
  assert np.abs(corpus.scores - truth['expected_score']).max() < 3 * 4 / 14
  assert np.abs(corpus.scores - truth['expected_score']).mean() < 0.1
  shares = expected(corpus, truth)
  np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
  np.testing.assert_allclose(
    shares @ corpus.values, truth['expected_score'], atol=1e-4
  )
  assert corpus.votes.scores.tolist() == (corpus.votes.label + 1.0).tolist()


def test_the_expected_rating_by_hand():
  """One annotator without bias who sees two cues of one weight."""
  found = np.exp(
    simulate._evidence(
      dataclasses.replace(RATED, num_values=3),
      np.array([[0, 2, 1]]),
      np.array([[0.72, 0.72, 0.0]]),
      np.zeros((1, 3)),
    )
  )
  # The noise is 1.2 / sqrt(1.44) = 1: from either cue the end is a normal
  # variable's below .5, the middle's from .5 to 1.5, and beyond that the other.
  near, middle, far = 0.691462, 0.241730, 0.066807
  np.testing.assert_allclose(
    found, [[(near + far) / 2, middle, (near + far) / 2]], atol=1e-6
  )


@pytest.mark.parametrize('seed', range(2))
def test_conflict_in_scores_makes_ratings_differ(seed):
  def variance(corpus, chosen):
    counts = corpus.vote_counts(FULL)
    total = counts.sum(axis=1)
    mean = counts @ corpus.values / total
    square = counts @ corpus.values**2 / total
    return ((square - mean**2) * total / (total - 1))[chosen].mean()

  corpus, truth = simulate.simulate(RATED, seed)
  conflict, weak = truth['conflict'] == 1, truth['weak'] == 1
  plain = variance(corpus, ~conflict & ~weak)
  assert variance(corpus, conflict) > 3 * plain
  assert variance(corpus, weak) > 1.8 * plain
  # With the link off, the planted clips are like the others.
  null = dataclasses.replace(RATED, linked=False)
  corpus, truth = simulate.simulate(null, seed)
  conflict = truth['conflict'] == 1
  ratio = variance(corpus, conflict) / variance(corpus, ~conflict)
  assert 0.7 < ratio < 1.4


def test_features_tell_the_scores():
  (train, _), (test, _) = (simulate.simulate(RATED, s) for s in (0, 1))
  model = linear_model.Ridge(100)
  for modality in simulate.MODALITIES:
    model.fit(train.features[modality].values, train.scores)
    found = model.predict(test.features[modality].values)
    assert np.corrcoef(found, test.scores)[0, 1] > 0.3


def test_words_fit_the_cue_of_the_text():
  parameters = simulate.Parameters(num_clips=300, num_groups=5, width=2)
  corpus, truth = simulate.simulate(parameters, 0)
  said = corpus.metadata['transcript']
  assert len(set(said.tolist())) > 60
  told = {
    sentence: name
    for name, halves in sayings._SENTENCES.items()
    for half in halves
    for sentence in half
  }
  for text, cue, weak in zip(
    said.tolist(), truth['text_cue'], truth['weak'], strict=True
  ):
    found = {name for sentence, name in told.items() if sentence in text}
    assert found == (set() if weak else {cue})
  other = dataclasses.replace(parameters, classes=('cold', 'warm'))
  without, _ = simulate.simulate(other, 0)
  assert 'transcript' not in without.metadata
  for modality, features in corpus.features.items():
    np.testing.assert_array_equal(
      features.values, without.features[modality].values
    )
