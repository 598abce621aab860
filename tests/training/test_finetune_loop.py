"""Fine-tuning on clips that can be read, heard and seen."""

import contextlib
import dataclasses
import itertools
import json

import jax
import numpy as np
import pytest
import tiny
from safetensors import numpy as safetensors

from empathy import encoders, errors, preemption
from empathy.corpora import corpus as corpora
from empathy.encoders import extraction, extractors, fold_wise
from empathy.training import (
  checkpoints,
  finetune_loop,
  finetune_step,
  parallel,
)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  """Where checkpoints are, and a corpus of three folds that is read."""
  path = tmp_path_factory.mktemp('finetuning')
  tiny.write_corpus(path / 'corpus', ('text',), 36)
  return path


@pytest.fixture(scope='module')
def tuned(folder):
  """A workdir with the encoders of three folds."""
  _finetune(folder, folder / 'corpus', folder / 'tuned')
  return folder / 'tuned'


def _finetune(folder, corpus, workdir, pooling='first', **recipe):
  config = tiny.config(folder, **{'num_epochs': 2} | recipe)
  for settings in config.features.values():
    settings.pooling = pooling
  return finetune_loop.finetune(config, corpus, workdir)


def _extract(folder, corpus, modality, workdir, pooling='first'):
  config = tiny.config(folder).to_dict()
  config['features'][modality]['pooling'] = pooling

  def make_parts(plan, extractor, setup):
    extraction.extract(plan, extractor)

  return fold_wise.extract(
    corpus, modality, workdir, config, parallel.spread, make_parts
  )


def _untrained(task, params, *_):
  """In place of `train_fold`: the encoder as it was."""
  trained, _ = finetune_step.split(task.program, params)
  figures = {'accuracy': 1.0, 'macro_f1': 1.0, 'loss': 0.0}
  return finetune_loop.Best({'encoder': trained}, 0, figures)


def _metrics(workdir):
  text = (workdir / 'metrics.jsonl').read_text()
  return [json.loads(line) for line in text.splitlines()]


def _weights(workdir, fold):
  folder = fold_wise.folder(workdir, 'text', fold)
  return (folder / 'model.safetensors').read_bytes()


@pytest.mark.parametrize(
  ('modality', 'pooling'),
  [
    ('text', 'first'),
    pytest.param('audio', 'mean', marks=pytest.mark.long),
    ('video', 'mean'),
  ],
)
def test_fine_tuning_learns(modality, pooling, folder, monkeypatch, caplog):
  split = np.array(['train', 'train', 'train', 'val', 'test'])
  split = split[np.arange(100) // 2 % 5]
  path = folder / f'{modality}_corpus'
  corpus = tiny.write_corpus(path, (modality,), 100, fold=None, split=split)
  test = split == 'test'
  accuracy = {}
  train_fold = finetune_loop.train_fold

  def judged(task, params, *arguments):
    """Also judges test clips, before the first step and at the best epoch."""
    best = train_fold(task, params, *arguments)
    trained, frozen = finetune_step.split(task.program, params)
    blank = jax.tree.map(np.zeros_like, best.params['classifier'])
    for name, learned in (
      ('before', {'encoder': trained, 'classifier': blank}),
      ('after', best.params),
    ):
      accuracy[name] = finetune_loop.validate(
        task,
        task.layout.replicate(frozen),
        task.layout.replicate(learned),
        np.flatnonzero(test),
      )['accuracy']
    return best

  monkeypatch.setattr(finetune_loop, 'train_fold', judged)
  (note,) = _finetune(
    folder,
    path,
    folder / modality / 'tuned',
    pooling,
    num_epochs=8,
    learning_rate=1e-2,
  )
  # Without a step, a classifier of zeros says the first class: chance.
  chance = np.mean(corpus.labels[test] == 0)
  assert accuracy['before'] == pytest.approx(chance)
  assert accuracy['after'] >= 0.8 > accuracy['before'] + 0.1
  lines = _metrics(folder / modality / 'tuned')
  losses, found = (
    [line[name] for line in lines] for name in ('train/loss', 'val/accuracy')
  )
  assert len(lines) == 8
  assert losses[-1] < 0.75 * losses[0]
  assert note['val_accuracy'] == max(found) >= 0.75
  assert note['best_epoch'] == np.argmax(found)

  assert note['pooling'] == pooling
  assert note['layer'] == 'last'
  assert note['matmul_precision'] == 'float32'
  caplog.clear()
  tuned = folder / modality / 'tuned'
  assert _extract(folder, corpus, modality, tuned, pooling) == {}
  assert not caplog.records
  # What the encoder's processor reads came along.
  names = {path.name for path in fold_wise.folder(tuned, modality, 0).iterdir()}
  assert {path.name for path in (folder / modality).glob('*.json')} <= names
  features = corpora.read(path, features=[modality]).features[modality]
  assert features.fold is None
  np.testing.assert_array_equal(features.seen, split != 'test')


def test_only_the_last_layers_change(folder, tuned):
  before = safetensors.load_file(folder / 'text' / 'model.safetensors')
  after = safetensors.load(_weights(tuned, 0))
  assert set(before) == set(after)
  for name, value in before.items():
    is_same = value.tobytes() == after[name].tobytes()
    assert is_same == ('layer.1.' not in name), name
  reloaded = encoders.load(fold_wise.folder(tuned, 'text', 0))
  assert reloaded.config == tiny.CONFIGS['roberta']


def test_held_out_clips_are_never_learned_from(folder, tuned):
  corpus = corpora.read(folder / 'corpus')
  labels = np.where(corpus.fold == 0, 1 - corpus.labels, corpus.labels)
  tiny.write_corpus(folder / 'poisoned', ('text',), 36, labels=labels)
  _finetune(folder, folder / 'poisoned', folder / 'poisoned_tuned')
  same = [
    _weights(tuned, fold) == _weights(folder / 'poisoned_tuned', fold)
    for fold in range(3)
  ]
  # Fold 1 is trained on fold 0; fold 2 only chooses its epoch by it.
  assert same[0]
  assert not same[1]


_OPTIONS = {
  'num_epochs': 3,
  'warmup': 0.2,
  'schedule': 'cosine',
  'clip_norm': 1.0,
  'batch_size': 2,
  'accumulate': 2,
  'dtype': 'bfloat16',
  'weights': 'votes',
  'targets': 'votes',
  'select': 'macro_f1',
  'layer_decay': 0.8,
  'head_learning_rate': 0.01,
  'decay_norms': False,
  'patience': 3,
  'lora': {'rank': 2, 'alpha': 4.0, 'targets': ('query', 'value')},
}


def test_a_run_that_is_told_to_stop_ends_the_same(folder, monkeypatch):
  """With all options, within an epoch, and killed besides."""
  split = np.array(['train', 'train', 'val', 'test', 'train'])
  votes = corpora.Votes(
    clip=np.arange(20, dtype=np.int32).repeat(2),
    annotator=np.tile(['one', 'two'], 20),
    condition=np.zeros(40, np.int32),
    label=np.random.default_rng(0).integers(0, 2, 40).astype(np.int32),
    count=np.ones(40, np.int64),
  )
  path = folder / 'voted'
  made = tiny.write_corpus(
    path,
    ('text',),
    20,
    fold=None,
    split=split[np.arange(20) // 2 % 5],
    votes=votes,
    info={
      'name': 'voted',
      'classes': ['low', 'high'],
      'modalities': ['text'],
      'conditions': ['text'],
      'license': 'none',
      'source': 'made by a test',
    },
  )
  assert made.votes is not None
  (note,) = _finetune(folder, path, folder / 'whole', **_OPTIONS)
  lines = _metrics(folder / 'whole')
  assert [line['epoch'] for line in lines] == [0, 1, 2]
  assert [line['train/learning_rate'] for line in lines] == pytest.approx(
    # Of nine steps the third, sixth and last; two rise, seven fall.
    [3e-3 * x for x in _cosines(0 / 7, 3 / 7, 6 / 7)]
  )
  assert {line['modality'] for line in lines} == {'text'}

  @contextlib.contextmanager
  def watch():
    asked = itertools.count()
    yield lambda: next(asked) >= 4  # Heard after four steps.

  monkeypatch.setattr(preemption, 'watch', watch)
  save, saves = checkpoints.save, itertools.count()

  def dying_save(*arguments):
    save(*arguments)
    if next(saves) == 2:
      raise KeyboardInterrupt

  monkeypatch.setattr(checkpoints, 'save', dying_save)
  ends = []
  while True:
    try:
      (again,) = _finetune(folder, path, folder / 'stopped', **_OPTIONS)
      break
    except (KeyboardInterrupt, errors.Stopped) as stopped:
      ends.append(str(stopped))
  says = 'text, fold 0 is saved after step {} of 9; run the same command again'
  assert [end.partition(':')[0] for end in ends] == [
    says.format(4),
    '',  # Killed after step 6, the second epoch.
  ]
  assert again == note
  assert _metrics(folder / 'stopped') == lines
  assert _weights(folder / 'stopped', 0) == _weights(folder / 'whole', 0)
  # Nothing but the encoder stays.
  assert [x.name for x in (folder / 'stopped' / 'text').iterdir()] == ['fold_0']
  # What was added is of low rank, and to the queries and values alone.
  before = safetensors.load_file(folder / 'text' / 'model.safetensors')
  after = safetensors.load(_weights(folder / 'whole', 0))
  changed = {k for k, x in before.items() if (x != after[k]).any()}
  assert changed == {
    f'encoder.layer.1.attention.self.{name}.weight'
    for name in ('query', 'value')
  }
  for name in changed:
    sizes = np.linalg.svd(after[name] - before[name], compute_uv=False)
    assert sizes[1] > 1e-5 > 10 * sizes[2], name
  assert note['num_learned'] == 2 * (16 * 2 + 2 * 16) + 16 * 2 + 2


def _cosines(*shares):
  return [(1 + np.cos(np.pi * share)) / 2 for share in shares]


def test_it_ends_where_nothing_gets_better(folder):
  split = np.array(['train', 'val', 'test'])[np.arange(12) // 2 % 3]
  path = folder / 'short'
  tiny.write_corpus(path, ('text',), 12, fold=None, split=split)
  (note,) = _finetune(
    folder, path, folder / 'waited', num_epochs=9, patience=2, learning_rate=0.0
  )
  assert note['best_epoch'] == 0
  assert [line['epoch'] for line in _metrics(folder / 'waited')] == [0, 1, 2]


def test_told_to_stop_as_the_last_encoder_is_written(folder, monkeypatch):
  split = np.array(['train', 'val', 'test'])[np.arange(12) // 2 % 3]
  tiny.write_corpus(folder / 'late', ('text',), 12, fold=None, split=split)
  told = []

  @contextlib.contextmanager
  def watch():
    yield lambda: bool(told)

  def untrained(*arguments):
    told.append(True)
    return _untrained(*arguments)

  monkeypatch.setattr(preemption, 'watch', watch)
  monkeypatch.setattr(finetune_loop, 'train_fold', untrained)
  with pytest.raises(errors.Stopped, match=r'^text is done; run the same'):
    _finetune(folder, folder / 'late', folder / 'late_run')
  assert fold_wise.is_finished(folder / 'late_run', 'text', 0)
  _finetune(folder, folder / 'late', folder / 'late_run')


def test_the_epoch_is_chosen_by_what_is_asked_for():
  epochs = [
    {'accuracy': 0.6, 'macro_f1': 0.5, 'loss': 0.8},
    {'accuracy': 0.8, 'macro_f1': 0.4, 'loss': 0.5},
    {'accuracy': 0.8, 'macro_f1': 0.6, 'loss': 0.4},
    {'accuracy': 0.9, 'macro_f1': 0.9, 'loss': np.nan},
    {'accuracy': 0.7, 'macro_f1': 0.6, 'loss': 0.6},
  ]
  for select, wanted in (('accuracy', 1), ('macro_f1', 2), ('loss', 2)):
    program = tiny.program('roberta', recipe={'select': select})
    task = finetune_loop.Task(None, program, *[None] * 6, 4, (0,))
    best = finetune_loop.Best(None, -1, dict.fromkeys(epochs[0], 0.0))
    for epoch, figures in enumerate(epochs):
      if finetune_loop._is_better(task, figures, best):
        best = finetune_loop.Best(None, epoch, figures)
    assert best.epoch == wanted, select


def test_rare_classes_count_more():
  votes = np.array([[3, 0], [0, 1], [1, 0], [1, 1], [0, 0]])
  targets = np.float32([[1, 0], [0, 1], [1, 0], [1, 0], [0, 1]])
  train = np.array([1, 1, 1, 1, 0], bool)
  for kind, wanted in (
    ('equal', [1, 1, 1, 1]),
    ('classes', [2 / 3, 2, 2 / 3, 2 / 3]),
    ('votes', [3 / 1.6, 1 / 1.6, 1 / 1.6, 2 / 1.6]),  # Of all clips, 8 / 5.
    ('votes+classes', np.array([3 * 7 / 12, 7 / 2, 7 / 12, 2 * 7 / 12]) / 1.6),
  ):
    found = finetune_loop._weights(kind, votes, targets, train)[train]
    np.testing.assert_allclose(found, wanted, rtol=1e-6, err_msg=kind)


def test_another_run_is_not_gone_on_with(folder, tuned):
  with pytest.raises(errors.InputError, match='holds another run'):
    _finetune(folder, folder / 'corpus', tuned, learning_rate=1e-4)


def test_a_modality_that_no_clip_has_is_dropped(
  folder, tmp_path, monkeypatch, capsys
):
  made = tiny.write_corpus(tmp_path / 'made', ('text', 'video'), 6)
  metadata = dict(made.metadata)
  metadata['audio'] = metadata.pop('video')  # Films without sound.

  def write(name, modalities):
    info = dict(made.info) | {'modalities': modalities}
    corpora.write(
      dataclasses.replace(made, info=info, metadata=metadata), tmp_path / name
    )
    return tmp_path / name

  monkeypatch.setattr(finetune_loop, 'train_fold', _untrained)
  silent = write('silent', ['text', 'audio'])
  for _ in range(2):  # The second time it is gone already.
    notes = _finetune(folder, silent, tmp_path / 'run')
    assert [note['modality'] for note in notes] == ['text'] * 3
    assert corpora.read(silent).modalities == ('text',)
  told = f'audio: no clip has any: it is taken out of {silent}/corpus.json\n'
  assert capsys.readouterr().out == told
  assert not (tmp_path / 'run' / 'audio').exists()
  with pytest.raises(errors.InputError, match='no file has a track of audio'):
    _finetune(folder, write('blind', ['audio']), tmp_path / 'none')


def test_all_of_an_encoder_can_learn(folder):
  tiny.write_corpus(folder / 'few', ('text',), 18)
  workdir = folder / 'all'
  _finetune(
    folder, folder / 'few', workdir, trained_layers=0, num_epochs=1, remat=True
  )
  before = safetensors.load_file(folder / 'text' / 'model.safetensors')
  after = safetensors.load(_weights(workdir, 0))
  for name, value in before.items():
    assert value.tobytes() != after[name].tobytes(), name


def test_features_of_folds_are_not_mixed(folder, tuned, caplog):
  corpus = tiny.write_corpus(folder / 'extracted', ('text',), 36)
  _extract(folder, corpus, 'text', tuned)
  found = corpora.read(corpus.path, features=['text']).features['text']
  assert found.num_folds == 3
  assert len(found.clip) == 3 * 36
  for fold in range(3):
    some = found.of_fold(fold)
    np.testing.assert_array_equal(some.clip, np.arange(36))
    np.testing.assert_array_equal(some.seen, corpus.fold != fold)
  assert (found.of_fold(0).values != found.of_fold(1).values).any()
  # Again, they are there; by other encoders, they are refused.
  assert _extract(folder, corpus, 'text', tuned) is None
  with pytest.raises(errors.InputError, match='no such file'):
    _extract(folder, corpus, 'text', folder / 'nothing')
  caplog.clear()
  with pytest.raises(errors.InputError, match=r"pooling.*'first'.*'mean'"):
    _extract(folder, corpus, 'text', tuned, 'mean')
  assert [record.getMessage() for record in caplog.records] == [
    "text: pooling is 'mean', but the encoders learned with 'first'"
  ]


@pytest.mark.parametrize(
  ('settings', 'message'),
  [
    ({'layer': 'all'}, "config.features.text: layer 'all' and pooling 'none'"),
    ({'pooling': 'none'}, "expected pooling 'first' or 'mean'"),
    ({'layer': '3'}, 'layer: 3 is none of the 3 hidden states'),
    ({'layer': '0'}, 'trained_layers: 1: the encoder of text has 0 layers bel'),
    ({'layer': 'top'}, "config.features.text.layer: 'top' is not 'last'"),
  ],
)
def test_states_that_nothing_can_learn_by(settings, message, folder, tmp_path):
  config = tiny.config(folder)
  config.features.text.update(settings)
  with pytest.raises(errors.InputError, match=message):
    finetune_loop.finetune(config, folder / 'corpus', tmp_path / 'workdir')


@pytest.mark.parametrize(
  ('recipe', 'message'),
  [
    ({'batch_size': 0}, 'config.finetune.batch_size: 0 is not 1 or more'),
    ({'trained_layers': 9}, 'config.finetune.trained_layers: 9: the encoder'),
    (
      {'select': 'mae'},
      'config.finetune.select: mae needs a label with values',
    ),
    ({'loss': 'jax.numpy:vdot'}, r'is of the shape \(\); expected the loss of'),
    (
      {'select': 'numpy:eye(N=2)'},
      'select: numpy:eye.* expected a metrics.Met',
    ),
    (
      {'lora': {'rank': 1, 'targets': ('query', 'q_proj')}},
      "targets: 'q_proj': the encoder of text has down, key, output, query, up",
    ),
  ],
)
def test_wrong_recipes(recipe, message, folder, tmp_path):
  config = tiny.config(folder, **recipe)
  with pytest.raises(errors.InputError, match=message):
    finetune_loop.finetune(config, folder / 'corpus', tmp_path / 'workdir')


def test_what_no_encoder_is_for_is_told_in_one_line(folder, tmp_path):
  config = tiny.config(folder)
  config.features.gaze = {'encoder': 'some/encoder'}
  with pytest.raises(errors.InputError) as raised:
    finetune_loop.finetune(config, folder / 'corpus', tmp_path / 'run')
  says = 'config.features.gaze: is not text, audio, video'
  assert str(raised.value) == says
  assert not (tmp_path / 'run').exists()


def test_encoders_are_not_written_among_the_files_of_the_corpus(folder):
  config = tiny.config(folder)
  path = next(folder.glob('*/corpus.json')).parent
  with pytest.raises(errors.InputError, match='is the corpus folder'):
    finetune_loop.finetune(config, path, path)
  assert not (path / '.lock').exists()


def test_padded_lengths():
  found = [
    finetune_loop.padded_length(n, 499) for n in (1, 63, 64, 250, 251, 499)
  ]
  assert found == [63, 63, 125, 250, 499, 499]


@pytest.mark.parametrize('trained_layers', [0, 1])
def test_of_a_long_text_the_first_window_is_learned(
  trained_layers, folder, tmp_path, caplog
):
  transcripts = ['alas word1', 'hooray ' * 100, 'word2']
  rows = {'transcript': np.array(transcripts)}
  corpus = tiny.write_corpus(tmp_path / 'corpus', ('text',), 3, metadata=rows)
  config = tiny.config(folder)
  recipe = {'trained_layers': trained_layers}
  program = tiny.program('roberta', recipe=recipe)
  store, _ = finetune_loop._store(config, corpus, 'text', program, tmp_path)
  # Of 38 tokens 36 are words: 100 of them are windows of 34, 33 and 33.
  assert store.length.tolist() == [4, 36, 3]
  assert [r.getMessage() for r in caplog.records] == [
    '1 of 3 clips are longer than the encoder takes at once, or than '
    'config.seconds; it learns by how they begin'
  ]


@pytest.mark.parametrize(
  ('modality', 'source', 'asked', 'wanted'),
  [
    ('audio', {'scale_peak': True}, {}, {'scale_peak': True}),
    ('audio', {'scale_peak': True}, {'scale_peak': True}, {}),
    ('video', {}, {'crop': 'face'}, {'crop': 'none'}),
    ('video', {'crop': 'face'}, {'crop': 'face', 'dtype': 'bfloat16'}, {}),
    ('text', {}, {'prefix': 'query: '}, {'prefix': 'own'}),
  ],
)
def test_what_encoders_learned_with_is_compared(
  modality, source, asked, wanted
):
  note = {
    'source': {'layer': 3, 'pooling': 'states'} | source,
    'layer': 'last',
    'pooling': 'own',
    **({'prefix': 'own'} if modality == 'text' else {}),
  }
  settings = extractors.complete(modality, {'encoder': 'a'} | asked)
  assert fold_wise.unlike(settings, note) == wanted
