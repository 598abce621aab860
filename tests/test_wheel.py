"""A built wheel, installed elsewhere, does what the checkout does."""

import os
import pathlib
import subprocess
import sys
import zipfile

import pytest
import small

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture(scope='module')
def site(tmp_path_factory):
  """The wheel, unpacked as pip would."""
  folder = tmp_path_factory.mktemp('wheel')
  # Built from a copy: a build leaves things beside setup.py.
  source = folder / 'source'
  files = subprocess.run(
    ['git', 'ls-files', '--cached', '--others', '--exclude-standard'],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=False,
  )
  if files.returncode:
    pytest.skip('not a git checkout')
  for name in files.stdout.splitlines():
    if (ROOT / name).is_file():
      (source / name).parent.mkdir(parents=True, exist_ok=True)
      (source / name).write_bytes((ROOT / name).read_bytes())
  command = [sys.executable, '-m', 'pip', 'wheel', '--no-deps', '--quiet']
  result = subprocess.run(
    [*command, '--no-build-isolation', '--wheel-dir', folder, source],
    capture_output=True,
    text=True,
    check=False,
  )
  assert result.returncode == 0, result.stderr
  (wheel,) = folder.glob('*.whl')
  with zipfile.ZipFile(wheel) as archive:
    archive.extractall(folder / 'site')
  return folder / 'site'


def _run(site, *arguments):
  # The checkout itself may be on the path, by way of an editable install.
  program = (
    'import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); '
    'sys.argv = sys.argv[1:]; import empathy; '
    'assert empathy.__file__.startswith(sys.path[0]); '
    'runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)'
  )
  result = subprocess.run(
    [sys.executable, '-c', program, site, *arguments],
    cwd=site.parent,
    env={k: v for k, v in os.environ.items() if k != 'PYTHONPATH'},
    capture_output=True,
    text=True,
    check=False,
  )
  assert result.returncode == 0, result.stderr[-2000:]
  return result.stdout


def test_it_holds_the_package_alone(site):
  assert {path.name for path in site.iterdir() if path.is_dir()} - {
    'empathy'
  } == {path.name for path in site.glob('empathy-*.dist-info')}
  assert not list(site.rglob('test_*.py'))


def test_it_has_the_command(site):
  (entries,) = site.glob('empathy-*.dist-info/entry_points.txt')
  assert 'empathy = empathy.command:main' in entries.read_text().splitlines()
  assert '--output=DIR' in _run(site, 'empathy', 'demo', '--help')


def test_it_runs_the_whole_way(site, tmp_path):
  corpus, workdir = tmp_path / 'corpus', tmp_path / 'run'
  _run(
    site,
    *('empathy', 'prepare'),
    '--importer=simulated',
    '--num_clips=60',
    '--num_groups=9',
    '--width=6',
    f'--output={corpus}',
  )
  _run(
    site,
    *('empathy', 'train'),
    f'--config={small.ROOT}/configs/mixed_signals.py:concat',
    '--config.model.hidden=(4,)',
    '--config.num_epochs=1',
    '--config.num_seeds=1',
    '--config.num_folds=3',
    f'--config.corpus={corpus}',
    f'--workdir={workdir}',
  )
  output = _run(site, 'empathy', 'evaluate', f'--workdir={workdir}')
  assert str(workdir / 'study' / 'report.html') in output
  assert '<svg' in (workdir / 'study' / 'report.html').read_text()
