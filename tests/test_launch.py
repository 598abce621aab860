"""The launchers' dry runs, and the configs."""

import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / 'launch').glob('*.sh'))


def _bash(*arguments, cwd=ROOT, **environment):
  return subprocess.run(
    ['bash', *map(str, arguments)],
    cwd=cwd,
    env=os.environ | environment,
    capture_output=True,
    text=True,
    check=False,
  )


def _commands(output: str) -> list[str]:
  """The commands a dry run shows, but those that install."""
  return [
    line.strip()
    for line in output.splitlines()
    if '-m venv' not in line and '-m pip' not in line
  ]


def test_local_dry_run_shows_the_study():
  result = _bash('launch/local.sh', '--dry-run')
  assert result.returncode == 0, result.stderr
  commands = [
    line
    for line in _commands(result.stdout)
    if '-m empathy.prepare' not in line
  ]
  assert commands == [
    '.venv/bin/python -m empathy.train --config=configs/mixed_signals.py '
    '--config.corpus=runs/simulated --workdir=runs/mixed_signals-simulated',
    '.venv/bin/python -m empathy.evaluate '
    '--workdir=runs/mixed_signals-simulated',
    f'The report: {ROOT}/runs/mixed_signals-simulated/study/report.html',
  ]


def test_local_takes_a_corpus_from_any_folder(tmp_path):
  (tmp_path / 'mine' / 'features').mkdir(parents=True)
  result = _bash(ROOT / 'launch/local.sh', 'mine', '--dry-run', cwd=tmp_path)
  assert result.returncode == 0, result.stderr
  assert f'--config.corpus={tmp_path}/mine ' in result.stdout
  (tmp_path / 'mine' / 'features').rmdir()
  result = _bash(ROOT / 'launch/local.sh', 'mine', '--dry-run', cwd=tmp_path)
  assert 'empathy.train' not in result.stdout
  assert f'empathy.evaluate --corpus={tmp_path}/mine ' in result.stdout


def test_local_begins_with_the_media(tmp_path):
  (tmp_path / 'mine').mkdir()
  config = 'configs/mixed_signals_media.py:gmu'
  result = _bash(
    'launch/local.sh', tmp_path / 'mine', '--dry-run', CONFIG=config
  )
  assert result.returncode == 0, result.stderr
  workdir = 'runs/mixed_signals_media.py:gmu-mine'
  corpus = f'{tmp_path}/mine'
  assert [line.split(' ', 2)[2] for line in _commands(result.stdout)] == [
    f'empathy.finetune --corpus={corpus} --config={config} '
    f'--workdir={workdir}/encoders',
    f'empathy.extract_features --corpus={corpus} --config={config} '
    f'--finetuned={workdir}/encoders',
    f'empathy.train --config={config} --config.corpus={corpus} '
    f'--workdir={workdir}',
    f'empathy.evaluate --workdir={workdir}',
    f'{ROOT}/{workdir}/study/report.html',
  ]


@pytest.mark.parametrize('argument', ['no_such_corpus', '--no_such_flag'])
def test_local_refuses_what_it_does_not_know(argument, tmp_path):
  result = _bash(ROOT / 'launch/local.sh', argument, cwd=tmp_path)
  assert result.returncode == 2
  assert argument in result.stderr
  assert len(result.stderr.splitlines()) == 1


def test_test_dry_run():
  result = _bash('launch/test.sh', '--dry-run', '-k', 'alpha')
  assert result.returncode == 0, result.stderr
  assert _commands(result.stdout) == [
    '.venv/bin/python -m ruff check .',
    '.venv/bin/python -m ruff format --check .',
    '.venv/bin/python -m pytest -q --durations=10 tests -k alpha',
  ]


@pytest.mark.parametrize('script', SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_clean(script):
  if shutil.which('shellcheck') is None:
    pytest.skip('shellcheck is not installed')
  result = subprocess.run(
    ['shellcheck', '-x', script],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=False,
  )
  assert result.returncode == 0, result.stdout


def test_every_config_is_whole():
  from empathy.training import configuration

  names = set()
  for path in sorted((ROOT / 'configs').glob('*.py')):
    space = {}
    exec(compile(path.read_text(), path, 'exec'), space)
    config = space['get_config']()
    if 'model' in config:
      config.corpus = 'CORPUS'
      configuration.check(config)
    else:  # Only features are extracted.
      assert {'features', 'seconds', 'num_frames', 'faults'} == set(config)
    assert f'--config=configs/{path.name}' in space['__doc__']
    names.add(path.name)
  assert {'mixed_signals.py', 'ravdess.py'} <= names
