"""Figures of three small studies are what they were.

What moves one of them by accident is seen here. Where it is meant to move, or
NumPy draws other numbers, `python tests/evaluation/test_golden.py` keeps the
new ones, and `git diff` shows a line for each that moved: say why it did. What
is new may wait for that; what is gone may not.
"""

import dataclasses
import json
import pathlib

import made
import numpy as np
import pytest

from empathy.evaluation import study as study_lib

# Of the figures themselves.
NUM_DRAWS = 10_000

_FILE = pathlib.Path(__file__).parent / 'golden.json'
_NAMES = ('grouped', 'ungrouped', 'votes alone')


def _study(name: str) -> study_lib.Study:
  if name == 'ungrouped':
    corpus, predictions = made.study_input(150, 150, 2, seed=1, num_classes=4)
    info = corpus.info | {'ordered': True}
    corpus = dataclasses.replace(corpus, info=info, groups=corpus.ids)
    return study_lib.build(corpus, predictions)
  corpus, predictions = made.study_input(60, 7, 3)
  parts = None if name == 'votes alone' else made.with_parts(predictions)
  return study_lib.build(made.with_annotators(corpus), parts)


def _figures(name: str) -> dict[str, list[float | None]]:
  """Estimate, lower end and p of each statistic, to ten digits."""
  found = {}
  for statistic, one in sorted(_study(name).statistics.items()):
    row = np.array([one.estimate, one.low, one.p], np.float64)
    found[statistic] = [None if x != x else float(f'{x:.10g}') for x in row]
  return found


@pytest.mark.parametrize('name', _NAMES)
def test_figures_are_what_they_were(name):
  found = _figures(name)
  for statistic, row in json.loads(_FILE.read_text())[name].items():
    one, other = (np.array(x, np.float64) for x in (found[statistic], row))
    np.testing.assert_allclose(one, other, 1e-8, 1e-10, err_msg=statistic)


if __name__ == '__main__':
  every = {name: _figures(name) for name in _NAMES}
  text = json.dumps(every, separators=(',', ':'))
  _FILE.write_text(text.replace(',"', ',\n"') + '\n')
