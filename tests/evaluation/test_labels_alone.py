"""Tables of labels, and of samples of labels, in place of probabilities."""

import dataclasses
import functools
import operator
import pathlib
import re

import made
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import (
  answering,
  reading,
  report,
  sections,
  sources,
  streaming,
  views,
)
from empathy.evaluation import plan as plan_lib
from empathy.evaluation import study as study_lib
from empathy.evaluation import survey as survey_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.predictions import Kind
from empathy.evaluation.sections import disagreement

_PATH = pathlib.Path('judge')
_VIEWS = ('text', 'audio', 'text+audio')


def _corpus(num_clips=60, num_groups=8):
  corpus, _ = made.study_input(num_clips, num_groups, 1)
  return made.with_annotators(corpus)


def _table(corpus, num_samples=None, silent=0.1, seed=0):
  """What a judge says, who is right three times in four."""
  random = np.random.default_rng(seed)
  rows = []
  for view in _VIEWS:
    for clip, label in zip(corpus.ids, corpus.labels, strict=True):
      for sample in range(num_samples or 1):
        if random.random() < 0.25:
          label = random.integers(len(corpus.classes))
        said = '' if random.random() < silent else corpus.classes[label]
        rows.append((clip, view, said, sample))
  ids, view, label, sample = zip(*rows, strict=True)
  table = pa.table({'id': ids, 'view': view, 'label': label})
  if num_samples is None:
    return table
  return table.append_column('sample', pa.array(sample))


def _of(corpus, rows, **more):
  """The predictions of rows (id, label), of the view of text."""
  ids, labels = zip(*rows, strict=True)
  table = {'id': ids, 'view': ['text'] * len(ids), 'label': labels} | more
  return reading.of_table(_PATH, pa.table(table), corpus)


def test_a_label_has_all_of_the_probability():
  corpus = _corpus(4, 2)
  found = _of(
    corpus, [('clip0', 'class2'), ('clip2', ''), ('clip3', 'CLASS1 ')]
  )
  assert found.kind is Kind.LABELS
  assert found.seeds['text'].tolist() == [0]
  np.testing.assert_array_equal(
    found.probabilities['text'][0],
    [[0, 0, 1], [np.nan] * 3, [np.nan] * 3, [0, 1, 0]],
  )
  # One was not asked, and another one has no answer.
  assert found.asked['text'].tolist() == [[True, False, True, True]]
  assert found.folds['text'].tolist() == [[0, -1, -1, 0]]


def test_samples_are_members():
  corpus = _corpus(4, 2)
  found = _of(
    corpus,
    [('clip0', 'class2'), ('clip0', 'class1'), ('clip1', 'class0')],
    sample=[1, 4, 4],
  )
  assert found.kind is Kind.SAMPLES
  assert found.seeds['text'].tolist() == [1, 4]
  np.testing.assert_array_equal(
    found.probabilities['text'][:, 0], [[0, 0, 1], [0, 1, 0]]
  )
  assert np.isnan(found.probabilities['text'][0, 1:]).all()
  batch = Batch(corpus, found)
  np.testing.assert_array_equal(batch.means['text'][0], [0, 0.5, 0.5])


def test_numbers_and_words_for_nothing_are_labels_too():
  corpus = dataclasses.replace(
    _corpus(3, 2), info=_corpus(3, 2).info | {'classes': ['1', '2', '3']}
  )
  found = _of(corpus, [('clip0', 2.0), ('clip1', None), ('clip2', 3.0)])
  assert found.probabilities['text'][0].argmax(axis=1).tolist() == [1, 0, 2]
  assert np.isnan(found.probabilities['text'][0, 1]).all()
  found = _of(corpus, [('clip0', '1.0'), ('clip1', 'N/A')])
  assert found.probabilities['text'][0, 0].tolist() == [1, 0, 0]
  assert found.asked['text'].tolist() == [[True, True, False]]


def test_a_label_beside_probabilities_is_a_note():
  corpus, predictions = made.study_input(20, 5, 1)
  table = made.table(corpus, predictions)
  table = table.append_column('label', pa.array(['?'] * len(table)))
  found = reading.of_table(_PATH, table, corpus)
  assert found.kind is Kind.PROBABILITIES
  assert not found.asked


def test_of_one_modality_the_view_is_known():
  corpus = dataclasses.replace(
    _corpus(3, 2), info=_corpus(3, 2).info | {'modalities': ['text']}
  )
  table = pa.table({'id': ['clip1'], 'label': ['class1']})
  assert reading.of_table(_PATH, table, corpus).views == ('text',)
  with pytest.raises(errors.InputError, match="column 'view' is missing"):
    reading.of_table(_PATH, table, _corpus(3, 2))


@pytest.mark.parametrize(
  ('more', 'says'),
  [
    ({}, r"number several answers of a model in a column 'sample'"),
    ({'sample': [0, 0]}, 'the same id, view, given and seed as line 2'),
    ({'sample': [-1, 0]}, "column 'sample': -1 is less than 0"),
    ({'sample': [0, 'x']}, "column 'sample': 'x' is not a whole number"),
    ({'sample': [0, 1 << 20]}, 'is not less than'),
  ],
)
def test_what_is_there_twice_is_said(tmp_path, more, says):
  corpus = _corpus(3, 2)
  path = tmp_path / 'judge.csv'
  rows = ['id,view,label' + ',sample' * bool(more)]
  for row in range(2):
    sample = f',{more["sample"][row]}' if more else ''
    rows.append(f'clip0,text,class1{sample}')
  path.write_text('\n'.join(rows) + '\n')
  with pytest.raises(errors.InputError, match=says) as caught:
    reading.read(path, corpus)
  assert len(str(caught.value).splitlines()) == 1


def test_samples_of_several_seeds_are_refused():
  corpus = _corpus(3, 2)
  rows = [('clip0', 'class1')] * 4
  with pytest.raises(errors.InputError, match='judge each seed by itself'):
    _of(corpus, rows, sample=[0, 1, 0, 1], seed=[1, 1, 2, 2])
  found = _of(corpus, rows[:2], sample=[0, 1], seed=[42, 42])
  assert len(found.seeds['text']) == 2


def test_an_unknown_label_is_named_once_or_taken_as_none(tmp_path, caplog):
  corpus = _corpus(12, 3)
  rows = [
    (f'clip{i}', 'I cannot say' if i % 2 else 'class1') for i in range(12)
  ]
  with pytest.raises(errors.InputError) as caught:
    _of(corpus, rows)
  (line,) = str(caught.value).splitlines()
  assert "'I cannot say' is no class of the corpus" in line
  assert '(6 times: rows 2, 4, 6, ...)' in line
  ids, labels = zip(*rows, strict=True)
  table = pa.table({'id': ids, 'view': ['text'] * 12, 'label': labels})
  with caplog.at_level('INFO', 'empathy'):
    found = reading.of_table(_PATH, table, corpus, lenient=True)
  assert found.asked['text'].all()
  assert np.isnan(found.probabilities['text'][0, 1::2]).all()
  assert '(6 times: rows 2, 4, 6, ...): took these as no answer' in caplog.text


@pytest.mark.parametrize(
  ('said', 'says'),
  [
    (
      ['clas1', 'class2'] * 3,
      "'clas1' is no class of the corpus, class0, class1, class2; perhaps "
      "'clas1' is 'class1' (3 times: rows 1, 3, 5)",
    ),
    (
      ['no', 'never', 'refused', 'Clas 2', 'no', 'class2'],
      "'no', 'never', 'refused' and 1 more are no classes of the corpus, "
      "class0, class1, class2; perhaps 'Clas 2' is 'class2'; leave the cell "
      'empty where there is no answer, or take it so: --lenient (5 times: rows '
      '1, 2, 3, ...)',
    ),
  ],
)
def test_unknown_labels_are_named_with_what_they_may_mean(said, says):
  rows = [(f'clip{i}', name) for i, name in enumerate(said)]
  with pytest.raises(errors.InputError) as caught:
    _of(_corpus(6, 3), rows)
  assert str(caught.value) == f"judge: row 1: column 'label': {says}"


@pytest.mark.parametrize('lenient', [False, True])
def test_a_number_between_values_is_a_score(lenient, caplog):
  corpus = _corpus(4, 2)
  info = corpus.info | {'ordered': True, 'values': [1.0, 4.0, 7.0]}
  corpus = dataclasses.replace(corpus, info=info | {'classes': ['1', '4', '7']})
  table = {'id': ['clip0', 'clip1', 'clip2'], 'view': ['text'] * 3}
  said = pa.array(['3.5', '4', 'N/A'])
  with pytest.raises(errors.InputError, match=r"'3.5' .* scale 'score'"):
    reading.of_table(_PATH, pa.table(table | {'label': said}), corpus, lenient)
  found = reading.of_table(_PATH, pa.table(table | {'score': said}), corpus)
  expected = found.probabilities['text'][0, :3] @ [1, 4, 7]
  np.testing.assert_allclose(expected, [3.5, 4, np.nan])
  table = pa.table(table | {'score': ['3.5', '4', 'I cannot tell']})
  if not lenient:
    with pytest.raises(errors.InputError, match=r'tell. is not a number'):
      reading.of_table(_PATH, table, corpus)
    return
  with caplog.at_level('INFO', 'empathy'):
    found = reading.of_table(_PATH, table, corpus, lenient)
  assert found.asked['text'][0].tolist() == [True, True, True, False]
  assert np.isnan(found.probabilities['text'][0, 2]).all()
  assert "'I cannot tell' is not a number (1 time: row 3)" in caplog.text


def test_logits_are_known_as_such():
  scores = np.random.default_rng(0).normal(0, 2, (12, 3))
  columns = {f'prob_class{i}': scores[:, i] for i in range(3)}
  ids = [f'clip{i}' for i in range(12)]
  table = pa.table({'id': ids, 'view': ['text'] * 12} | columns)
  with pytest.raises(errors.InputError) as caught:
    reading.of_table(_PATH, table, _corpus(12, 3))
  (line,) = str(caught.value).splitlines()
  assert 'look like scores or logits, not probabilities' in line
  number = (scores < 0).any(axis=1).sum()
  assert f'({number} times: rows ' in line
  assert '--lenient' not in line


def test_columns_with_usual_names_are_taken(tmp_path, caplog):
  corpus = _corpus(4, 2)
  path = tmp_path / 'judge.csv'
  path.write_text('Clip ID,view,Prediction\nclip1,text,class2\n')
  with caplog.at_level('INFO', 'empathy'):
    found = reading.read(path, corpus)
  assert found.probabilities['text'][0, 1].tolist() == [0, 0, 1]
  assert "took column 'Clip ID' as 'id'" in caplog.text
  assert "took column 'Prediction' as 'label'" in caplog.text
  path.write_text('id,view,label,prediction\nclip1,text,class1,class2\n')
  with pytest.raises(errors.InputError) as caught:
    reading.read(path, corpus)
  assert "columns 'label' and 'prediction': expected one" in str(caught.value)


def test_of_several_judges_each_has_a_table(tmp_path):
  path = tmp_path / 'judge.csv'
  rows = ['id,view,Model,label', 'clip0,text,a,class1', 'clip0,text,b,class1']
  path.write_text('\n'.join(rows) + '\n')
  with pytest.raises(errors.InputError) as caught:
    reading.read(path, _corpus(3, 2))
  (line,) = str(caught.value).splitlines()
  assert line.endswith(
    "column 'Model' names several: judge each by itself, a table each"
  )


def test_what_few_clips_answer_is_told_at_once():
  corpus = _corpus(120, 12)
  found = reading.of_table(_PATH, _table(corpus, 5, 0.2), corpus)
  study = study_lib.build(corpus, found)
  labels = [Batch(corpus, found).labels[view] for view in _VIEWS]
  # Every sample of the full view and of the other one has an answer.
  both = [
    ((one >= 0).all(axis=0) & (labels[2] >= 0).all(axis=0)).sum()
    for one in labels[:2]
  ]
  few = study.statistics['data.answered_by_all']
  assert (few.estimate, few.n) == (min(both) / 120, 120)
  assert 0 < few.estimate < 0.5
  row = next(
    row
    for row in study.tables['data_checks']
    if row['check'] == 'answered_by_all'
  )
  assert row['verdict'] == 'warning'
  assert f'Of 120 clips, {min(both)} have every answer of' in row['sentence']
  told = disagreement.section(study).answer[0]
  assert re.search(r'of \d+ clips that both always answer, of 120', told)
  silent = (labels[2] < 0).sum()
  (told, *_) = sections.views.section(study).answer
  assert f'{silent} of 600 questions had no answer' in told
  # A view that is silent does not make others so.
  table = _table(corpus, 2, 0)
  said = np.where(
    np.array(table['view']) == 'audio', '', np.array(table['label'])
  )
  table = table.set_column(2, 'label', pa.array(said.tolist()))
  study = study_lib.build(corpus, reading.of_table(_PATH, table, corpus))
  assert study.statistics['data.answered_by_all'].estimate == 0
  told = disagreement.section(study).answer[0]
  assert told.startswith('Text')
  assert 'always' not in told
  assert 'text, the best single view' in sections.views.section(study).answer[0]
  # Nothing is said where all is answered.
  found = reading.of_table(_PATH, _table(corpus, 2, 0), corpus)
  study = study_lib.build(corpus, found)
  assert 'data.answered_by_all' not in study.statistics
  for name in (sections.views, disagreement):
    assert 'answer' not in name.section(study).answer[0]


def test_no_answer_at_all_is_told_in_a_line():
  corpus = _corpus(6, 3)
  found = _of(corpus, [(f'clip{i}', None) for i in range(6)])
  with pytest.raises(errors.InputError) as caught:
    study_lib.build(corpus, found)
  says = 'predictions: no row of text has an answer: nothing to judge'
  assert str(caught.value) == says


def _distributions():
  return pa.table(
    {
      'id': ['clip0', 'clip1', 'clip2', 'clip3'],
      'view': ['text'] * 4,
      'prob_class0': [0.6, 0.2, 0.0, None],
      'prob_class1': [0.3, 0.3, 0.0, None],
      'prob_class2': [0.3, 0.4, 0.0, None],
      'prob_none': [0.0, 0.1, 1.0, None],
    }
  )


def test_distributions_are_named_or_renormalised(caplog):
  corpus = _corpus(4, 2)
  table = _distributions()
  with pytest.raises(errors.InputError) as caught:
    reading.of_table(_PATH, table, corpus)
  (line,) = str(caught.value).splitlines()
  assert "'none' is no class of the corpus" in line
  assert '--lenient' in line
  with pytest.raises(
    errors.InputError, match=r'sum to 1.2; expected 1 .*; --lenient'
  ):
    reading.of_table(_PATH, table.drop_columns(['prob_none'])[:1], corpus)
  with caplog.at_level('INFO', 'empathy'):
    found = reading.of_table(_PATH, table, corpus, lenient=True)
  assert found.kind is Kind.PROBABILITIES
  np.testing.assert_allclose(
    found.probabilities['text'][0],
    [[0.5, 0.25, 0.25], [2 / 9, 3 / 9, 4 / 9], [np.nan] * 3, [np.nan] * 3],
  )
  assert found.asked['text'].all()
  assert 'sum to 1.2 (2 times: rows 1, 2): divided these' in caplog.text
  assert "'none' is no class of the corpus (2 times:" in caplog.text


def test_what_is_not_answered_is_counted():
  """By hand: of five clips one has no row, and two no answer."""
  corpus = made.corpus(np.arange(5), [0, 1, 2, 0, 1])
  rows = [('clip0', 'low'), ('clip1', 'middle'), ('clip2', ''), ('clip3', '')]
  found = _of(corpus, rows)
  totals, plan = made.added_up(corpus, found)
  answered = answering.answer(totals, plan)
  judged = views.answer(totals, plan)
  figures = {
    name: one.estimate
    for name, one in (answered.statistics | judged.statistics).items()
  }
  assert figures['views.text.answered'] == 0.5
  assert figures['views.text.accuracy'] == 1
  assert figures['views.text.accuracy_of_asked'] == 0.5
  (row,) = answered.tables['answered']
  assert (row['num_asked'], row['num_silent']) == (4, 2)


def _scored(num_clips=60):
  corpus, _ = made.study_input(num_clips, 8, 1)
  corpus = dataclasses.replace(corpus, groups=corpus.ids)
  return made.with_values(made.with_annotators(corpus), (1.0, 2.0, 4.0))


def test_a_score_is_kept_exactly():
  corpus = _scored(8)
  scores = [1, 4, 1.4, 3, 2.9, None, 2, 3.5]
  table = pa.table({'id': corpus.ids, 'view': ['text'] * 8, 'score': scores})
  found = reading.of_table(_PATH, table, corpus)
  assert found.kind is Kind.SCORES
  batch = Batch(corpus, found)
  np.testing.assert_allclose(
    batch.scores['text'][0], np.array(scores, float), rtol=0, atol=1e-11
  )
  # The nearest value, and half-way the upper one.
  assert batch.labels['text'][0].tolist() == [0, 2, 0, 2, 1, -1, 1, 2]
  table = table.set_column(2, 'score', pa.array([0.5, 4.5] + [1.0] * 6))
  with pytest.raises(errors.InputError, match='is outside of the scale, 1'):
    reading.of_table(_PATH, table, corpus)


def test_on_a_scale_the_ends_are_kept_too():
  corpus = made.corpus(np.arange(4), [0, 1, 1, 0], classes=('0.25', '0.75'))
  info = corpus.info | {'scale': [0, 1], 'num_bins': 2, 'ordered': True}
  info |= {'values': [0.25, 0.75]}
  corpus = dataclasses.replace(corpus, info=info)
  table = {'id': corpus.ids, 'view': ['text'] * 4, 'score': [0, 1, 0.5, 0.1]}
  found = reading.of_table(_PATH, pa.table(table), corpus)
  batch = Batch(corpus, found)
  np.testing.assert_allclose(
    batch.scores['text'][0], table['score'], rtol=0, atol=1e-11
  )
  assert batch.labels['text'][0].tolist() == [0, 1, 1, 0]


def test_scores_are_judged_as_scores():
  """Pearson's and MAE by hand, and nothing of a distribution."""
  corpus = _scored(60)
  random = np.random.default_rng(0)
  rows = []
  for _ in _VIEWS:
    rows.append(np.clip(corpus.scores + random.normal(0, 0.7, 60), 1, 4))
  table = pa.table(
    {
      'id': np.tile(corpus.ids, 3),
      'view': np.repeat(_VIEWS, 60),
      'score': np.concatenate(rows),
    }
  )
  study = study_lib.build(corpus, reading.of_table(_PATH, table, corpus))
  found = study.statistics
  assert found['scores.text.mae'].estimate == pytest.approx(
    np.abs(rows[0] - corpus.scores).mean()
  )
  assert found['scores.text.pearson'].estimate == pytest.approx(
    np.corrcoef(rows[0], corpus.scores)[0, 1]
  )
  assert 'scores.text.crps' not in found
  page = report.render(study)
  assert 'Predictions are scores without probabilities' in page


def test_dispersion_of_samples_is_unbiased():
  """Of samples of shares p two differ as often as 1 - sum p^2."""
  random = np.random.default_rng(0)
  shares = np.array([0.5, 0.3, 0.2])
  corpus = made.corpus(np.arange(4_000) // 40, random.integers(0, 3, 4_000))
  for number in (2, 5):
    said = random.choice(3, (number, 4_000), p=shares)
    probabilities = {view: np.eye(3)[said] for view in ('text', 'text+audio')}
    found = dataclasses.replace(
      made.predictions(probabilities), kind=Kind.SAMPLES
    )
    signals = Batch(corpus, found).signals
    gs = signals['labels_gs']
    error = gs.std() / 4_000**0.5
    assert abs(gs.mean() - (1 - (shares**2).sum())) < 4 * error
    assert not {'entropy', 'full_jsd', 'seed_mutual_information'} & set(signals)


@functools.cache
def _study(kind):
  # Each clip a group of its own, whose figures need no draws.
  corpus = _corpus(120, 12)
  corpus = dataclasses.replace(corpus, groups=corpus.ids)
  if kind == 'distributions':
    random = np.random.default_rng(0)
    table = made.table(corpus, made.study_input(120, 12, 1)[1])
    for name in corpus.classes:
      place = table.column_names.index(f'prob_{name}')
      values = np.round(table[f'prob_{name}'].to_numpy(), 1)
      values *= np.where(random.random(len(table)) < 0.1, 1.2, 1)
      table = table.set_column(place, f'prob_{name}', pa.array(values))
  else:
    table = _table(corpus, 5 if kind == 'samples' else None)
  found = reading.of_table(_PATH, table, corpus, kind == 'distributions')
  return study_lib.build(corpus, found)


# What needs probabilities.
_GRADED = (
  *('nll', 'brier', 'ece', 'ece_null', 'human_cross_entropy', 'human_brier'),
  *('human_jensen_shannon', 'causal_share', 'auroc_minus_confidence'),
  *('entropy', 'one_minus_confidence', 'unimodal_jsd', 'full_jsd'),
)


@pytest.mark.parametrize('kind', ['labels', 'samples'])
def test_what_needs_probabilities_is_skipped(kind):
  study = _study(kind)
  assert study.info['kind'] == kind
  for name in study.statistics:
    if not name.startswith('humans.text'):
      assert not set(_GRADED) & set(name.split('.')), name
  word = 'labels without' if kind == 'labels' else 'samples of answers'
  for name in ('views.text.nll', 'views.audio.ece', 'question 6')[:2]:
    assert f'Predictions are {word}' in study.skipped[name]
  assert not {'entropy', 'one_minus_confidence', 'gold_probability'} & set(
    study.signals
  )
  assert ('labels_gs' in study.signals) == (kind == 'samples')
  assert ('disagreement.text_vs_full.excess' in study.statistics) == (
    kind == 'samples'
  )


@pytest.mark.parametrize('kind', ['labels', 'samples', 'distributions'])
def test_the_page_says_nothing_that_is_not_so(kind):
  study = _study(kind)
  page = ' '.join(report.render(study).split())
  for words in ('with like confidence', 'least confident', 'Probabilities, %'):
    assert (words in page) == (kind == 'distributions'), words
  assert ('called seeds below' in page) == (kind == 'samples')
  assert ('without probabilities' in page) == (kind != 'distributions')
  assert ('left unanswered' in page) is False
  assert ('counting as wrong' in page) == (kind != 'distributions')


def test_who_dominates_is_told_by_labels_that_stay():
  corpus, predictions = made.study_input(60, 8, 1)
  rows = {'id': [], 'view': [], 'given': [], 'label': []}
  classes = np.array(corpus.classes)
  for (view, given), shown in made.with_parts(predictions).subsets.items():
    rows['id'] += corpus.ids.tolist()
    rows['view'] += [view] * 60
    rows['given'] += [given] * 60
    rows['label'] += classes[shown[0].argmax(axis=1)].tolist()
  found = reading.of_table(_PATH, pa.table(rows), corpus)
  study = study_lib.build(corpus, found)
  rates = [
    study.statistics[f'dominance.{name}.rate'].estimate
    for name in corpus.modalities
  ]
  assert 0.9 < sum(rates) <= 1 + 1e-12
  assert 'dominance.any.net_harm' in study.statistics
  assert 'no probabilities' in study.skipped['dominance.causal_share']
  page = re.sub(r'<[^>]+>', '', report.render(study))
  page = ' '.join(page.split())
  assert 'Shapley value is the largest, of whether the label stays' in page


def _files(tmp_path, corpus, table, number=3):
  corpus_lib.write(corpus, tmp_path / 'corpus')
  (tmp_path / 'predictions').mkdir()
  order = np.random.default_rng(1).permutation(len(table))
  for place, own in enumerate(np.array_split(order, number)):
    part = table.take(pa.array(own))
    pq.write_table(part, tmp_path / f'predictions/{place}.parquet')
  return tmp_path / 'corpus', tmp_path / 'predictions'


@pytest.mark.parametrize('kind', ['labels', 'samples', 'distributions'])
def test_parts_of_many_files_are_the_whole(tmp_path, kind):
  corpus = made.with_judges(_corpus(40, 6))
  if kind == 'distributions':
    table = _distributions()
  else:
    table = _table(corpus, 3 if kind == 'samples' else None)
  if kind == 'labels':
    table = table.set_column(
      2,
      'label',
      pa.array([x or 'no idea' for x in table['label'].to_pylist()]),
    )
  paths = _files(tmp_path, corpus, table, 2)
  whole = corpus_lib.with_presence(corpus_lib.read(paths[0]))
  found = reading.of_table(_PATH, table, whole, lenient=True)
  expected = Batch(whole, found)
  plan = plan_lib.of_batch(expected)
  source = sources.find(*paths, num_clips=9, lenient=True)
  assert source.kind == found.kind
  with streaming.batches(source) as batches:
    surveys = [survey_lib.of_batch(batch) for batch in batches()]
    assert len(surveys) > 2
    same = plan_lib.draw_up(functools.reduce(operator.add, surveys))
    assert same.members == plan.members
    parts = [study_lib.add_up(batch, same) for batch in batches()]
  made.assert_same(
    functools.reduce(operator.add, parts), study_lib.add_up(expected, plan)
  )


def test_surveys_of_different_kinds_do_not_add_up():
  corpus = _corpus()
  one, other = (
    survey_lib.of_batch(
      Batch(corpus, reading.of_table(_PATH, _table(corpus, number), corpus))
    )
    for number in (None, 2)
  )
  with pytest.raises(errors.InputError, match='of one say'):
    _ = one + other
