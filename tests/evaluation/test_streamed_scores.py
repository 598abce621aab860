"""Scores that are streamed are those of the corpus in memory."""

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import simulate
from empathy.evaluation import sources, streaming


@pytest.fixture(scope='module', name='folder')
def _folder(tmp_path_factory):
  """Ratings on a scale of real numbers, with a binary label beside them."""
  path = tmp_path_factory.mktemp('corpora') / 'corpus'
  parameters = simulate.Parameters(num_clips=60, num_groups=6, width=2)
  made, _ = simulate.simulate(parameters, 0)
  random = np.random.default_rng(0)
  scores = random.uniform(1, 7, 60)
  scores[::7] = np.nan
  info = {k: v for k, v in made.info.items() if k != 'classes'} | {
    'scale': [1, 7],
    'classes': ['low', 'mid', 'high'],
    'values': [2.0, 4.0, 6.0],
    'ordered': True,
    'judges': ['annotator03'],
  }
  votes = dataclasses.replace(
    made.votes,
    scores=random.uniform(1, 2.9, len(made.votes.clip)),
    label=0 * made.votes.label,
  )
  rated = dataclasses.replace(
    made,
    info=info,
    labels=np.full(60, -1),
    scores=scores,
    votes=votes,
    features={},
  )
  both = {'felt': rated, 'kind': dataclasses.replace(made, features={})}
  corpus_lib.write(both, path)
  corpus_lib.write(corpus_lib.read(path, label='felt'), path.with_name('felt'))
  return path


def streamed(folder, label=None):
  source = sources.find(folder, num_clips=23, label=label)
  with streaming.batches(source) as batches:
    return [batch.corpus for batch in batches()]


def by_clip(corpora, kind):
  """What was said of each clip, by its id, in any order."""
  found = {}
  for corpus in corpora:
    votes = getattr(corpus, kind)
    for clip, *entry in zip(
      corpus.ids[votes.clip],
      votes.condition,
      votes.annotator,
      votes.label,
      votes.count,
      votes.label if votes.scores is None else votes.scores,
      strict=True,
    ):
      found.setdefault(str(clip), []).append(tuple(map(str, entry)))
  return {clip: sorted(entries) for clip, entries in found.items()}


@pytest.mark.parametrize('label', ['felt', 'kind', None])
def test_streamed_scores_are_those_in_memory(folder, label):
  if label is None:  # Written as the only one, it keeps its name.
    folder = folder.with_name('felt')
  whole = corpus_lib.read(folder, label=label)
  parts = streamed(folder, label)
  assert len(parts) > 1
  place = np.argsort(np.concatenate([part.ids for part in parts]))
  order = np.argsort(whole.ids)
  np.testing.assert_array_equal(
    np.concatenate([part.labels for part in parts])[place], whole.labels[order]
  )
  if label == 'kind':
    assert all(part.scores is None for part in parts)
  else:
    np.testing.assert_array_equal(
      np.concatenate([part.scores for part in parts])[place],
      whole.scores[order],
    )
    assert by_clip(parts, 'judges') == by_clip([whole], 'judges')
  assert by_clip(parts, 'votes') == by_clip([whole], 'votes')


def test_a_score_in_parquet_is_kept_exactly(folder, tmp_path):
  copied = tmp_path / 'corpus'
  (copied / 'clips').mkdir(parents=True)
  felt = folder.with_name('felt')
  for name in ('corpus.json', 'votes.csv'):
    (copied / name).write_bytes((felt / name).read_bytes())
  table = pa_csv.read_csv(felt / 'clips.csv').drop_columns(['label'])
  assert pa.types.is_floating(table['score'].type)
  pq.write_table(table, copied / 'clips' / '0.parquet')
  scores = np.sort(np.concatenate([c.scores for c in streamed(copied)]))
  whole = corpus_lib.read(felt)
  np.testing.assert_array_equal(scores, np.sort(whole.scores))


@pytest.mark.parametrize(
  ('new', 'fault'),
  [
    ('7.5', 'is outside of the scale, 1 to 7'),
    ('x', "'x' is not a number"),
    ('6.25', "is not of the class 'low', the label"),
  ],
)
def test_a_streamed_score_that_cannot_be_is_refused(
  folder, tmp_path, new, fault
):
  rows = (folder.with_name('felt') / 'clips.csv').read_text().splitlines()
  for name in ('corpus.json', 'votes.csv'):
    text = (folder.with_name('felt') / name).read_text()
    (tmp_path / name).write_text(text)
  column = rows[0].split(',').index('score')
  low = next(i for i, row in enumerate(rows) if ',low,' in row)
  cells = rows[low].split(',')
  cells[column] = new
  rows[low] = ','.join(cells)
  (tmp_path / 'clips.csv').write_text('\n'.join(rows) + '\n')
  with pytest.raises(errors.InputError) as raised:
    streamed(tmp_path)
  assert f"row {low}: column 'score': " in str(raised.value)
  assert fault in str(raised.value)
  assert len(str(raised.value).splitlines()) == 1
