"""What all tests share."""

import os
import pathlib
import sys

import pytest

# Helper modules of the tests are imported by name.
for folder in ('.', 'training', 'evaluation'):
  sys.path.insert(0, str(pathlib.Path(__file__).parent / folder))

# Programs that tests compile are kept apart from the user's.
os.environ.setdefault('JAX_PLATFORMS', 'cpu')


@pytest.fixture(scope='session')
def shared() -> pathlib.Path:
  """The folder of real corpora beside the checkout, where there is one."""
  path = pathlib.Path(__file__).parents[2] / 'shared'
  if not (path / 'corpora').is_dir():
    pytest.skip(f'no real corpora in {path}')
  return path
