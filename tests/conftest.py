"""What all tests share."""

import atexit
import gc
import os
import pathlib
import shutil
import sys
import tempfile

import pytest

# Helper modules of the tests are imported by name.
for folder in ('.', 'training', 'evaluation', 'encoders'):
  sys.path.insert(0, str(pathlib.Path(__file__).parent / folder))

# Processes that tests start find the package where it is not installed.
os.environ['PYTHONPATH'] = os.pathsep.join(
  [
    str(pathlib.Path(__file__).parents[1]),
    *filter(None, [os.environ.get('PYTHONPATH')]),
  ]
)
os.environ.setdefault('JAX_PLATFORMS', 'cpu')
# As `evaluate` has it: threads would only wait for each other.
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')
# No test asks the Hub, or waits for it where there is no network.
os.environ.setdefault('HF_HUB_OFFLINE', '1')
# Programs that tests compile are kept apart from the user's, and compiled once.
if 'JAX_COMPILATION_CACHE_DIR' not in os.environ:
  os.environ['JAX_COMPILATION_CACHE_DIR'] = tempfile.mkdtemp(prefix='empathy-')
  atexit.register(
    shutil.rmtree, os.environ['JAX_COMPILATION_CACHE_DIR'], ignore_errors=True
  )
os.environ.setdefault('JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS', '0')


def pytest_configure(config):
  """Names the marker, and has programs compiled as the binaries have them."""
  config.addinivalue_line(
    'markers', 'long: takes long; `launch/test.sh` runs it with `--all` only.'
  )
  if config.getoption('numprocesses', None):
    return  # Others run the tests: it would only import JAX before they start.
  # What is imported stays: to look through it for garbage again and again takes
  # a tenth of the time of all tests.
  gc.disable()
  from empathy.training import parallel

  flags = os.environ.get('XLA_FLAGS', '')
  if 'xla_backend_extra_options' not in flags:
    os.environ['XLA_FLAGS'] = f'{flags} {parallel.CPU_FLAGS}'.strip()


# The files that take longest, so that no process is left with one at the end.
_FIRST = (
  'test_coincidences.py',
  'test_optimised.py',
  'test_kills.py',
  'test_annotators.py',
  'test_readme.py',
  'test_validity.py',
  'test_classes.py',
  'test_benchmarks.py',
  'test_score_intervals.py',
  'test_families.py',
  'test_finetune_towers.py',
  'test_loop.py',
  'test_encoders.py',
  'test_processes.py',
  'test_stream.py',
  'test_sweep.py',
  'test_step.py',
  'test_extractors.py',
  'test_faults.py',
  'test_evaluate.py',
  'test_finetune_loop.py',
  'test_finetune.py',
  'test_fusion.py',
  'test_parallel.py',
  'test_remote.py',
  'test_wheel.py',
  'test_configuration.py',
  'test_engine.py',
  'test_shards.py',
  'test_pages.py',
  'test_command.py',
  'test_finetune_step.py',
)


def pytest_collection_modifyitems(items):
  """Has long files begin first; within a file nothing moves.

  What was imported until now is no garbage.
  """
  place = {name: number for number, name in enumerate(_FIRST)}
  items.sort(key=lambda item: place.get(item.path.name, len(_FIRST)))
  gc.freeze()
  gc.enable()


@pytest.fixture(scope='module', autouse=True)
def _forget_programs():
  """Lets go of what a file compiled: a process can map only so many programs.

  Linux allows 65,530 maps, and each program takes three.
  """
  yield
  if 'jax' in sys.modules:
    sys.modules['jax'].clear_caches()


@pytest.fixture(scope='session')
def server():
  """Runs binaries; has imported what they need once for all files."""
  import binaries

  with binaries.Binaries() as found:
    yield found


@pytest.fixture(scope='session')
def shared() -> pathlib.Path:
  """The folder of real corpora beside the checkout, where there is one."""
  path = pathlib.Path(__file__).parents[2] / 'shared'
  if not (path / 'corpora').is_dir():
    pytest.skip(f'no real corpora in {path}')
  return path
