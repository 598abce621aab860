"""The study as a whole: corrected p-values, reasons, and what is written."""

import csv
import dataclasses
import json
import re
import warnings

import made
import numpy as np
import pytest
from statsmodels.stats import multitest

from empathy import errors
from empathy.evaluation import facts, findings, report, samples
from empathy.evaluation import study as study_lib


@pytest.fixture(scope='module', name='study')
def _study():
  corpus, predictions = made.study_input()
  return study_lib.build(corpus, made.with_parts(predictions))


def test_every_question_is_answered(study):
  assert study.primaries == {
    1: 'views.full_minus_best_single.accuracy',
    2: study.primaries[2],
    3: 'ambiguity.any_disagreement.beyond_seeds',
    4: 'dominance.any.net_harm',
    5: 'humans.full_minus_text.accuracy',
    6: 'diagnosis.any_disagreement.adjusted',
  }
  assert not [name for name in study.skipped if name.startswith('question')]
  assert study.info['resampling'].startswith('Intervals are symmetric')
  assert study.info['seeds'] == {'text': 3, 'audio': 3, 'text+audio': 3}
  assert study.info['folds'] == 3


def test_each_primary_has_a_plan(study):
  rows = study.tables['planner']
  assert [row['statistic'] for row in rows] == list(study.primaries.values())
  for row in rows:
    variance = study.statistics[row['statistic']].variance
    total = sum(variance.values())
    for name in ('groups', 'seeds', 'annotators'):
      expected = variance[name] / total if name in variance else None
      assert row[f'{name}_share'] == pytest.approx(expected)
    assert row['sentence']


@pytest.mark.parametrize(
  ('seeds', 'says'),
  [
    ({'text': 1, 'text+audio': 1}, 'alone: there is one seed of each'),
    ({'text': 2, 'text+audio': 1}, 'alone: two seeds are too few'),
    ({'text': 3, 'text+audio': 4}, 'means over seeds cover new seeds, too'),
    ({'text': 3, 'text+audio': 2}, 'over three seeds or more cover new seeds'),
  ],
)
def test_new_seeds_are_said_to_be_covered_where_they_are(seeds, says):
  assert says in facts.covers(seeds, None)
  assert 'votes' not in facts.covers(seeds, None)


def test_where_other_annotators_are_covered_is_said():
  corpus, predictions = made.study_input(200, 12, 3)
  corpus = made.with_values(made.with_annotators(corpus))
  found = study_lib.build(corpus, made.with_parts(predictions))
  told = found.info['covers']
  assert (
    'too, in Humans, Scores, Ambiguity and Conflict that people see; those of '
    'other sections, of permuted votes, of prediction sets,'
  ) in told
  noisy = {
    name.split('.')[0]
    for name, one in found.statistics.items()
    if 'annotators' in one.variance
  }
  # Each of these is shown in one of the four.
  assert {'humans', 'scores', 'views', 'ambiguity'} <= noisy
  assert noisy <= {'humans', 'scores', 'views', 'ambiguity', 'conflict'}


@pytest.mark.parametrize(
  ('number', 'covered'), [(1, False), (2, False), (5, True)]
)
def test_other_annotators_are_covered_where_some_are_known(number, covered):
  corpus, _ = made.study_input()
  votes = corpus.votes
  names = np.array([f'a{i % number}' for i in range(len(votes.clip))])
  corpus = dataclasses.replace(
    corpus, votes=dataclasses.replace(votes, annotator=names)
  )
  told = study_lib.build(corpus).info['covers']
  assert ('cover other annotators like these' in told) == covered


def test_the_primaries_are_one_family_of_holms(study):
  p = {q: study.statistics[name].p for q, name in study.primaries.items()}
  # The second was chosen among two single views.
  p[2] = min(1, 2 * p[2])
  expected = multitest.multipletests(list(p.values()), method='holm')[1]
  found = [study.statistics[study.primaries[q]].p_adjusted for q in p]
  np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_the_others_are_a_family_for_each_question_and_statistic(study):
  for names in (
    ['views.full_minus_text.accuracy', 'views.full_minus_audio.accuracy'],
    [
      f'ambiguity.{signal}_disagreement.gs_difference'
      for signal in ('any', 'text', 'audio')
    ],
    [
      f'ambiguity.{view}_disagreement.beyond_seeds'
      for view in ('text', 'audio')
    ],
  ):
    p = [study.statistics[name].p for name in names]
    expected = multitest.multipletests(p, method='holm')[1]
    found = [study.statistics[name].p_adjusted for name in names]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize(
  ('stem', 'names', 'num_candidates', 'adjusted'),
  [
    # Chosen among two, it counts in their family, and twice among primaries.
    ('disagreement.{}_vs_full.beyond_either', 'ab', 2, (0.02, 0.02)),
    # What was settled beforehand leaves its entry's family to the others.
    ('dominance.{}.net_harm', ('any', 'a'), 1, (0.01, 0.012)),
  ],
)
def test_a_primary_counts_where_it_was_chosen(
  stem, names, num_candidates, adjusted
):
  first, other = (stem.format(name) for name in names)
  found = findings.Findings(
    {
      name: findings.Estimate(0.1, 0.0, 0.2, 0.95, p)
      for name, p in ((first, 0.01), (other, 0.012))
    },
    primary=first,
    num_candidates=num_candidates,
  )
  statistics = study_lib.assemble({2: found}, {}).statistics
  assert [statistics[n].p_adjusted for n in (first, other)] == pytest.approx(
    adjusted
  )


def test_no_p_without_a_null_and_none_uncorrected(study):
  with_p = {name for name, e in study.statistics.items() if e.p is not None}
  assert with_p == {
    name for name, e in study.statistics.items() if e.p_adjusted is not None
  }
  for name in with_p:
    assert any(
      word in name
      for word in (
        'full_minus',
        'excess',
        'conflict.',
        'together.',
        'same_seed_gap',
        'beyond_either',
        'adjusted_by_seed',
        'beyond_seeds',
        'gs_difference',
        'adjusted',
        'auroc',
        'humans.models',
        'net_harm',
        'spearman',
      )
    )


def test_tables_show_the_corrected_p_values(study):
  for row in study.tables['full_minus_view']:
    one = study.statistics[f'views.full_minus_{row["view"]}.accuracy']
    assert row['p_adjusted'] == one.p_adjusted is not None
  for rows in study.tables.values():
    for row in rows:
      assert row.keys() == rows[0].keys()
      for value in row.values():
        assert value is None or isinstance(value, str | int | float)
        assert value == value


def test_signals_are_ranked(study):
  signals = study.signals
  assert list(signals)[:2] == ['id', 'rank']
  assert len(set(signals['id'])) == 120
  differ, doubt = signals['any_disagreement'], signals['one_minus_confidence']
  assert (np.diff(differ) <= 0).all()
  assert (np.diff(doubt[differ > 0]) <= 0).all()
  assert (np.diff(doubt[differ == 0]) <= 0).all()
  for name in signals:
    if name.startswith('gold_') and name.endswith('transition'):
      assert set(signals[name]) <= {
        f'{a} to {b}' for a in ('right', 'wrong') for b in ('right', 'wrong')
      }
  right = signals['predicted'] == signals['gold_label']
  np.testing.assert_array_equal(right, signals['gold_correct'] > 0)


def test_the_order_of_clips_does_not_matter(study):
  corpus, predictions = made.study_input()
  order = np.random.default_rng(0).permutation(120)
  votes = {c: corpus.vote_counts(c)[order] for c in corpus.conditions}
  groups = np.unique(corpus.groups, return_inverse=True)[1][order]
  again = made.corpus(groups, corpus.labels[order], corpus.classes, votes=votes)
  again = dataclasses.replace(again, ids=corpus.ids[order])
  moved = made.predictions(
    {v: p[:, order] for v, p in predictions.probabilities.items()},
    predictions.folds['text'][0][order],
  )
  found = study_lib.build(again, made.with_parts(moved))
  assert found.statistics.keys() == study.statistics.keys()
  for name, one in study.statistics.items():
    if name.endswith('ece_null'):
      continue
    for field, value in one.figures().items():
      other = getattr(found.statistics[name], field)
      if isinstance(value, float):
        assert other == pytest.approx(value, abs=1e-9), (name, field)
      else:
        assert other == value
  np.testing.assert_array_equal(found.signals['id'], study.signals['id'])


@pytest.mark.parametrize(
  ('clips', 'groups', 'seeds', 'classes', 'votes'),
  [
    (12, 1, 2, 3, 3),
    (12, 2, 1, 2, 1),
    (12, 12, 2, 3, 2),
    (6, 3, 2, 6, 2),
    (400, 210, 1, 2, 2),
  ],
)
def test_degenerate_data_neither_warn_nor_say_nan(
  clips, groups, seeds, classes, votes
):
  corpus, predictions = made.study_input(
    clips, groups, seeds, 0, classes, votes
  )
  with warnings.catch_warnings(), np.errstate(all='raise', under='ignore'):
    warnings.simplefilter('error')
    study = study_lib.build(corpus, predictions)
  json.dumps(
    [one.figures() for one in study.statistics.values()],
    allow_nan=False,
  )
  for name, one in study.statistics.items():
    assert one.estimate is not None
    assert one.method, name
    assert (one.low is None) == (one.high is None) == (one.level is None)
    if one.low is not None:
      assert one.low <= one.estimate <= one.high
  assert all(study.skipped.values())


def test_constant_predictions_neither_warn_nor_say_nan():
  corpus, predictions = made.study_input()
  same = np.zeros((2, 120, 3))
  same[..., 1] = 1
  constant = made.predictions(dict.fromkeys(predictions.views, same))
  with warnings.catch_warnings(), np.errstate(all='raise', under='ignore'):
    warnings.simplefilter('error')
    study = study_lib.build(corpus, constant)
  assert study.statistics['disagreement.text_vs_full.rate'].estimate == 0
  excess = study.statistics['disagreement.text_vs_full.excess']
  assert (excess.estimate, excess.low) == (0, None)
  assert 'same figure' in excess.method
  assert 3 not in study.primaries


def test_primaries_without_an_interval_are_named_and_told():
  corpus, predictions = made.study_input(num_groups=2)
  study = study_lib.build(corpus, made.with_parts(predictions))
  assert list(study.primaries) == [1, 2, 3, 4, 5, 6]
  for name in study.primaries.values():
    one = study.statistics[name]
    assert (one.low, one.p, one.p_adjusted) == (None, None, None)
  assert 'data.smallest_effect' in study.skipped
  page = report.render(study)
  assert page.count('cannot be judged without an interval') >= 4
  answer = page[page.index('id="answer"') : page.index('id="data"')]
  assert '95 % interval' not in answer
  assert 'corrected together' not in page


def test_what_is_answered_in_part_is_not_skipped_as_a_whole():
  corpus, predictions = made.study_input(num_seeds=1)
  predictions = made.with_parts(predictions)
  votes = corpus.vote_counts('text+audio')
  corpus = dataclasses.replace(corpus, labels=votes.argmax(axis=1))
  study = study_lib.build(corpus, predictions)
  assert not [name for name in study.skipped if name.startswith('question')]
  assert study.skipped.keys() >= {
    'disagreement.audio_vs_full.excess',
    'humans.full_minus_best_per_clip.naive',
  }
  # Votes that made the label do not judge it, and the report says so.
  page = re.sub('<[^>]*>', '', report.render(study))
  assert 'equal a label made of other votes' in page


def test_the_smallest_effect_says_what_it_is_over():
  (row,) = (
    row
    for row in study_lib.build(*made.study_input()).tables['data_checks']
    if row['check'] == 'smallest_effect'
  )
  assert 'the full view over the best single one that' in row['sentence']


def test_humans_alone():
  corpus, _ = made.study_input()
  study = study_lib.build(corpus)
  assert list(study.primaries) == [5]
  assert study.skipped['question 1'] == 'There are no predictions.'
  assert 'views' not in study.tables
  gs = study.signals['votes_gs']
  assert (np.diff(gs) <= 0).all()
  assert study.info['views'] == []


def test_a_simulated_corpus_is_called_so(study):
  corpus, _ = made.study_input()
  assert study.info['simulated'] is False
  corpus.info['simulated'] = True
  assert study_lib.build(corpus).info['simulated'] is True


def test_what_is_written(study, tmp_path):
  output = tmp_path / 'here/study'
  study_lib.write(study, output, '<p>report</p>')
  assert sorted(path.name for path in output.iterdir()) == [
    'influence.npz',
    'report.html',
    'signals.csv',
    'study.json',
    'tables',
  ]
  assert (output / 'report.html').read_text() == '<p>report</p>'
  found = json.loads((output / 'study.json').read_text())
  assert found['schema'] == 1
  assert found['skipped'] == study.skipped
  assert found['statistics'].keys() == study.statistics.keys()
  for one in found['statistics'].values():
    assert list(one) == [
      'estimate',
      'low',
      'high',
      'level',
      'p',
      'p_adjusted',
      'n',
      'method',
    ]
  for path in [*output.glob('tables/*.csv'), output / 'signals.csv']:
    with open(path, newline='') as file:
      header, *rows = csv.reader(file)
    assert rows
    assert all(len(row) == len(header) for row in rows)
    assert not any('nan' in row or 'None' in row for row in rows)
  assert {path.stem for path in output.glob('tables/*.csv')} == {
    name for name, rows in study.tables.items() if rows
  }


def test_a_study_is_replaced_whole_and_nothing_else_is(study, tmp_path):
  output = tmp_path / 'study'
  study_lib.write(study, output, 'old')
  (output / 'tables' / 'stale.csv').write_text('x')
  study_lib.write(study, output, 'new')
  assert (output / 'report.html').read_text() == 'new'
  assert not (output / 'tables' / 'stale.csv').exists()
  (output / 'thesis.tex').write_text('precious')
  with pytest.raises(errors.InputError, match='thesis'):
    study_lib.write(study, output, 'newer')
  assert (output / 'report.html').read_text() == 'new'
  assert sorted(path.name for path in tmp_path.iterdir()) == ['study']


def test_a_failure_leaves_nothing(study, tmp_path, monkeypatch):
  broken = dataclasses.replace(
    study,
    statistics={
      'x': dataclasses.replace(
        study.statistics['data.num_groups'], estimate=float('nan')
      )
    },
  )
  with pytest.raises(ValueError, match='JSON'):
    study_lib.write(broken, tmp_path / 'study', 'r')
  assert list(tmp_path.iterdir()) == []
  monkeypatch.chdir(tmp_path)
  with pytest.raises(errors.InputError, match='folder of its own'):
    study_lib.write(study, tmp_path, 'r')


def test_the_same_input_gives_the_same_study(study):
  samples.draws.cache_clear()
  corpus, predictions = made.study_input()
  again = study_lib.build(corpus, made.with_parts(predictions))
  assert again.statistics == study.statistics
  assert again.tables == study.tables


def test_assembling_leaves_the_answers_alone():
  corpus, predictions = made.study_input()
  totals, plan = made.added_up(corpus, predictions)
  answers = study_lib.answers(totals, plan)
  rows = len(answers[7].tables['data_checks'])
  info = facts.of(totals, plan)
  first, again = (study_lib.assemble(answers, info) for _ in range(2))
  assert len(answers[7].tables['data_checks']) == rows
  assert len(first.tables['data_checks']) == rows + 1
  assert again.tables == first.tables


def test_labels_as_predictions_leave_out_what_rests_on_confidence():
  corpus, predictions = made.study_input(num_seeds=4)
  hard = {
    view: np.eye(3)[p.argmax(axis=-1)]
    for view, p in predictions.probabilities.items()
  }
  found = study_lib.build(corpus, made.predictions(hard, corpus_folds(corpus)))
  graded = study_lib.build(corpus, predictions)
  gone = [
    'ambiguity.one_minus_confidence.auroc_contested',
    'ambiguity.any_disagreement.auroc_minus_confidence',
    'ambiguity.any_disagreement.adjusted',
    'diagnosis.combined.auroc_error',
    'diagnosis.combined.auroc_minus_confidence',
    'diagnosis.any_disagreement.adjusted',
    'diagnosis.selective_20.risk',
    'humans.models.one_minus_confidence.spearman',
  ]
  for name in gone:
    assert name in graded.statistics
    assert name not in found.statistics
    assert 'confidence' in found.skipped[name]
  # What needs labels only stays.
  for name in (
    'ambiguity.any_disagreement.gs_difference',
    'diagnosis.any_disagreement.auroc_error',
    'disagreement.text_vs_full.rate',
  ):
    assert name in found.statistics
  assert 'selective' not in found.tables
  signals = [row['signal'] for row in found.tables['diagnosis']]
  assert 'one_minus_confidence' not in signals
  report.render(found)


def corpus_folds(corpus):
  return np.unique(corpus.groups, return_inverse=True)[1] % 3
