"""A run's `config.json`: of this version, of an older one, and damaged."""

import dataclasses
import json

import pytest
import test_report

from empathy import errors, files
from empathy.evaluation import commands, report, runs


def _read(path, **record):
  (path / 'config.json').write_text(json.dumps({'corpus': 'talks'} | record))
  return runs.read(path)


def test_a_run_is_told_by_its_config(tmp_path):
  config = {'model': {'fusion': 'sum'}, 'l2': [0.1, 0.2], 'seed': 3}
  run = _read(tmp_path, config=config, git='abc', versions={'jax': '0.10'})
  assert (run.workdir, run.corpus, run.config) == (tmp_path, 'talks', config)
  assert run.told == {
    'fusion': 'sum',
    'config': files.sha256(tmp_path / 'config.json'),
    'versions': {'jax': '0.10'},
    'commit': 'abc',
    'l2': [0.1, 0.2],
  }


def test_an_older_version_says_less(tmp_path):
  told = _read(tmp_path, git=None).told
  assert (told['fusion'], told['versions'], told['commit']) == (None, {}, None)
  assert _read(tmp_path).config == {}


@pytest.mark.parametrize(
  ('record', 'said'),
  [
    ({'corpus': 3}, "key 'corpus': expected a path"),
    ({'config': None}, 'config: None is not a mapping'),
    ({'config': [1]}, 'config: [1] is not a mapping'),
    ({'git': 3}, 'git: 3 is not of the type str'),
    ({'versions': ['1']}, "versions: ['1'] is not a mapping"),
    ({'versions': {'jax': 1}}, 'versions.jax: 1 is not of the type str'),
    ({'config': {'model': 'sum'}}, "config.model: 'sum' is not a mapping"),
    ({'config': {'model': {'fusion': 3}}}, 'config.model.fusion: 3 is not'),
    ({'config': {'num_epochs': 'many'}}, "config.num_epochs: 'many' is not"),
    ({'config': {'targets': ['votes']}}, "config.targets: ['votes'] is not"),
    ({'config': {'l2': [0.1, 'x']}}, "config.l2: 'x' is not a number"),
  ],
)
def test_what_is_damaged_is_a_line(tmp_path, record, said):
  with pytest.raises(errors.InputError) as raised:
    _read(tmp_path, **record)
  (line,) = str(raised.value).splitlines()
  assert f'{tmp_path / "config.json"}: {said}' in line


@pytest.mark.parametrize(
  ('kind', 'told'), [('members', False), ('group', True)]
)
def test_normalisation_by_group_is_told(tmp_path, kind, told):
  study = test_report.empty_study()
  study = dataclasses.replace(study, info={**study.info, 'covers': 'Groups.'})
  run = _read(tmp_path, config={'normalise': kind})
  found = commands._with_run(study, run)
  assert found.info['training'] == run.told
  assert found.info['covers'].startswith('Groups.')
  assert ('transductive' in found.info['covers']) == told
  assert ('transductive' in report.render(found)) == told
