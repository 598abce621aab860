"""A study of shards is that of the clips in memory, whatever the shards."""

import dataclasses
import json
import re

import made
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import (
  facts,
  humans,
  listing,
  report,
  shards,
  sources,
  totals,
)
from empathy.evaluation import plan as plan_lib
from empathy.evaluation import study as study_lib
from empathy.evaluation.batches import Batch


def _rows(corpus, predictions):
  """The table in the order of the clips, as it is to be streamed."""
  table = made.table(corpus, predictions)
  place = {clip: i for i, clip in enumerate(corpus.ids.tolist())}
  order = np.argsort(
    [place[clip] for clip in table['id'].to_pylist()], kind='stable'
  )
  return table.take(pa.array(order))


def _write(corpus, table, folder):
  votes = corpus.votes
  order = np.argsort(votes.clip, kind='stable')
  corpus = dataclasses.replace(corpus, votes=votes.where(order))
  corpus_lib.write(corpus, folder / 'corpus')
  pq.write_table(table, folder / 'predictions.parquet', row_group_size=70)
  return folder / 'corpus', folder / 'predictions.parquet'


@pytest.fixture(scope='module', name='inputs')
def _inputs(tmp_path_factory):
  corpus, predictions = made.study_input(300, 12, 3)
  random = np.random.default_rng(2)
  votes = {
    name: corpus.vote_counts(name)
    - random.multinomial(1, np.full(3, 1 / 3), 300)
    for name in corpus.conditions
  }
  votes = {name: np.maximum(counts, 0) for name, counts in votes.items()}
  groups = np.unique(corpus.groups, return_inverse=True)[1]
  labels = np.where(random.random(300) < 0.9, corpus.labels, -1)
  corpus = made.corpus(groups, labels, corpus.classes, votes=votes)
  # Some clips are not predicted by all.
  text = predictions.probabilities['text']
  text[1, random.random(300) < 0.05] = np.nan
  predictions = made.predictions(predictions.probabilities, folds=groups % 3)
  paths = _write(
    corpus, _rows(corpus, predictions), tmp_path_factory.mktemp('input')
  )
  return corpus, predictions, paths


@pytest.fixture(scope='module', name='tally')
def _tally(inputs):
  return shards.tally(*inputs[2])


@pytest.fixture(scope='module', name='studies')
def _studies(inputs, tally):
  corpus, predictions, _ = inputs
  return shards.study(tally), study_lib.build(corpus, predictions)


def test_exact_figures_are_those_of_the_clips(studies):
  streamed, whole = studies
  compared = 0
  for name, found in streamed.statistics.items():
    expected = whole.statistics[name]
    for field in ('estimate', 'low', 'high', 'p'):
      one, other = getattr(found, field), getattr(expected, field)
      assert (one is None) == (other is None), (name, field)
      if one is not None:
        assert one == pytest.approx(other, abs=1e-10), (name, field)
    if not name.startswith('data.'):
      assert found.n == expected.n, name
      assert found.method == expected.method or name.endswith('ece'), name
    compared += 1
  assert compared > 200
  for name in ('review_budget', 'risk_coverage'):
    for part, values in streamed.curves[name].items():
      assert values == pytest.approx(whole.curves[name][part], abs=1e-9)
  for name in (
    'views',
    'classes',
    'class_gains',
    'confusion',
    'human_classes',
    'human_class_gains',
    'human_confusion',
    'full_minus_view',
    'votes_per_clip',
    'ambiguity',
    'ambiguity_signals',
    'beyond_seeds',
    'soft_scores',
    'diagnosis',
    'selective',
  ):
    for one, other in zip(
      streamed.tables[name], whole.tables[name], strict=True
    ):
      assert set(one) == set(other)
      for key in set(one) - {'ece_null', 'p_adjusted'}:
        assert one[key] == pytest.approx(other[key], abs=1e-10), (name, key)


def _three_conditions():
  """Votes on either modality and both, of annotators, and predictions."""
  corpus, predictions = made.study_input(150, 12, 2)
  random = np.random.default_rng(3)
  votes = {
    'text': corpus.vote_counts('text'),
    'audio': random.multinomial(5, [0.5, 0.3, 0.2], 150),
    'text+audio': corpus.vote_counts('text+audio'),
  }
  votes['audio'][:20] = 0
  groups = np.unique(corpus.groups, return_inverse=True)[1]
  labels = np.where(random.random(150) < 0.9, corpus.labels, -1)
  corpus = made.corpus(groups, labels, corpus.classes, votes=votes)
  return made.with_annotators(corpus), predictions


@pytest.mark.parametrize('source', ['intended', 'text+audio'])
def test_what_votes_say_is_the_same_of_batches(source, tmp_path, monkeypatch):
  corpus, predictions = _three_conditions()
  corpus = dataclasses.replace(
    corpus, info={**corpus.info, 'label_source': source, 'ordered': True}
  )
  expected = made.answer(humans, corpus, predictions)
  paths = _write(corpus, _rows(corpus, predictions), tmp_path)
  monkeypatch.setattr(sources, 'NUM_CLIPS', 41)
  tally = shards.tally(*paths)
  totals = study_lib.with_annotators(tally.totals, tally.plan)
  found = humans.answer(totals, tally.plan)
  assert found.statistics.keys() == expected.statistics.keys()
  assert len(found.statistics) > 50
  for name, one in found.statistics.items():
    other = expected.statistics[name]
    assert (one.method, one.n) == (other.method, other.n)
    for field in ('estimate', 'low', 'high', 'p'):
      value = getattr(other, field)
      assert getattr(one, field) == pytest.approx(value, abs=1e-10), name
  assert found.skipped == expected.skipped
  assert found.primary == expected.primary
  assert found.tables.keys() == expected.tables.keys()
  told = facts.of(tally.totals, tally.plan)['covers']
  assert 'of votes cover other annotators like these, too' in told
  alpha = found.statistics['humans.text+audio.alpha_nominal']
  assert 'with the noise of 9 annotators' in alpha.method


def test_every_figure_and_reason_is_there(studies):
  streamed, whole = studies
  assert streamed.statistics.keys() == whole.statistics.keys()
  assert streamed.primaries == whole.primaries
  assert streamed.skipped == whole.skipped


@pytest.fixture(scope='module', name='parts')
def _parts(inputs, tmp_path_factory):
  """Three shards: the folder and the table of each, and its survey."""
  corpus, predictions, _ = inputs
  table = _rows(corpus, predictions)
  place = {name: row for row, name in enumerate(corpus.ids.tolist())}
  clip = np.array([place[name] for name in table['id'].to_pylist()])
  shard = np.random.default_rng(4).integers(0, 3, len(corpus.ids))
  folder, found = tmp_path_factory.mktemp('shards'), []
  for i in (2, 0, 1):
    (folder / str(i)).mkdir()
    paths = _write(
      made.part(corpus, None, shard == i)[0],
      table.filter(pa.array(shard[clip] == i)),
      folder / str(i),
    )
    path = folder / f'{i}.survey'
    shards.write_survey(shards.survey(*paths), path)
    found.append((paths, shards.read_survey(path)))
  return found


def test_shards_in_any_order_are_the_whole(parts, tally, tmp_path):
  surveys = [survey for _, survey in parts]
  plan = plan_lib.draw_up(surveys[1] + (surveys[2] + surveys[0]))
  tallies = []
  for number, (paths, _) in enumerate(parts):
    path = tmp_path / f'{number}.tally'
    shards.write(shards.tally(*paths, plan), path)
    tallies.append(shards.read(path))
  merged = shards.merge(tallies)
  made.assert_same(merged.totals, tally.totals)
  one, other = shards.study(merged), shards.study(tally)
  assert one.info == other.info
  assert one.skipped == other.skipped
  assert one.primaries == other.primaries
  for name, found in one.statistics.items():
    expected = other.statistics[name]
    assert found.method == expected.method
    for field in ('estimate', 'low', 'high', 'p_adjusted'):
      assert getattr(found, field) == pytest.approx(
        getattr(expected, field), abs=1e-12
      )
  assert one.tables.keys() == other.tables.keys()
  assert one.signals.keys() == other.signals.keys()
  for name, values in one.signals.items():
    np.testing.assert_array_equal(values, other.signals[name])
  with pytest.raises(errors.InputError, match='are in tally 1 already'):
    shards.merge([tallies[0], tallies[1], tallies[0]])
  with pytest.raises(errors.InputError, match='name the tallies of all parts'):
    shards.study(shards.merge(tallies[:2]))


def test_signals_of_all_shards_are_put_together(
  parts, inputs, tmp_path, monkeypatch
):
  monkeypatch.setattr(sources, 'NUM_CLIPS', 40)
  plan = plan_lib.draw_up(parts[0][1] + parts[1][1] + parts[2][1])
  tallies = {}
  for number, (paths, _) in enumerate(parts):
    path = tmp_path / f'{number}.tally'
    shards.signals_of(path).mkdir()
    tallies[path] = shards.tally(*paths, plan, shards.signals_of(path))
  folder = shards.put_together(tallies, tmp_path / 'signals')
  names = sorted(path.name for path in folder.iterdir())
  assert len(names) > 4
  assert names[0] == f'part-0-of-{len(names)}.parquet'
  table = pq.read_table(folder).sort_by('id')
  whole = Batch(*inputs[:2])
  expected = listing.of_batch(whole, plan_lib.of_batch(whole)).signals
  order = np.argsort(expected['id'])
  assert table.column_names == list(expected)
  for name, values in expected.items():
    found = np.array(table[name].to_pylist(), values.dtype)
    if values.dtype.kind == 'f':
      np.testing.assert_allclose(found, values[order], atol=1e-12)
    else:
      np.testing.assert_array_equal(found, values[order])
  # Each part has the most in doubt first.
  doubt = pq.read_table(folder / names[0])['any_disagreement'].to_numpy()
  assert (np.diff(doubt[~np.isnan(doubt)]) <= 0).all()
  path = min(tallies)
  gone = next(shards.signals_of(path).iterdir())
  gone.write_bytes(b'PAR1')
  with pytest.raises(errors.InputError, match=r'0\.tally\.signals: cannot be'):
    shards.put_together(tallies, tmp_path / 'again')
  gone.unlink()
  with pytest.raises(errors.InputError, match=r'signals: expected the signals'):
    shards.put_together(tallies, tmp_path / 'again')
  assert not (tmp_path / 'again').exists()
  assert shards.put_together({tmp_path / 'x': None}, tmp_path / 'y') is None


def test_shards_of_other_plans_or_studies_are_refused(parts, tally):
  paths, survey = parts[0]
  own = shards.tally(*paths, plan_lib.draw_up(survey))
  with pytest.raises(errors.InputError, match='by another plan than the first'):
    shards.merge([tally, own])
  others = dataclasses.replace(survey, members={'text': (0,)})
  with pytest.raises(errors.InputError, match='other views or seeds'):
    survey + others
  with pytest.raises(errors.InputError, match='of other views or seeds'):
    shards.tally(*paths, plan_lib.draw_up(others))
  renamed = dataclasses.replace(survey, info={**survey.info, 'name': 'x'})
  with pytest.raises(errors.InputError, match="has name 'made', another 'x'"):
    renamed + survey
  with pytest.raises(errors.InputError, match="its name is 'made', in the"):
    shards.tally(*paths, plan_lib.draw_up(renamed))


def test_rows_of_a_shard_are_read_once(inputs, monkeypatch):
  read, pieces = sources.read, []
  monkeypatch.setattr(
    sources,
    'read',
    lambda source, piece, columns=None: (
      pieces.append((piece, columns)) or read(source, piece, columns)
    ),
  )
  shards.tally(*inputs[2])
  whole = [piece for piece, columns in pieces if columns is None]
  assert len(whole) == len(set(whole)) == 3


def test_batches_do_not_matter(inputs, tally, monkeypatch):
  monkeypatch.setattr(sources, 'NUM_CLIPS', 17)
  monkeypatch.setattr(sources, '_NUM_ROWS', 41)
  found = shards.tally(*inputs[2])
  made.assert_same(found.totals, tally.totals)


def test_many_groups_are_bundled_whole(inputs, monkeypatch):
  _, _, paths = inputs
  whole = shards.study(shards.tally(*paths))
  monkeypatch.setattr(totals, 'MOST_GROUPS', 8)
  monkeypatch.setattr(totals, 'MANY_CLIPS', 200)
  monkeypatch.setattr(sources, 'NUM_CLIPS', 60)
  found = shards.tally(*paths)
  assert found.totals.bundled
  assert (len(found.totals.groups), len(found.totals.hashes)) == (8, 12)
  study = shards.study(found)
  assert study.info['num_groups'] == 12
  for name, estimate in study.statistics.items():
    if 'permuted' in name:
      assert estimate.method.endswith('permuted within bundles of groups')
    elif re.search('combined|selective', name):
      assert estimate.method.endswith('folds of bundles of groups')
    elif re.match(r'sets|together\.(people|views)', name):
      known = estimate.method.startswith('no interval') or not estimate.estimate
      assert known or 'bundles of groups' in estimate.method
    elif not name.startswith('data.'):
      assert estimate.estimate == pytest.approx(
        whole.statistics[name].estimate, abs=1e-12
      ), name
  report.render(study)


def test_the_report_opens(studies, tmp_path):
  study, _ = studies
  study_lib.write(study, tmp_path / 'study', report.render(study))
  told = json.loads((tmp_path / 'study/study.json').read_text())
  assert told['info']['num_clips'] == 300
  assert 'draws of whole groups' in (tmp_path / 'study/report.html').read_text()


def _changed(table, column, row, value):
  values = table[column].to_pylist()
  values[row] = value
  place = table.column_names.index(column)
  return table.set_column(place, column, pa.array(values))


@pytest.mark.parametrize(
  ('change', 'says'),
  [
    (lambda t: t.take(pa.array([1, 0, *range(2, len(t))])), None),
    (lambda t: t.take(pa.array([len(t) - 1, *range(len(t) - 1)])), None),
    (
      lambda t: _changed(t, 'id', 30, 'nobody'),
      "row 31: column 'id': 'nobody' is not a clip",
    ),
    (
      lambda t: pa.concat_tables(
        [t.slice(0, 100), t.slice(99, 1), t.slice(100)]
      ),
      "row 101: column 'id': the same id, view, given and seed as row 100 of ",
    ),
    (
      lambda t: _changed(t, 'prob_class0', 200, float('nan')),
      "row 201: column 'prob_class0': is no number",
    ),
    (
      lambda t: _changed(t, 'prob_class0', 200, 1.5),
      r"row 201: column 'prob_\*': the probabilities sum to",
    ),
    (
      lambda t: _changed(t, 'view', 7, 'smell'),
      'row 8: column .view.: .smell.',
    ),
    (lambda t: t.drop_columns(['view']), "column 'view' is missing"),
  ],
)
def test_wrong_rows_are_named(inputs, tmp_path, change, says):
  corpus, predictions, (folder, _) = inputs
  path = tmp_path / 'p.parquet'
  pq.write_table(change(_rows(corpus, predictions)), path)
  if says is None:
    shards.tally(folder, path)
    return
  with pytest.raises(errors.InputError, match=says):
    shards.tally(folder, path)


@pytest.mark.parametrize(
  ('name', 'change', 'says'),
  [
    ('votes.csv', lambda x: [*x, 'z,text,,class0,1'], "'z' is not a clip"),
    (
      'votes.csv',
      lambda x: [
        x[0],
        *(
          re.sub(r'^(.*),(.*),,(.*),\d+$', r'\1,\2,Ann,\3,1', y) for y in x[1:]
        ),
      ],
      "row .*: column 'annotator': 'Ann' has more than one vote",
    ),
    (
      'votes.csv',
      lambda x: [*x[:3], x[3].replace('class', 'klass'), *x[4:]],
      "row 3: column 'label'",
    ),
    ('votes.csv', lambda x: [*x[:3], x[3][:-1] + 'x', *x[4:]], "'count'"),
    ('clips.csv', lambda x: [*x[:3], 'a,,,', *x[4:]], 'cannot be read|row 3'),
    (
      'clips.csv',
      lambda x: [*x[:3], re.sub(',[^,]+', ',Ann\u00a0', x[3], count=1), *x[4:]],
      'white space that is not seen',
    ),
    (
      'clips.csv',
      lambda x: [*x[:3], re.sub(',[^,]+', ',N/A', x[3], count=1), *x[4:]],
      "'N/A' is no name",
    ),
    ('clips.csv', lambda x: [*x, x[-1]], 'is there twice'),
    ('clips.csv', lambda x: [x[0].replace('group', 'g'), *x[1:]], "'group'"),
    ('clips.csv', lambda x: [*x, 'a,b'], 'cannot be read as CSV'),
  ],
)
def test_wrong_files_are_named(inputs, tmp_path, name, change, says):
  _, _, (folder, predictions) = inputs
  for file in ('corpus.json', 'clips.csv', 'votes.csv'):
    (tmp_path / file).write_bytes((folder / file).read_bytes())
  lines = (tmp_path / name).read_text().splitlines()
  (tmp_path / name).write_text('\n'.join(change(lines)) + '\n')
  with pytest.raises(errors.InputError, match=says):
    shards.tally(tmp_path, predictions)


@pytest.mark.parametrize('content', [b'', b'PK', b'{}', b'id,view\n'])
def test_a_damaged_file_is_one_error(tally, parts, tmp_path, content):
  path = tmp_path / 'part.npz'
  for what, read, write, kept in (
    ('tally', shards.read, shards.write, tally),
    ('survey', shards.read_survey, shards.write_survey, parts[0][1]),
  ):
    path.write_bytes(content)
    with pytest.raises(errors.InputError, match=r': it is no \.npz file$'):
      read(path)
    write(kept, path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(errors.InputError, match=f'is not a whole {what}'):
      read(path)
    path.unlink()
    with pytest.raises(errors.InputError, match='no such file'):
      read(path)
  shards.write_survey(parts[0][1], path)
  with pytest.raises(errors.InputError, match='is not a whole tally'):
    shards.read(path)
