"""Two studies compared: equal to a computation on the raw predictions."""

import dataclasses
import json
import pathlib
import re

import made
import numpy as np
import pytest

from empathy import errors
from empathy.evaluation import (
  agreement,
  catalogue,
  comparison,
  comparison_report,
  findings,
  pivots,
  ranking,
  report,
  samples,
  sections,
  sides,
  significance,
  views,
  weighing,
)
from empathy.evaluation import predictions as predictions_lib
from empathy.evaluation import seeds as seeds_lib
from empathy.evaluation import signals as signals_lib
from empathy.evaluation import study as study_lib
from empathy.evaluation import votes as votes_lib

FULL = 'text+audio'
# Widths of intervals are compared.
NUM_DRAWS = 3_000


def _write(corpus, predictions, folder):
  study = study_lib.build(corpus, predictions)
  study_lib.write(study, folder, report.render(study))
  return comparison.read(folder)


@pytest.fixture(scope='module', name='inputs')
def _inputs():
  corpus, first = made.study_input(240, 14, 3)
  random = np.random.default_rng(5)
  second = {
    view: made.softmax(np.log(p) + random.normal(0.0, 1.8, p.shape))
    for view, p in first.probabilities.items()
  }
  return corpus, first, made.predictions(second, folds=first.folds[FULL][0])


@pytest.fixture(scope='module', name='found')
def _found(inputs, tmp_path_factory):
  corpus, first, second = inputs
  folder = tmp_path_factory.mktemp('studies')
  a = _write(corpus, first, folder / 'a')
  b = _write(corpus, second, folder / 'b')
  return comparison.compare(a, b)


def _statistics(corpus, predictions):
  """Some of the study's statistics, on one sample for all."""
  sample = samples.sample(corpus.groups)
  probabilities = predictions.probabilities[FULL]
  mean = predictions_lib.mean_over_seeds(probabilities)
  votes = corpus.vote_counts(FULL)
  signals = signals_lib.signals(predictions, FULL)
  accuracy, variance = views.mean_over_seeds(
    *made.by_seed(sample, views.correctness(probabilities, corpus.labels))
  )
  error = predictions_lib.predicted_class(mean) != corpus.labels
  return sample, {
    f'views.{FULL}.accuracy': (accuracy, variance),
    'humans.text.alpha_nominal': (
      made.agreement_figure(
        agreement.coefficients(3)['alpha_nominal'],
        sample,
        corpus.vote_counts('text'),
      ),
      seeds_lib.THESE_SEEDS,
    ),
    'diagnosis.one_minus_confidence.auroc_error': (
      ranking.auroc(sample, signals['one_minus_confidence'], error),
      seeds_lib.THESE_SEEDS,
    ),
    'ambiguity.any_disagreement.adjusted': (
      sides.adjusted(
        sides.of_clips(
          sample,
          votes_lib.gs(votes),
          signals['any_disagreement'] > 0,
          made.strata(mean),
        )
      ),
      seeds_lib.THESE_SEEDS,
    ),
  }


@pytest.mark.parametrize(
  'name',
  [
    f'views.{FULL}.accuracy',
    'diagnosis.one_minus_confidence.auroc_error',
    'ambiguity.any_disagreement.adjusted',
  ],
)
def test_a_difference_is_that_of_the_raw_predictions(inputs, found, name):
  corpus, first, second = inputs
  sample, one = _statistics(corpus, first)
  _, other = _statistics(corpus, second)
  direct = pivots.studentise(
    sample,
    weighing.minus(other[name][0], one[name][0]),
    seeds=seeds_lib.add_noises([other[name][1], one[name][1]]),
  )
  pair = found.statistics[name]
  assert pair.difference.estimate == pytest.approx(direct.value, abs=1e-12)
  assert np.sqrt(sum(pair.difference.variance.values())) == pytest.approx(
    direct.error, rel=0.02
  )
  # The interval of the derivative is close to that of the figure itself.
  low, high = direct.interval()
  width = pair.difference.high - pair.difference.low
  assert 0.95 * (high - low) < width < 1.3 * (high - low)
  assert pair.difference.method.startswith('paired by group, studentised')


def test_alpha_of_other_votes_is_paired_by_group(inputs, tmp_path):
  corpus, first, _ = inputs
  random = np.random.default_rng(3)
  # The same corpus to its name and clips; votes that somebody cast anew.
  votes = {
    name: random.multinomial(6, (corpus.vote_counts(name) + 1) / 9)
    for name in corpus.conditions
  }
  groups = np.unique(corpus.groups, return_inverse=True)[1]
  other = made.corpus(groups, corpus.labels, corpus.classes, votes=votes)
  a, b = (
    _write(one, first, tmp_path / name)
    for name, one in (('a', corpus), ('b', other))
  )
  with pytest.raises(errors.InputError, match='clips, groups, labels or votes'):
    comparison.compare(a, b)
  b = dataclasses.replace(b, info={**b.info, 'content': None})
  pair = comparison.compare(a, b).statistics['humans.text.alpha_nominal']
  sample, one = _statistics(corpus, first)
  _, two = _statistics(other, first)
  name = 'humans.text.alpha_nominal'
  direct = pivots.studentise(sample, weighing.minus(two[name][0], one[name][0]))
  slope = pair.difference.influence.slope
  error = np.sqrt(len(slope) / (len(slope) - 1) * slope @ slope)
  assert error == pytest.approx(direct.error, abs=1e-10)
  assert pair.difference.estimate == pytest.approx(direct.value, abs=1e-12)


def test_pairing_is_tighter_than_two_intervals(found):
  pair = found.statistics[f'views.{FULL}.accuracy']
  apart = np.hypot(pair.a.high - pair.a.low, pair.b.high - pair.b.low)
  assert pair.difference.high - pair.difference.low < apart


@pytest.mark.parametrize('weights', [(0.5, 0.5), (-1.0, 1.0)])
def test_who_is_in_both_figures_is_left_out_of_both(weights):
  random = np.random.default_rng(4)
  parts, effects, within = [], np.zeros((2, 4)), (0.03, 0.01)
  for place, names in enumerate(([1, 2, 3], [2, 3, 9])):
    effect = random.normal(0, 0.3, 3)
    effects[place, np.searchsorted([1, 2, 3, 9], names)] = effect
    influence = findings.Influence(
      np.arange(300).astype(np.str_),
      random.normal(0, 1e-3, 300),
      annotators=findings.Deletions(
        np.array(names, np.uint64), effect, within[place], 2.0 + place, 3
      ),
    )
    parts.append(findings.Estimate(0.5, n=300, influence=influence))
  found = comparison.combined(list(zip(weights, parts, strict=True)))
  expected = 3 / 4 * ((np.array(weights) @ effects) ** 2).sum()
  # Of a difference, no less is shared than one has more than the other.
  expected -= 0.01 if weights[0] > 0 else (0.3**0.5 - 0.1**0.5) ** 2 / 10
  assert found.variance['annotators'] == pytest.approx(expected)
  assert 'with the noise of 3 annotators' in found.method


def test_the_same_figures_have_no_interval(found, inputs):
  pair = found.statistics['humans.text.accuracy']
  assert pair.difference.estimate == 0
  assert pair.difference.low is None
  assert 'the same figure in both' in pair.difference.method


def test_figures_of_other_groups_are_not_paired(found):
  name = f'views.{FULL}.accuracy'
  one = found.b.statistics[name]
  moved = dataclasses.replace(
    one,
    influence=dataclasses.replace(
      one.influence,
      groups=np.char.add('bundle ', one.influence.groups),
    ),
  )
  other = dataclasses.replace(
    found.b, statistics={**found.b.statistics, name: moved}
  )
  pair = comparison.compare(found.a, other).statistics[name]
  assert pair.difference.low is None
  assert 'other groups' in pair.difference.method


def test_primaries_are_one_family(found):
  told = [
    found.statistics[name].difference
    for name in found.primaries.values()
    if found.statistics[name].difference.p is not None
  ]
  assert len(told) > 2
  assert [one.p_adjusted for one in told] == significance.holm(
    [one.p for one in told]
  )


def test_what_one_study_lacks_is_named(inputs, found, tmp_path):
  corpus, first, _ = inputs
  alone = made.predictions({FULL: first.probabilities[FULL]})
  b = _write(corpus, alone, tmp_path / 'b')
  lacking = comparison.compare(found.a, b)
  name = 'views.full_minus_text.accuracy'
  assert name not in lacking.statistics
  assert lacking.skipped[name].startswith(f'Only {found.a.folder} has it.')
  assert lacking.skipped['disagreement.text_vs_full.rate'].endswith(
    f'There is no view beside the full one, {FULL}.'
  )
  assert 'question 2' in lacking.skipped


def test_other_p_values_are_a_family_for_each_figure(found):
  for pattern in (
    'views.{view}.accuracy',
    'views.full_minus_{view}.accuracy',
    'disagreement.{view}_vs_full.rate',
  ):
    names = [
      name
      for name in found.statistics
      if catalogue.find(name).entry.pattern == pattern
    ]
    told = [found.statistics[name].difference for name in names]
    assert len(told) > 1
    assert [one.p_adjusted for one in told] == significance.holm(
      [one.p for one in told]
    )


def test_studies_of_other_corpora_are_refused(found, tmp_path):
  for key, value, says in (
    ('corpus', 'another', 'different corpora'),
    ('num_clips', 3, 'different numbers of clips'),
    ('num_groups', 3, 'different numbers of groups'),
    ('content', 'x', 'clips, groups, labels or votes'),
  ):
    other = dataclasses.replace(found.b, info={**found.b.info, key: value})
    with pytest.raises(errors.InputError, match=says):
      comparison.compare(found.a, other)


@pytest.mark.parametrize(
  ('name', 'content', 'says'),
  [
    ('study.json', '{', 'is not JSON'),
    ('study.json', '{"schema": 1}', 'is not a whole study'),
    ('study.json', '{"schema": 7}', 'expected a study of schema 1'),
    (
      'study.json',
      '{"schema": 1, "statistics": {"views.audio.charm": {}}}',
      "figures of another version, for example 'views.audio.charm'",
    ),
    ('study.json', None, 'expected the folder of a study'),
    ('influence.npz', 'x', 'is not a whole file of influences'),
    ('influence.npz', None, 'evaluate again'),
  ],
)
def test_damaged_studies_are_one_error(found, tmp_path, name, content, says):
  for file in ('study.json', 'influence.npz'):
    data = (found.a.folder / file).read_bytes()
    (tmp_path / file).write_bytes(data)
  if content is None:
    (tmp_path / name).unlink()
  else:
    (tmp_path / name).write_text(content)
  with pytest.raises(errors.InputError, match=says):
    comparison.read(tmp_path)


def test_the_folder_holds_all(found, tmp_path):
  output = tmp_path / 'out'
  comparison.write(found, output, comparison_report.render(found))
  assert {path.name for path in output.iterdir()} == set(comparison.FILES)
  told = json.loads((output / 'comparison.json').read_text())
  assert set(told['statistics']) == set(found.statistics)
  one = told['statistics'][f'views.{FULL}.accuracy']
  assert one['difference']['estimate'] == pytest.approx(one['b'] - one['a'])
  lines = (output / 'tables/views.csv').read_text().splitlines()
  assert lines[0].startswith('statistic,a,b,b_minus_a,low,high')
  comparison.write(found, output, 'again')
  (output / 'mine.txt').write_text('')
  with pytest.raises(errors.InputError, match='other things than a compar'):
    comparison.check_output(output)
  with pytest.raises(errors.InputError, match='other things than a study'):
    study_lib.check_output(pathlib.Path(output))


def test_the_report_says_no_more_than_the_intervals(found):
  page = comparison_report.render(found)
  text = re.sub(r'<[^>]+>', '', page)
  pair = found.statistics[f'views.{FULL}.accuracy']
  assert pair.difference.high < 0
  assert 'lower in B by' in text
  assert f'is {100 * pair.a.estimate:.1f} % in A and' in text
  cells = re.findall(r'<td[^>]*>([^<]+)</td>', page.split('num groups</th>')[1])
  assert cells[:3] == [str(found.a.info['num_groups'])] * 2 + ['0']
  assert 'nan' not in text.lower().split()
  evil = dataclasses.replace(
    found.a, folder=pathlib.Path('<script>alert(1)</script>')
  )
  page = comparison_report.render(dataclasses.replace(found, a=evil))
  assert '<script>' not in page


def test_the_page_runs_one_script_and_loads_nothing(found):
  page = comparison_report.render(found)
  policy = re.search('Content-Security-Policy" content="([^"]*)"', page)[1]
  assert "default-src 'none'" in policy
  (script,) = re.findall('<script[^>]*>(.*?)</script>', page, re.S)
  assert f"script-src '{report._hash(script)}';" in policy


def test_figures_are_written_in_their_units(found):
  page = comparison_report.render(found)
  table = page.replace('<wbr>', '').split('<section id="views"')[1]
  rows = {
    cells[0]: cells[1:]
    for row in re.findall(r'<tr>(.*?)</tr>', table.split('</section>')[0], re.S)
    if (cells := re.findall(r'<t[hd][^>]*>\s*(.*?)</t[hd]>', row, re.S))
  }
  for name, words, factor, digits in (
    (f'views.{FULL}.accuracy', f'{FULL}: accuracy, %', 100, 1),
    (f'views.{FULL}.nll', f'{FULL}: nll, nats', 1, 3),
  ):
    pair = found.statistics[name]
    assert rows[words][0] == f'{factor * pair.a.estimate:.{digits}f}'
    assert rows[words][1] == f'{factor * pair.b.estimate:.{digits}f}'


def test_topics_are_called_as_in_a_report():
  """What a section is called there; a topic of several words has a name."""
  folder = pathlib.Path(sections.__file__).parent
  called = {}
  for path in folder.glob('*.py'):
    called |= dict(
      re.findall(r"Section\('(\w+)', '([^']+)', \d", path.read_text())
    )
  assert len(called) > 8
  for key, title in called.items():
    assert comparison_report.title_of(key) == title
