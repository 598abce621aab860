"""How members learned: curves of hand-made metrics, and known overfitting."""

import dataclasses
import json

import numpy as np
import pytest

from empathy.evaluation import learning, runs, sections
from empathy.evaluation import study as study_lib
from empathy.evaluation.sections import learning as section_lib
from empathy.training import config_fields, configuration

# By view and member, losses by epoch of training and of validation: of text
# both members overfit, of audio one, of both none; nothing is lower after.
_LOSSES = {
  ('text', 0): ([0.9, 0.6, 0.5, 0.4], [0.8, 0.6, 0.7, 0.9]),
  ('text', 1): ([0.8, 0.7, 0.6, 0.5], [0.7, 0.8, 0.9, 1.05]),
  ('audio', 0): ([0.9, 0.7, 0.6, 0.5], [0.8, 0.6, 0.62, 0.62]),
  ('audio', 1): ([0.9, 0.7, 0.6, 0.5], [0.8, 0.5, 0.5, 0.6]),
  ('text+audio', 0): ([0.9, 0.7, 0.6, 0.5], [0.8, 0.7, 0.6, 0.5]),
  ('text+audio', 1): ([0.9, 0.7, 0.6, 0.5], [0.8, 0.7, 0.6, 0.4]),
}
_ACCURACY = [0.5, 0.75, 0.625, 0.25]
_KEPT = {0: 1, 1: 3}
_CONFIG = {
  'loss': 'cross_entropy',
  'optimizer': 'adamw',
  'schedule': 'constant',
  'num_epochs': 4,
  'batch_size': 64,
  'peak_learning_rate': [0.001],
  'l2': [0.01],
  'keep': 'best',
  'select': '',
}


@pytest.fixture
def study():
  return study_lib.Study(
    info={'views': ['text', 'audio', 'text+audio'], 'full_view': 'text+audio'},
    statistics={},
    skipped={},
    primaries={},
    tables={},
    curves={},
    signals={},
  )


def _name(view, member):
  return {'view': view, 'fold': member, 'seed': 7}


def _write(path, lines, entries, **config):
  """A run; the lines are those of one chunk, epoch by epoch."""
  text = ''.join(json.dumps(line) + '\n' for line in lines)
  (path / 'metrics.jsonl').write_text(text)
  (path / 'members.json').write_text(json.dumps({'members': entries}))
  record = {'corpus': 'talks', 'config': _CONFIG | config}
  (path / 'config.json').write_text(json.dumps(record))


def _added(study, path):
  run = runs.read(path)
  study.info['training'] = run.told
  return learning.added(study, run)


def _lines(**more):
  return [
    {'chunk': 0, 'epoch': epoch, 'phase': 'train'}
    | _name(*name)
    | {
      'train/loss': train[epoch],
      'val/accuracy': _ACCURACY[epoch],
      'val/loss': val[epoch],
    }
    | more
    for epoch in range(4)
    for name, (train, val) in _LOSSES.items()
  ]


def _entries():
  return [[_name(*x) | {'best_epoch': _KEPT[x[1]]} for x in _LOSSES]]


def _rows(study, **of):
  return [row for row in study.tables['learning'] if of.items() <= row.items()]


def test_curves_are_means_and_bands_over_members(study, tmp_path):
  _write(tmp_path, _lines(), _entries())
  found = _added(study, tmp_path)
  rows = _rows(found, view='text', phase='train', name='val/loss')
  assert [row['epochs'] for row in rows] == [1, 2, 3, 4]
  means = [row['mean'] for row in rows]
  np.testing.assert_allclose(means, [0.75, 0.7, 0.8, 0.975])
  # A tenth and nine tenths of the way from one member to the other.
  np.testing.assert_allclose(
    [(row['low'], row['high']) for row in rows],
    [(0.71, 0.79), (0.62, 0.78), (0.72, 0.88), (0.915, 1.035)],
  )
  assert {row['num_members'] for row in rows} == {2}


def test_overfitting_is_told_by_the_rule(study, tmp_path):
  _write(tmp_path, _lines(), _entries())
  text, audio, both = _added(study, tmp_path).tables['fitting']
  # 0.9 of 0.6, and 1.05 of 0.7, which both are half as much again.
  assert text['rise'] == pytest.approx(0.5)
  assert (text['num_overfitted'], text['num_judged']) == (2, 2)
  assert text['lowest'] == 1.5
  assert text['verdict'] == learning.OVERFITS
  # 0.62 is less than 5 % above 0.6. One of two is not most.
  assert audio['num_overfitted'] == 1
  assert audio['verdict'] == learning.NEITHER
  assert (both['num_improving'], both['lowest']) == (2, 4)
  assert both['verdict'] == learning.STOPS_EARLY
  assert (text['kept'], text['kept_least'], text['kept_most']) == (3, 2, 4)
  assert text['metric_kept'] == pytest.approx((0.75 + 0.25) / 2)
  assert text['metric_end'] == pytest.approx(0.25)


def test_a_loss_that_rises_in_training_too_is_no_overfitting(study, tmp_path):
  lines = [line | {'train/loss': 1.0 + line['epoch']} for line in _lines()]
  _write(tmp_path, lines, _entries())
  for row in _added(study, tmp_path).tables['fitting']:
    assert row['num_overfitted'] == 0


def test_what_was_not_finite_is_left_out(study, tmp_path):
  lines, entries = _lines(), _entries()
  for line in lines:
    if (line['view'], line['fold']) == ('text', 1) and line['epoch']:
      line |= {'train/loss': None, 'val/loss': None}
  entries[0][1]['best_epoch'] = -1
  _write(tmp_path, lines, entries)
  found = _added(study, tmp_path)
  rows = _rows(found, view='text', name='val/loss')
  assert [row['num_members'] for row in rows] == [2, 1, 1, 1]
  assert [row['mean'] for row in rows] == pytest.approx([0.75, 0.6, 0.7, 0.9])
  text = found.tables['fitting'][0]
  assert (text['num_members'], text['num_judged'], text['kept']) == (2, 1, 2)


def test_of_a_sweep_only_chosen_members_are_told(study, tmp_path):
  lines, entries = _lines(), _entries()
  for entry in entries[0]:
    entry['chosen'] = entry['fold'] == 1
    entry['setting'] = {'peak_learning_rate': 1e-3, 'model.dropout': 0.1}
  _write(tmp_path, lines, entries, peak_learning_rate=[0.001, 0.003])
  found = _added(study, tmp_path)
  rows = _rows(found, view='text', name='val/loss')
  assert [row['mean'] for row in rows] == pytest.approx([0.7, 0.8, 0.9, 1.05])
  assert found.info['training']['num_members'] == 3
  told = ' '.join(section_lib.section(found).details)
  assert 'a learning rate of up to 0.001 or 0.003' in told
  assert 'Of several values of dropout and the learning rate' in told


def test_a_second_training_is_told_apart(study, tmp_path):
  again = [
    line
    | {'epoch': 4 + line['epoch'], 'phase': 'refit'}
    | {'val/loss': None, 'val/accuracy': None}
    for line in _lines()
  ]
  entries = [[x | {'best_epoch': 7} for x in _entries()[0]]]
  _write(tmp_path, _lines() + again, entries, keep='refit')
  found = _added(study, tmp_path)
  names = {row['name'] for row in _rows(found, phase='refit')}
  assert names == {'train/loss'}
  text = found.tables['fitting'][0]
  # Of its own four epochs the last one; validation is of the first training.
  assert (text['kept'], text['epochs']) == (4, 4)
  assert text['metric_kept'] is None
  assert text['metric_end'] == pytest.approx(0.25)
  shown = section_lib.section(found)
  assert 'trained a second time' in ' '.join(shown.details)
  assert shown.facts['again']


def test_the_section_says_who_overfits_and_draws_each_view(study, tmp_path):
  _write(tmp_path, _lines(), _entries())
  shown = section_lib.section(_added(study, tmp_path))
  assert shown.finding == (
    'The models of text overfit: training goes on improving after 1.5 epochs, '
    'validation does not. Its loss ends 50 % above its lowest, in the median.'
  )
  assert 'Of text+audio validation loss is lowest after the last of the 4' in (
    ' '.join(shown.details)
  )
  for figure in ('loss', 'metric'):
    assert len(shown.shows[figure].panels) == 3
  panel = shown.shows['loss'].panels[0]
  assert panel.count('class="band"') == 2
  assert 'training: 0.85 after the first epoch, 0.45 after the last' in panel


@pytest.mark.parametrize(
  ('name', 'content', 'said'),
  [
    ('metrics.jsonl', '{"chunk": 0, "ep', 'cannot be read'),
    ('metrics.jsonl', '', 'metrics.jsonl'),
    ('metrics.jsonl', '[1]', 'cannot be read'),
    ('metrics.jsonl', '{"chunk": 0}', "without 'epoch'"),
    ('members.json', '{}', 'not as this'),
    ('members.json', '[]', 'not as this'),
    ('members.json', '{"members": [[{"setting": 3}]]}', 'not as this'),
    ('members.json', '{"members": [[{"view": "text"}]]}', 'not as this'),
    ('members.json', '{"members": [[]]}', 'no epochs of the members'),
    ('members.json', '\xff', 'members.json'),
    ('config.json', '{"corpus": "talks"}', 'does not say how'),
  ],
)
def test_bad_files_are_a_line_and_no_crash(
  study, tmp_path, name, content, said
):
  _write(tmp_path, _lines(), _entries())
  (tmp_path / name).write_text(content, encoding='latin-1')
  found = _added(study, tmp_path)
  assert said in found.skipped['learning']
  assert not found.tables
  assert section_lib.section(found).skipped == found.skipped['learning']


def test_lines_of_other_members_are_told(study, tmp_path):
  entries = _entries()
  entries[0][0]['seed'] = 8
  _write(tmp_path, _lines(), entries)
  found = _added(study, tmp_path)
  assert 'not one line an epoch' in found.skipped['learning']


@pytest.mark.parametrize('epoch', [4, 99])
def test_an_epoch_that_is_not_there_is_told(study, tmp_path, epoch):
  entries = _entries()
  entries[0][0]['best_epoch'] = epoch
  _write(tmp_path, _lines(), entries)
  found = _added(study, tmp_path)
  assert 'names epochs that' in found.skipped['learning']


def test_lines_without_a_phase_are_of_an_older_version(study, tmp_path):
  lines = _lines()
  for line in lines:
    del line['phase']
  _write(tmp_path, lines, _entries())
  found = _added(study, tmp_path)
  assert "without 'phase'" in found.skipped['learning']


def test_without_a_run_there_is_no_section(study, tmp_path):
  _write(tmp_path, [], [])
  (tmp_path / 'metrics.jsonl').unlink()
  assert _added(study, tmp_path) is study
  assert section_lib.section(study) is None
  assert section_lib.section in sections.ALL


@pytest.mark.parametrize('targets', ['labels', 'scores'])
@pytest.mark.parametrize('select', ['', 'loss', 'my_metrics:kappa(k=2)'])
def test_the_metric_is_the_one_that_training_chooses_by(targets, select):
  config = dataclasses.replace(
    config_fields.Fields(), targets=targets, select=select
  )
  name = configuration.select(config).split(':')[-1].partition('(')[0]
  assert learning.select(dataclasses.asdict(config)) == name
