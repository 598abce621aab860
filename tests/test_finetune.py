"""From a published release to a report: the whole experiment, by its binaries.

These are the commands of `CONFIG=configs/mixed_signals_media.py bash
launch/local.sh CORPUS`, as tests/test_launch.py has them, on encoders so small
that a test can train them.
"""

import csv
import json
import shutil

import interruptions
import numpy as np
import pyarrow.parquet as pq
import pytest
import tiny

from empathy.corpora import corpus as corpora
from empathy.encoders import fold_wise

_CHANGES = (
  f'--config={tiny.CONFIG_FILE}:concat',
  *(f'--config.features.{m}.encoder={m}' for m in tiny.ENCODER_OF),
  '--config.num_folds=3',
  '--config.num_frames=4',
  '--config.finetune.trained_layers=1',
  '--config.finetune.learning_rate=0.01',
  '--config.finetune.num_epochs=3',
  '--config.num_epochs=8',
  '--config.num_seeds=1',
  '--config.views=video,text+audio+video',
)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  """A folder with a release in the layout of `empspeech`, and checkpoints."""
  path = tmp_path_factory.mktemp('media')
  # The tables share dialogues, as those published do.
  made = tiny.write_corpus(path / 'made', num_clips=36)
  rows = [
    {
      'dialog_id': group,
      'start_time': '0.0',
      'end_time': '0:00.1',
      'filename': clip,
      'transcript': transcript,
      'label': ('neutral', 'empathetic')[label],
    }
    for clip, group, transcript, label in zip(
      made.ids,
      made.groups,
      made.metadata['transcript'],
      made.labels,
      strict=True,
    )
  ]
  release = path / 'release'
  release.mkdir()
  (path / 'made_media').rename(release / 'segments')
  for name, some in (
    ('train', rows[::2]),
    ('val', rows[1::4]),
    ('test', rows[3::4]),
  ):
    with open(release / f'{name}.csv', 'w', newline='') as file:
      writer = csv.DictWriter(file, list(rows[0]))
      writer.writeheader()
      writer.writerows(some)
  for modality in tiny.ENCODER_OF:
    tiny.write_encoder(modality, path / modality)
  return path


@pytest.fixture(scope='module')
def run(server, folder):
  """Runs a binary in the folder; returns its output."""

  def call(verb, *flags, status=0):
    done = server.run(verb, *flags, cwd=folder)
    assert done.status == status, done.err[-3000:]
    return done.err if status else done.out

  return call


@pytest.fixture(scope='module')
def corpus(run, folder):
  """The corpus folder, with features by the encoders that are in `tuned`."""
  run(
    *('prepare', '--importer=empspeech', '--source=release', '--output=corpus')
  )
  found = run('finetune', '--corpus=corpus', '--workdir=tuned', *_CHANGES)
  assert len(found.splitlines()) == 9
  for _ in range(2):  # The second time there is nothing to do.
    found = run(
      'extract_features', '--corpus=corpus', '--finetuned=tuned', *_CHANGES
    )
  assert found.count('are there already') == 3
  return folder / 'corpus'


def test_from_the_release_to_the_report(run, folder, corpus):
  flags = [*_CHANGES, '--config.corpus=corpus']
  run('train', *flags, '--workdir=run')
  run('evaluate', '--workdir=run')
  run('predict', '--workdir=run', '--corpus=corpus', '--output=new.parquet')
  # Other folds than the encoders were made for are refused.
  told = run('train', *flags, '--config.seed=1', '--workdir=mixed', status=2)
  assert 'are held out that its encoder was fine-tuned on' in told

  study = json.loads((folder / 'run' / 'study' / 'study.json').read_text())
  accuracy = study['statistics']['views.video.accuracy']['estimate']
  assert accuracy > 0.8
  assert study['statistics']['data.audio.coverage']['estimate'] == 1
  assert (folder / 'run' / 'study' / 'report.html').exists()

  # A clip is predicted by the members that hold it out, from features by the
  # encoder that did too, also by `predict`.
  seen = [
    {m: fold_wise.read_note(folder / 'tuned', m, fold)['seen'] for m in found}
    for found in [corpora.read(corpus).modalities]
    for fold in range(3)
  ]
  tables = [
    pq.read_table(path).to_pylist()
    for path in (folder / 'run' / 'predictions.parquet', folder / 'new.parquet')
  ]
  found = []
  for table in tables:
    rows = {(r['id'], r['view'], r['given'], r['seed']): r for r in table}
    for row in table:
      assert not any(row['id'] in some for some in seen[row['fold']].values())
    found.append(
      {key: row['prob_empathetic'] for key, row in sorted(rows.items())}
    )
  assert len({key[0] for key in found[0]}) == 36
  assert found[0].keys() == found[1].keys()
  np.testing.assert_allclose(
    list(found[0].values()), list(found[1].values()), atol=1e-6
  )


def test_beam_makes_the_same_features(run, folder, corpus):
  pytest.importorskip('apache_beam', reason='needs the extra beam')
  other = shutil.copytree(corpus, folder / 'other')
  shutil.rmtree(other / 'features')
  run(
    *('extract_features', '--corpus=other', '--finetuned=tuned', '--beam='),
    *_CHANGES,
  )
  wanted = interruptions.content(corpus / 'features')
  assert len(wanted) == 9
  assert interruptions.content(other / 'features') == wanted


def test_an_encoder_that_was_damaged_is_named(run, folder, corpus):
  other = shutil.copytree(corpus, folder / 'damaged')
  shutil.rmtree(other / 'features')
  tuned = shutil.copytree(folder / 'tuned', folder / 'flipped')
  path = fold_wise.folder(tuned, 'text', 1) / 'model.safetensors'
  content = bytearray(path.read_bytes())
  content[-9] ^= 1
  path.write_bytes(content)
  told = run(
    *('extract_features', '--corpus=damaged', '--finetuned=flipped'),
    *_CHANGES,
    status=2,
  )
  assert 'text/fold_1: is not as finetune wrote it' in told
