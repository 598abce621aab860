"""Gains clip by clip, against enumeration and simulated truth."""

import itertools

import numpy as np
import pytest

from empathy.evaluation import draws, gains, halves

_SAME = 1500


def _draws(num_clips):
  ids = np.arange(num_clips).astype(np.str_)
  return halves.Draws(draws.keys(ids, 'votes'))


def _compare(votes, labels, full, source=None):
  return gains.compare(votes, labels, full, _draws(len(labels)), source)


def _pluralities(full, other):
  return gains.pluralities(full, other, _draws(len(full)))


def _plurality(votes, num_classes=3):
  return int(np.bincount(votes, minlength=num_classes).argmax())


def _counts(votes, num_classes=3):
  return np.bincount(votes, minlength=num_classes)


def _parts(votes, size):
  """All parts of `size` of a list of votes, each with the rest."""
  for part in itertools.combinations(range(len(votes)), size):
    rest = [votes[i] for i in range(len(votes)) if i not in part]
    yield [votes[i] for i in part], rest


def _share(votes, label):
  return np.mean([vote == label for vote in votes])


def _tied(shares):
  return [place for place, s in enumerate(shares) if s == max(shares)]


def _split(ours, others, label, size):
  """The expected difference from the condition that `size` votes choose."""
  found = []
  for parts in itertools.product(*(_parts(votes, size) for votes in others)):
    best = _tied([_share(first, label) for first, _ in parts])
    judged = np.mean([_share(parts[place][1], label) for place in best])
    found.append(_share(ours, label) - judged)
  return np.mean(found)


def _hurt(ours, others, label):
  """Worse in one part, and worse less better in the other."""
  again = min(map(len, (ours, *others))) // 2
  found = []
  for parts in itertools.product(
    *(_parts(votes, again) for votes in (ours, *others))
  ):
    first = [_share(rest, label) for _, rest in parts]
    last = [_share(part, label) for part, _ in parts]
    if max(first[1:]) <= first[0]:
      found.append(0.0)
      continue
    best = _tied(first[1:])
    found.append(np.mean([np.sign(last[1 + i] - last[0]) for i in best]))
  return np.mean(found)


def _figures(ours, others, label):
  shares = [_share(votes, label) for votes in others]
  least = min(map(len, others))
  figures = {
    'naive': _share(ours, label) - max(shares),
    'hurt_naive': float(max(shares) > _share(ours, label)),
    'hurt': _hurt(ours, others, label),
    0: _split(ours, others, label, least // 2),
  }
  for k in gains.CHOSEN_BY:
    figures[k] = _split(ours, others, label, min(k, least - 1))
  return figures


def _found(gain):
  figures = {name: getattr(gain, name) for name in ('naive', 'hurt_naive')}
  figures |= {'hurt': gain.hurt} | gain.split
  return {name: values.mean() for name, values in figures.items()}


def _same_clips(votes):
  """Many clips with the same votes, a list by condition, as counts."""
  return {
    name: np.tile(_counts(some), (_SAME, 1)) for name, some in votes.items()
  }


_CLIPS = (
  {'text': [0, 0, 1], 'audio': [0, 1, 1, 2], 'full': [0, 0, 1, 2]},
  {'text': [1, 2], 'audio': [0, 1, 1], 'full': [0, 1, 1, 1, 2]},
  {'text': [0, 0, 0, 1], 'audio': [0, 2, 2], 'full': [0, 2]},
)


@pytest.mark.parametrize('votes', _CLIPS)
@pytest.mark.parametrize('label', [0, 1])
def test_gains_are_those_of_all_ways_to_part_the_votes(votes, label):
  gain = _compare(_same_clips(votes), np.full(_SAME, label), 'full')
  others = [votes['text'], votes['audio']]
  expected = _figures(votes['full'], others, label)
  assert _found(gain) == pytest.approx(expected, abs=0.006)
  for name, some in votes.items():
    np.testing.assert_allclose(gain.shares[name], _share(some, label))
  # What is not drawn does not vary.
  assert np.ptp(gain.naive) == 0
  least = min(map(len, others))
  assert (gain.num_votes[0] == least // 2).all()
  assert (gain.num_votes[8] == least - 1).all()


@pytest.mark.parametrize('source', ['full', 'audio'])
def test_a_label_of_votes_is_made_anew_and_judges_the_others(source):
  votes = {
    'text': [0, 0, 1],
    'audio': [0, 1, 1, 2, 2, 2],
    'full': [0, 0, 1, 2, 0],
  }
  gain = _compare(
    _same_clips(votes),
    np.full(_SAME, _plurality(votes[source])),
    'full',
    source,
  )
  figures, shares = [], []
  for half, rest in _parts(votes[source], (len(votes[source]) + 1) // 2):
    judged, label = votes | {source: rest}, _plurality(half)
    figures.append(
      _figures(judged['full'], [judged['text'], judged['audio']], label)
    )
    shares.append([_share(some, label) for some in judged.values()])
  expected = {k: np.mean([f[k] for f in figures]) for k in figures[0]}
  assert _found(gain) == pytest.approx(expected, abs=0.008)
  assert [s.mean() for s in gain.shares.values()] == pytest.approx(
    np.mean(shares, axis=0), abs=0.006
  )


def test_a_label_of_all_votes_is_made_of_half_of_each_condition():
  votes = {'text': [0, 0, 1], 'full': [1, 2, 2, 2]}
  gain = _compare(_same_clips(votes), np.full(_SAME, 2), 'full', '')
  shares = []
  for text, full in itertools.product(
    _parts(votes['text'], 2), _parts(votes['full'], 2)
  ):
    label = _plurality(text[0] + full[0])
    shares.append([_share(text[1], label), _share(full[1], label)])
  assert [s.mean() for s in gain.shares.values()] == pytest.approx(
    np.mean(shares, axis=0), abs=0.006
  )


@pytest.mark.parametrize('source', ['full', 'text', ''])
def test_votes_are_not_judged_by_their_echo(source):
  # Votes are dealt by a coin: no condition knows more than another.
  random = np.random.default_rng(0)
  votes = {
    name: random.multinomial(7, [0.5, 0.5], 3000)
    for name in ('text', 'audio', 'full')
  }
  made = votes[source] if source else sum(votes.values())
  labels = made.argmax(axis=1)
  echo = votes[source or 'full'][np.arange(3000), labels].mean() / 7
  assert echo > 0.58
  gain = _compare(votes, labels, 'full', source)
  for shares in gain.shares.values():
    assert shares.mean() == pytest.approx(0.5, abs=0.012)


def test_clips_without_enough_votes_are_left_out():
  votes = {
    'text': np.array([[1, 0], [2, 0], [0, 0], [2, 1], [3, 3]]),
    'audio': np.array([[1, 1], [1, 1], [1, 1], [1, 1], [2, 2]]),
    'full': np.array([[2, 1], [1, 0], [2, 1], [2, 1], [0, 0]]),
  }
  gain = _compare(votes, np.array([0, 0, 0, -1, 0]), 'full')

  def there(values):
    return (~np.isnan(values)).tolist()

  assert there(gain.shares['text']) == [True, True, False, False, True]
  assert there(gain.naive) == [True, True, False, False, False]
  assert there(gain.split[0]) == [False, True, False, False, False]
  assert there(gain.num_votes[1]) == [False, True, False, False, False]
  assert there(gain.hurt) == [False, False, False, False, False]
  # Half of the full votes make the label: of one vote, none is left to judge.
  gain = _compare(votes, np.array([0, 0, 0, -1, 0]), 'full', 'full')
  assert there(gain.shares['full']) == [True, False, True, False, False]
  assert there(gain.shares['text']) == [True, True, False, False, False]


def _simulated(random, shares, num_votes=8):
  """Votes equal to the label 0 with probability `shares` (n,), else 1."""
  hits = random.binomial(num_votes, shares)
  return np.stack([hits, num_votes - hits], axis=1)


def test_equal_conditions_are_bracketed():
  random = np.random.default_rng(1)
  shares = random.uniform(0.1, 0.9, 4000)
  votes = {
    name: _simulated(random, shares) for name in ('text', 'audio', 'full')
  }
  gain = _compare(votes, np.zeros(4000, int), 'full')
  assert gain.naive.mean() < -0.05
  assert gain.hurt_naive.mean() > 0.5
  # Equal on each clip, so that even a wrong choice costs nothing.
  for values in (*gain.split.values(), gain.hurt):
    assert abs(values.mean()) < 4 * values.std() / np.sqrt(4000)


def test_the_best_of_each_clip_is_bracketed():
  # The full condition is as good as the better other one, which differs.
  random = np.random.default_rng(2)
  text, audio = random.uniform(0.1, 0.9, (2, 4000))
  votes = {
    'text': _simulated(random, text),
    'audio': _simulated(random, audio),
    'full': _simulated(random, np.maximum(text, audio)),
  }
  gain = _compare(votes, np.zeros(4000, int), 'full')
  means = [gain.split[k].mean() for k in gains.CHOSEN_BY]
  assert gain.naive.mean() < -0.01
  assert gain.split[gains.HALF].mean() > 0.01
  # The more votes choose, the nearer to the truth, which is 0.
  assert means == sorted(means, reverse=True)
  assert means[-1] > 0


def test_hurt_share_is_at_most_the_truth_and_nears_it():
  random = np.random.default_rng(3)
  text, audio = random.uniform(0.2, 0.8, (2, 3000))
  best = np.maximum(text, audio)
  hurt = random.random(3000) < 0.3
  full = np.where(hurt, best - 0.15, best)
  for num_votes, least in ((6, -0.05), (60, 0.1), (400, 0.24)):
    votes = {
      name: _simulated(random, shares, num_votes)
      for name, shares in (('text', text), ('audio', audio), ('full', full))
    }
    gain = _compare(votes, np.zeros(3000, int), 'full')
    assert least < gain.hurt.mean() < 0.3 + 0.02
    assert gain.hurt_naive.mean() > gain.hurt.mean() + 0.1


@pytest.mark.parametrize(
  ('full', 'other'),
  [
    ([0, 0, 1, 1, 2, 2], [0, 1, 1]),
    ([0, 1, 1, 1], [2]),
    ([0, 0, 1, 2, 1], [1]),
  ],
)
def test_pluralities_are_those_of_all_ways_to_part_the_votes(full, other):
  size = min(len(full) // 3, (len(full) - 2) // 2, len(other))
  found = []
  for one, rest in _parts(full, size):
    for two, left in _parts(rest, size):
      counts, number = _counts(left), len(left)
      gs = 1 - (counts * (counts - 1)).sum() / (number * (number - 1))
      control = _plurality(one) != _plurality(two)
      for three, _ in _parts(other, size):
        differ = _plurality(one) != _plurality(three)
        found.append([differ, differ * gs, control, control * gs, gs])
  parts = _pluralities(
    *(np.tile(_counts(votes), (_SAME, 1)) for votes in (full, other))
  )
  assert [
    values.mean()
    for values in (
      parts.differ,
      parts.differ_gs,
      parts.control,
      parts.control_gs,
      parts.gs,
    )
  ] == pytest.approx(np.mean(found, axis=0), abs=0.006)
  assert (parts.num_votes == size).all()


def test_pluralities_need_votes():
  full = np.array([[2, 1], [4, 0], [2, 2], [3, 4]])
  other = np.array([[4, 4], [0, 0], [1, 0], [1, 1]])
  parts = _pluralities(full, other)
  assert np.isnan(parts.gs).tolist() == [True, True, False, False]
  assert parts.num_votes[2:].tolist() == [1, 2]


def test_only_noisier_conditions_have_no_excess():
  random = np.random.default_rng(4)
  scores = random.normal(0, 1.3, (4000, 3))
  gaps = []
  for strength in (0.3, 1.0):
    shares = [np.exp(s) for s in (scores, strength * scores)]
    parts = _pluralities(
      *(random.multinomial(9, s / s.sum(1, keepdims=True)) for s in shares)
    )
    for differ, differ_gs in (
      (parts.differ, parts.differ_gs),
      (parts.control, parts.control_gs),
    ):
      gaps.append(
        differ_gs.sum() / differ.sum()
        - (parts.gs - differ_gs).sum() / (1 - differ).sum()
      )
  noisier, control, same, again = gaps
  assert control == pytest.approx(again, abs=0.01)
  assert same == pytest.approx(control, abs=0.015)
  assert noisier < control - 0.04


def test_a_label_of_a_mean_is_made_anew_as_one():
  # Of the votes 1, 1 and 4 two make the label anew: 1, and 4 is left; or in two
  # of three cases 2.5, next to 2.6, and 1 is left.
  found = gains.compare(
    {
      'full': np.tile([2, 0, 1], (_SAME, 1)),
      'text': np.tile([0, 4, 0], (_SAME, 1)),
    },
    np.ones(_SAME, int),
    'full',
    _draws(_SAME),
    'full',
    np.array([1, 2.6, 4]),
  )
  assert not found.shares['full'].any()
  assert found.shares['text'].mean() == pytest.approx(2 / 3, abs=0.02)
