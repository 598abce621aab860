"""From media to a report: the whole experiment, by its binaries."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import tiny
from binaries import Binaries

from empathy.corpora import corpus as corpora

CONFIG = tiny.CONFIG_FILE


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  """A folder with a corpus of media, of three folds, and checkpoints."""
  path = tmp_path_factory.mktemp('media')
  tiny.write_corpus(path / 'corpus', num_clips=36)
  for modality in tiny.ENCODER_OF:
    tiny.write_encoder(modality, path / modality)
  return path


def _flags():
  return [
    f'--config={CONFIG}:concat',
    *(f'--config.features.{m}.encoder={m}' for m in tiny.ENCODER_OF),
    '--config.num_frames=4',
    '--config.finetune.trained_layers=1',
    '--config.finetune.learning_rate=0.01',
    '--config.finetune.num_epochs=3',
    '--config.num_epochs=8',
    '--config.num_seeds=1',
    '--config.views=video,text+audio+video',
  ]


def test_from_media_to_the_report(folder):
  with Binaries() as binaries:

    def run(verb, *flags):
      done = binaries.run(verb, *flags, cwd=folder)
      assert done.status == 0, done.err[-3000:]
      return done.out

    found = run('finetune', '--corpus=corpus', '--workdir=tuned', *_flags())
    assert len(found.splitlines()) == 9
    for _ in range(2):  # The second time there is nothing to do.
      found = run(
        'extract_features', '--corpus=corpus', '--finetuned=tuned', *_flags()
      )
    assert found.count('are there already') == 3
    run('train', *_flags(), '--config.corpus=corpus', '--workdir=run')
    run('evaluate', '--workdir=run')
    new = 'new.parquet'
    run('predict', '--workdir=run', '--corpus=corpus', f'--output={new}')

    # Other folds than the encoders were made for are refused.
    corpus = corpora.read(folder / 'corpus')
    lines = (folder / 'corpus' / 'clips.csv').read_text().splitlines()
    fold = lines[0].split(',').index('fold')
    rows = [line.split(',') for line in lines]
    for row in rows[1:]:
      row[fold] = str((int(row[fold]) + 1) % 3)
    (folder / 'corpus' / 'clips.csv').write_text(
      '\n'.join(','.join(row) for row in rows) + '\n'
    )
    done = binaries.run(
      *('train', *_flags(), '--config.corpus=corpus', '--workdir=mixed'),
      cwd=folder,
    )
    assert done.status == 2
    assert 'are held out that its encoder was fine-tuned on' in done.err

  study = json.loads((folder / 'run' / 'study' / 'study.json').read_text())
  accuracy = study['statistics']['views.video.accuracy']['estimate']
  assert accuracy > 0.8
  assert study['statistics']['data.audio.coverage']['estimate'] == 1
  assert (folder / 'run' / 'study' / 'report.html').exists()

  # A clip is predicted by the members that hold it out, from features by the
  # encoder that did too, also by `predict`.
  tables = [
    pq.read_table(path).to_pylist()
    for path in (folder / 'run' / 'predictions.parquet', folder / new)
  ]
  fold_of = dict(zip(corpus.ids.tolist(), corpus.fold.tolist(), strict=True))
  found = []
  for table in tables:
    rows = {(r['id'], r['view'], r['given'], r['seed']): r for r in table}
    assert all(r['fold'] == fold_of[r['id']] for r in table)
    found.append({key: row['prob_high'] for key, row in sorted(rows.items())})
  assert found[0].keys() == found[1].keys()
  np.testing.assert_allclose(
    list(found[0].values()), list(found[1].values()), atol=1e-6
  )
