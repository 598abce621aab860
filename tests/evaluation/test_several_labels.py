"""Several labels of the same clips: means, and one family of primaries."""

import dataclasses
import json
import re

import made
import numpy as np
import pytest

from empathy import errors
from empathy.evaluation import (
  catalogue,
  comparison,
  findings,
  report,
  resampling,
  samples,
  several_labels,
  several_labels_report,
  significance,
  views,
)
from empathy.evaluation import study as study_lib

FULL = 'text+audio'
# Each clip is a group, so that none are drawn, which takes time.
_CLIPS, _GROUPS = 80, 80
LABELS = ('warmth', 'distress', 'listening & care')


def _input(place):
  """A corpus of one of several labels of the same clips, and predictions."""
  corpus, predictions = made.study_input(
    _CLIPS, _GROUPS, 3, num_classes=2, votes=4
  )
  random = np.random.default_rng(place)
  turned = random.random(len(corpus.ids)) < 0.3 * place
  labels = np.where(turned, 1 - corpus.labels, corpus.labels)
  every = {
    view: np.where(turned[:, None], p[..., ::-1], p) * 0.8 + 0.1
    for view, p in predictions.probabilities.items()
  }
  info = corpus.info | {'label_name': LABELS[place], 'values': [0.0, 1.0]}
  info |= {'ordered': True}
  corpus = dataclasses.replace(corpus, info=info, labels=labels, scores=None)
  return corpus, made.predictions(every, predictions.folds[FULL][0])


@pytest.fixture(scope='module', name='inputs')
def _inputs():
  return [_input(place) for place in range(len(LABELS))]


@pytest.fixture(scope='module', name='studies')
def _studies(inputs, tmp_path_factory):
  folder, found = tmp_path_factory.mktemp('labels'), []
  for place, (corpus, predictions) in enumerate(inputs):
    study = study_lib.build(corpus, predictions)
    study_lib.write(study, folder / f'{place}', report.render(study))
    found.append(comparison.read(folder / f'{place}'))
  return found


@pytest.fixture(scope='module', name='found')
def _found(studies):
  return several_labels.summarise(studies)


def test_a_mean_over_labels_draws_groups_for_all_of_them(inputs, found):
  # Accuracy's mean over labels is the mean over clips of how many are right.
  right = np.mean(
    [
      views.correctness(predictions.probabilities[FULL], corpus.labels)
      for corpus, predictions in inputs
    ],
    axis=0,
  )
  sample = samples.sample(inputs[0][0].groups)
  statistic, _ = views.mean_over_seeds(*made.by_seed(sample, right))
  plain = resampling.estimate(
    sample, statistic, catalogue.entry_of(f'views.{FULL}.accuracy').scale
  )
  one = found.means[f'views.{FULL}.accuracy']
  assert one.estimate == pytest.approx(plain.estimate)
  np.testing.assert_array_equal(one.influence.groups, sample.names)
  np.testing.assert_allclose(
    one.influence.slope, statistic(np.ones((1, _GROUPS)))[1][0], atol=1e-12
  )
  assert one.variance['groups'] == pytest.approx(plain.variance['groups'])
  # And so it is wider than if labels were of clips of their own.
  apart = np.mean(
    [
      s.statistics[f'views.{FULL}.accuracy'].high
      for s in found.studies.values()
    ]
  )
  assert 0 < one.low < one.estimate < one.high < max(apart, 1)


def test_all_figures_that_all_labels_have_are_averaged(found):
  studies = list(found.studies.values())
  assert f'scores.{FULL}.ccc' in found.means
  for name, one in found.means.items():
    expected = np.mean([study.statistics[name].estimate for study in studies])
    assert one.estimate == pytest.approx(expected), name
    least = [study.statistics[name].kind for study in studies]
    if findings.Kind.LEAST in least:
      assert one.low is None


def test_seeds_of_labels_add_up_as_different_ones(found):
  name = f'views.{FULL}.macro_f1'
  parts = [
    study.statistics[name].influence.seeds.variance
    for study in found.studies.values()
  ]
  expected = sum(parts) / len(LABELS) ** 2
  assert found.means[name].variance['seeds'] == pytest.approx(expected)


def test_primaries_of_all_labels_are_one_family(studies, found):
  p_values = {}
  for label, study in zip(LABELS, studies, strict=True):
    for question, name in study.primaries.items():
      p = study.statistics[name].p
      if p is not None:
        # Of question 2, the larger of two single views was chosen.
        times = 2 if question == 2 else 1
        p_values[label, question] = min(1, p * times)
  assert len(p_values) > len(LABELS)
  adjusted = significance.holm(list(p_values.values()))
  for key, p in zip(p_values, adjusted, strict=True):
    assert found.primaries[key].p_adjusted == pytest.approx(p)
  for label, study in zip(LABELS, studies, strict=True):
    for question, name in study.primaries.items():
      alone = study.statistics[name].p_adjusted
      if alone is not None:
        assert found.primaries[label, question].p_adjusted >= alone - 1e-12


def test_means_are_corrected_by_figure(found):
  names = [f'views.full_minus_{view}.accuracy' for view in ('text', 'audio')]
  expected = significance.holm([found.means[name].p for name in names])
  assert [found.means[n].p_adjusted for n in names] == pytest.approx(expected)
  assert found.means[f'views.{FULL}.accuracy'].p is None


def test_what_a_label_lacks_has_no_mean(studies):
  less = dict(studies[1].statistics)
  del less[f'views.{FULL}.nll']
  one = dataclasses.replace(studies[1], statistics=less)
  found = several_labels.summarise([studies[0], one])
  assert f'views.{FULL}.nll' not in found.means
  assert found.skipped[f'views.{FULL}.nll'].startswith('distress has none.')


@pytest.mark.parametrize(
  ('changes', 'says'),
  [
    ({'label_name': 'warmth'}, "both are of the label 'warmth'"),
    ({'corpus': 'other'}, 'studies of different corpora'),
    ({'num_clips': 7}, 'different numbers of clips, 80 and 7'),
  ],
)
def test_other_studies_are_refused(studies, changes, says):
  other = dataclasses.replace(studies[1], info=studies[1].info | changes)
  with pytest.raises(errors.InputError, match=says):
    several_labels.summarise([studies[0], other])


def test_one_label_is_too_few(studies):
  with pytest.raises(errors.InputError, match='two labels or more; got 1'):
    several_labels.summarise(studies[:1])


def test_the_folder_and_the_page(found, tmp_path):
  output = tmp_path / 'summary'
  page = several_labels_report.render(found, output)
  several_labels.write(found, output, page)
  kept = json.loads((output / 'labels.json').read_text())
  assert list(kept['studies']) == list(LABELS)
  assert kept['means'].keys() == found.means.keys()
  assert kept['primaries']['warmth']['1']['statistic'].startswith('views.')
  assert (output / 'tables' / 'means.csv').exists()
  assert 'listening &amp; care</a>' in page
  for study in found.studies.values():
    link = f'href="../{study.folder.parent.name}'
    assert link in page or 'report.html' in page
  told = re.sub(r'<[^>]+>', '', page)
  assert (
    'In the mean over 3 labels, the full view’s concordance (CCC) is' in told
  )
  assert page.count('<script') == 1
  # A summary is no place for a study, and is replaced as a whole.
  several_labels.write(found, output, page)
  with pytest.raises(errors.InputError, match='other things than a study'):
    study_lib.check_output(output)
