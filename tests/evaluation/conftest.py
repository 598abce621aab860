"""What the tests of the evaluation share."""

import pytest

from empathy.evaluation import samples


@pytest.fixture(scope='module', autouse=True)
def _few_draws(request):
  """Draws groups less often, where nothing rests on how many draws there are.

  A study spends most of its time on draws; binaries make all of them, and so do
  tests in a file that says so by its own `NUM_DRAWS`.
  """
  number = getattr(request.module, 'NUM_DRAWS', 999)
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(samples, 'NUM_RESAMPLES', number)
    yield
