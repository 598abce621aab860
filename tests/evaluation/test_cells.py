"""Values on a grid, and by how much that moves what is ranked."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from empathy.evaluation import cells, findings, ranking, samples, totals


def _clips(seed=0, n=4_000):
  random = np.random.default_rng(seed)
  signal = random.beta(0.4, 2, n)
  return signal, random.random(n) < 0.2 + signal / 2, random.integers(2, 6, n)


def test_what_stands_for_a_place_is_in_it():
  grid = cells.near_zero(0.7, 1_024)
  values = np.concatenate([np.linspace(0, 0.7, 9_999), grid.values])
  on = grid.on(values)
  np.testing.assert_array_equal(grid.on(on), on)
  assert (np.diff(on[:9_999]) >= 0).all()
  assert len(np.unique(on)) == 1_024
  few = cells.signal('num_unimodal_labels', 8, 3)
  assert not few.coarse
  assert few.on(np.arange(4.0)).tolist() == [0, 1, 2, 3]


def test_chances_of_few_votes_are_told_apart():
  values = np.unique(
    np.concatenate([1 - 2 * np.arange(k + 1) / k / 2 for k in (1, 3, 6, 10)])
  )
  np.testing.assert_allclose(cells.GS.on(values), values, atol=1e-12)


def test_rows_of_counts_are_the_clips_on_the_grid():
  signal, hit, votes = _clips(n=300)
  group = np.arange(300) % 7
  grids = {
    'signal': cells.near_zero(1.0, 16),
    'hit': cells.YES_OR_NO,
    'votes': cells.VOTES,
  }
  adder = totals.Adder(np.array([f'g{i}' for i in group]))
  chosen = votes != 3
  columns = {'votes': votes, 'hit': hit, 'signal': signal}
  cells.count(adder, ('x',), chosen, grids, columns)
  exact = {'signal': grids['signal'].on(signal), 'hit': hit, 'votes': votes}
  adder.rank(('x', 'rows'), chosen, **exact)
  found = adder.totals()
  one, other = cells.rows(found.counts['x',], grids), found.rows['x', 'rows']
  assert one.names == other.names
  for name in ('group', 'values', 'number'):
    np.testing.assert_allclose(
      getattr(one, name), getattr(other, name), 1e-11, 1e-11
    )


@pytest.mark.parametrize('num_places', [8, 30, 128])
def test_figures_on_a_grid_are_within_their_bounds(num_places):
  for seed in range(5):
    signal, hit, votes = _clips(seed)
    on = cells.near_zero(1.0, num_places).on(signal)
    one = np.ones(len(on))
    found, true = (metrics.roc_auc_score(hit, x) for x in (on, signal))
    bound = cells.tied(on, hit, one)
    assert abs(found - true) <= bound < 0.1
    found, true = (stats.spearmanr(x, votes + hit)[0] for x in (on, signal))
    assert abs(found - true) <= cells.spearman_off(on, one) < 0.2
    wanted = 700
    place = np.argsort(-signal)[:wanted]
    last = np.sort(on)[-wanted]
    above, at = on > last, on == last
    expected = hit[above].sum() + (wanted - above.sum()) * hit[at].mean()
    off = cells.top_off(on, hit, one, wanted)
    assert abs(hit[place].sum() - expected) <= off <= at.sum()


@pytest.mark.parametrize('rate', [0.01, 0.2, 0.9])
@pytest.mark.parametrize('num_places', [8, 30, 128])
def test_ranks_on_a_grid_are_within_their_bounds(num_places, rate):
  for seed in range(5):
    random = np.random.default_rng(seed)
    signal = random.beta(0.4, 2, 1_000)
    hit = random.random(1_000) < rate * (0.5 + signal)
    on = cells.near_zero(1.0, num_places).on(signal)
    sample = samples.sample(np.zeros(1_000))
    number = np.ones(1_000)
    for function in (
      ranking.auroc,
      ranking.average_precision,
      ranking.aurc,
      ranking.e_aurc,
      ranking.found_at,
    ):
      found, true = (
        function(sample, one, hit)(np.ones((1, 1)))[0][0]
        for one in (on, signal)
      )
      rows = on, hit, number
      if function is ranking.average_precision:
        off = cells.precision_off(*rows)
      else:
        off = cells.order_off(function, *rows)
      assert abs(found - true) <= off + 1e-12, function
      if function is ranking.auroc:
        assert off == pytest.approx(cells.tied(*rows))


def test_the_precision_of_ties_is_off_by_hand():
  signal, hit = np.array([2, 1, 1, 1]), np.array([1, 1, 1, 0], bool)
  # (1 + 3/4 + 3/4) / 3; at most 1, at least (1 + 2/3 + 3/4) / 3.
  off = cells.precision_off(signal, hit, np.ones(4))
  assert off == pytest.approx(1 / 6)
  signal, hit = np.array([2, 1]), np.array([0, 1], bool)
  number = np.array([1, 2])
  # 2 of 3 for both; in truth 1/2 and 2/3 may be.
  off = cells.precision_off(signal, hit, number)
  assert off == pytest.approx(1 / 12)


@pytest.mark.parametrize(
  ('off', 'says'),
  [
    (0, 'drawn'),
    (None, 'drawn, signal on a grid'),
    (0.00144, 'drawn, signal on a grid (off 0.002 at most)'),
    (0.097, 'drawn, signal on a grid (off 0.1 at most)'),
  ],
)
def test_bounds_are_rounded_up(off, says):
  one = findings.Estimate(0.5, method='drawn')
  assert cells.noted(one, off).method == says


def test_pairs_of_one_kind_are_tied_by_hand():
  signal = np.array([1, 1, 1, 2, 2])
  hit = np.array([1, 0, 0, 1, 0], bool)
  number = np.array([1, 2, 1, 1, 3])
  # Of 2 x 6 pairs, 1 x 3 and 1 x 3 are tied.
  assert cells.tied(signal, hit, number) == pytest.approx(6 / 12 / 2)
  # Of the first kind there are 1 x 2 pairs, all tied; of the other 1 x 4, and
  # 3 of them tied.
  kind = np.array([0, 0, 1, 1, 1])
  found = cells.tied(signal, hit, number, kind)
  assert found == pytest.approx(5 / 6 / 2)
  assert cells.tied(signal, hit | True, number) == 0
