"""How long does agreement take, beside the krippendorff package?

  python tests/benchmarks/agreement.py

Prints the milliseconds of 10,000 resamples of Krippendorff's alpha and of the
study's interval over 40 groups, for more and more clips; of the same resamples
looped over the krippendorff package, which are timed for twenty and scaled; of
alpha of a million clips, with the memory above its input; of interval alpha of
a million ratings; and of what the choice of annotators adds to the variance.
`--small` runs all of it on little data, to see that it runs.
"""

import argparse
import os
import time
import tracemalloc
from collections.abc import Callable

os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')

import krippendorff
import numpy as np

from empathy.evaluation import agreement, resampling

_NUM_GROUPS = 40
_NUM_LOOPED = 20


def milliseconds(function: Callable[[], object], times: int = 5) -> float:
  """The shortest of several runs."""
  found = []
  for _ in range(times):
    start = time.perf_counter()
    function()
    found.append(time.perf_counter() - start)
  return 1e3 * min(found)


def megabytes(function: Callable[[], object]) -> float:
  """The most memory that a run takes above what is there."""
  tracemalloc.start()
  function()
  peak = tracemalloc.get_traced_memory()[1]
  tracemalloc.stop()
  return peak / 1e6


def codes(
  num_clips: int, num_raters: int, num_classes: int, gaps: float
) -> np.ndarray:
  """A table (M, N) of raters who agree to some degree, with a share of gaps."""
  random = np.random.default_rng(0)
  gold = random.integers(0, num_classes, num_clips)
  guess = random.integers(0, num_classes, (num_raters, num_clips))
  found = np.where(random.random(guess.shape) < 0.5, gold, guess)
  return np.where(random.random(guess.shape) < gaps, -1, found)


def looped(table: np.ndarray, num_classes: int) -> tuple[float, float]:
  """Milliseconds of one of the package's resamples, of a table and of counts.

  Args:
    table: (M, N) codes.
    num_classes: C.

  Returns:
    The mean over resamples, for each of the inputs that the package takes.
  """
  random = np.random.default_rng(0)
  num_clips = table.shape[1]
  drawn = random.integers(0, num_clips, (_NUM_LOOPED, num_clips))
  ratings = np.where(table < 0, np.nan, table)
  counts = agreement.counts_of_codes(table, num_classes)

  def of_table() -> None:
    for one in drawn:
      krippendorff.alpha(ratings[:, one], level_of_measurement='nominal')

  def of_counts() -> None:
    for one in drawn:
      krippendorff.alpha(
        value_counts=counts[one], level_of_measurement='nominal'
      )

  return tuple(
    milliseconds(function, times=1) / _NUM_LOOPED
    for function in (of_table, of_counts)
  )


def resamples(
  sizes: tuple[int, ...],
  num_resamples: int,
  num_raters: int,
  num_classes: int,
  gaps: float,
) -> None:
  """Prints a table of resamples of alpha, over numbers of clips."""
  figure = agreement.coefficients(num_classes)['alpha_nominal']
  print(
    f'\n{num_resamples:,} resamples of nominal alpha: {num_raters} raters, '
    f'{num_classes} classes, {gaps:.0%} gaps; ms'
  )
  print(f'{"clips":>10}{"patterns":>10}{"over clips":>12}{"40 groups":>11}')
  # Made once for all statistics of a study.
  resampling.draws(_NUM_GROUPS, num_resamples)
  ours = {}
  for size in sizes:
    table = codes(size, num_raters, num_classes, gaps)
    counts = agreement.counts_of_codes(table, num_classes)
    sample = resampling.sample(np.arange(size) % _NUM_GROUPS, num_resamples)
    ours[size] = (
      milliseconds(lambda c=counts: figure.bootstrap(c, num_resamples, 0)),
      milliseconds(
        lambda c=counts, s=sample: resampling.estimate(
          s, figure.statistic(s, c)
        )
      ),
    )
    patterns = len(np.unique(counts, axis=0))
    print(f'{size:>10,}{patterns:>10,}{ours[size][0]:>12.1f}', end='')
    print(f'{ours[size][1]:>11.1f}')
  size = sizes[1]
  clips, groups = ours[size]
  found = looped(codes(size, num_raters, num_classes, gaps), num_classes)
  for name, once in zip(('a table', 'counts'), found, strict=True):
    peer = once * num_resamples
    print(
      f'krippendorff of {name}, {size:,} clips: {peer:,.0f} ms, '
      f'{peer / clips:,.0f} x over clips, {peer / groups:,.0f} x by groups '
      f'({_NUM_LOOPED} resamples, scaled)'
    )


def row(name: str, function: Callable[[], object]) -> None:
  """Prints the time and the memory of a function."""
  print(f'{name:<58}{milliseconds(function):>9.1f}{megabytes(function):>8.1f}')


def main() -> None:
  """Prints everything."""
  parser = argparse.ArgumentParser()
  parser.add_argument('--small', action='store_true')
  small = parser.parse_args().small
  scale = 100 if small else 1
  sizes = tuple(size // scale for size in (1_000, 10_000, 100_000))
  for num_classes, gaps in ((3, 0.0), (6, 0.1)):
    resamples(sizes, 10_000 // scale, 5, num_classes, gaps)
  million = 1_000_000 // scale
  print(f'\n{"once":<58}{"ms":>9}{"MB":>8}')
  random = np.random.default_rng(0)
  shares = random.dirichlet(np.ones(6), million)
  for dtype in (np.int64, np.int32):
    counts = random.multinomial(5, shares).astype(dtype)
    row(
      f'nominal alpha, {million:,} clips x 6 classes, {dtype.__name__}',
      lambda c=counts: agreement.alpha_nominal(c),
    )
  centre = random.normal(size=million // 5)
  ratings = centre + random.normal(size=(5, len(centre)))
  for level in ('interval', 'ordinal', 'nominal', 'ratio'):
    of_level = np.abs(ratings.round(1)) if level == 'ratio' else ratings
    there = 'tenths' if level == 'ratio' else 'all distinct'
    row(
      f'{level} alpha, {million:,} ratings, {there}',
      lambda r=of_level, at=level: agreement.alpha_of_ratings(r, at),
    )
  clip = np.repeat(np.arange(million // 5), 5)
  annotator = random.integers(0, 2_000, len(clip))
  label = random.integers(0, 6, len(clip))
  count = np.ones(len(clip), np.int64)
  groups = np.arange(million // 5) % _NUM_GROUPS
  figure = agreement.coefficients(6)['alpha_nominal']
  row(
    f'annotator variance of alpha, {million:,} votes, 2,000 people',
    lambda: agreement.annotator_variance(
      figure, groups, clip, annotator, label, count, 6
    ),
  )


if __name__ == '__main__':
  main()
