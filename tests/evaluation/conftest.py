"""What the tests of the evaluation share."""

import pytest

from empathy.evaluation import samples


@pytest.fixture(scope='module', autouse=True)
def _few_draws(request):
  """Draws groups less often, where nothing rests on how many draws there are.

  A study spends most of its time on draws; binaries make all of them.
  """
  if getattr(request.module, 'ALL_DRAWS', False):
    yield
    return
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(samples, 'NUM_RESAMPLES', 999)
    yield
