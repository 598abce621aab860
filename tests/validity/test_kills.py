"""The small form of `kills.py`."""

import random

import interruptions
import kills
import pytest


@pytest.mark.long
@pytest.mark.parametrize(
  ('verb', 'kinds'),
  [
    # Ten times, then each of the others.
    ('train', [*['kill'] * 10, 'stop', 'disk', 'damage']),
    # The same, but that processes wait for each other, and dear.
    ('train_together', [*['kill'] * 4, 'stop', 'disk', 'damage']),
    ('extract_features', [*['kill'] * 10, 'stop', 'disk', 'damage']),
    ('finetune', ['kill', 'damage', 'stop', 'disk']),
  ],
)
def test_cut_off_at_random_it_ends_the_same(verb, kinds, tmp_path):
  assert set(kinds) == set(interruptions.KINDS)
  finished, faults = kills.cut_off(verb, tmp_path, kinds, random.Random(2))
  assert finished >= 1
  assert faults == []
