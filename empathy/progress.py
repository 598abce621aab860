"""How far a long work is: a bar on a terminal, a log line now and then else.

The time that is left is told by how long pieces of work took of late. What
comes once, such as compiling, is not counted as speed: neither what is said to
be so by `prepared`, nor pieces that took far longer than most, as the first one
of a shape does that has to be compiled for it; of these there may be more.
"""

import collections
import itertools
import logging
import statistics
import sys
import time
from collections.abc import Callable

import tqdm

_SECONDS_TO_FIRST_LINE = 8.0
_SECONDS_BETWEEN_LINES = 15.0
_SECONDS_BETWEEN_NOTES = 0.5  # Of a bar.
# Preparations that took longer are told as soon as they are over.
_LONG = 5.0
# After so many pieces, or so many seconds after the first, it is told how long
# others will take: the first ones may have been compiled for.
_FEW, _ENOUGH = 4, 1.5
# So many pieces of late tell the speed, but for those that took so much longer,
# for the work in them, than the middle one.
_MOST, _OUTLYING = 200, 3.0
_BAR = (
  '{desc}: {percentage:3.0f}%|{bar}| {n_fmt} of {total_fmt} {unit}s{postfix}'
)


class Progress:
  """Counts units of work and shows the rate and the time left.

  Use it as a context manager and call `advance` after each piece of work.
  """

  def __init__(
    self,
    title: str,
    total: int,
    unit: str,
    work: float | None = None,
    clock: Callable[[], float] = time.monotonic,
  ):
    """Starts counting.

    Args:
      title: what is being done, in a word or two.
      total: units of work in all.
      unit: what is counted, for example 'epoch'.
      work: in all units, where some are more than others; in units by default.
      clock: tells seconds.
    """
    self._title, self._total, self._unit = title, total, unit
    self._done = 0
    self._work_left = float(total if work is None else work)
    self._clock = clock
    self._bar = None
    self._start = self._first = self._last = clock()
    self._due = self._last
    if not sys.stderr.isatty():
      self._due += _SECONDS_TO_FIRST_LINE
    # Seconds, units and work of each piece.
    self._pieces: collections.deque = collections.deque(maxlen=_MOST)
    self._num_pieces, self._work_done = 0, 0.0
    self._preparations: list[float] = []
    self._to_prepare = 0

  def __enter__(self) -> 'Progress':
    if sys.stderr.isatty():
      self._bar = tqdm.tqdm(
        desc=self._title,
        total=self._total,
        unit=self._unit,
        dynamic_ncols=True,
        bar_format=_BAR,
      )
    return self

  def __exit__(self, *exception) -> None:
    if self._bar is not None:
      self._bar.close()

  def skip(self, amount: int, work: float | None = None) -> None:
    """Adds units that an earlier run did: they do not count as speed."""
    self._done += amount
    self._work_left -= amount if work is None else work
    if self._bar is not None:
      self._bar.initial += amount
      self._bar.n += amount
      self._bar.refresh()

  def prepared(self, what: str = '', left: int = 0) -> None:
    """Says that the time since the last piece went into something else.

    Args:
      what: was done, as in 'compiled', if it is to be told where it took long.
      left: how many times more it is to be done.
    """
    now = self._clock()
    seconds, self._last = now - self._last, now
    self._preparations.append(seconds)
    self._to_prepare = left
    if what and seconds > _LONG:
      if self._bar is not None:
        self._bar.set_postfix_str(f'{what} in {duration(seconds)}')
      else:
        logging.getLogger('empathy').info(
          '%s: %s in %s', self._title, what, duration(seconds)
        )

  def advance(
    self, amount: int = 1, note: str = '', work: float | None = None
  ) -> None:
    """Adds `amount` units and shows `note` beside the count.

    Args:
      amount: of units.
      note: what else there is to say.
      work: in these units, as for `Progress`.
    """
    now = self._clock()
    work = float(amount if work is None else work)
    seconds, self._last = now - self._last, now
    self._pieces.append((seconds, amount, work))
    self._num_pieces += 1
    if self._num_pieces == 1:
      self._first = now
    self._done += amount
    self._work_done += work
    self._work_left -= work
    is_done = self._done >= self._total
    is_due = now >= self._due or is_done
    if self._bar is not None:
      if is_due:
        self._due = now + _SECONDS_BETWEEN_NOTES
        told = f'{self._told()}  {note}'.rstrip()
        self._bar.set_postfix_str(told, refresh=False)
      self._bar.update(amount)
    elif is_due and (self._is_known or self._num_pieces == 1 or is_done):
      # What follows from the first piece is little: others tell more.
      self._due = now + (_SECONDS_BETWEEN_LINES if self._is_known else 0.0)
      logging.getLogger('empathy').info(
        '%s: %d of %d %ss, %s  %s',
        *(self._title, self._done, self._total, self._unit),
        *(self._told(), note),
      )

  @property
  def _is_known(self) -> bool:
    """Whether there are pieces for which nothing was compiled, probably."""
    return bool(
      self._preparations
      or self._num_pieces > _FEW
      or (self._num_pieces > 1 and self._last - self._first > _ENOUGH)
    )

  def _told(self) -> str:
    """The rate and the time that is left, in words."""
    if self._done >= self._total:
      return 'done'
    if not self._is_known:
      return f'after {duration(self._last - self._start)}'
    return f'{self._rate()}, about {duration(self.seconds_left())} left'

  @property
  def units_left(self) -> int:
    """Those that are still to be done."""
    return self._total - self._done

  def seconds_left(self) -> float:
    """How long the rest takes, by the pieces of late; 0 before the first."""
    if not self._pieces:
      return 0.0
    usual = self._usual()
    seconds, _, work = map(sum, zip(*usual, strict=True))
    each = seconds / max(work, 1e-9)
    left = self._work_left * each
    if self._to_prepare:
      left += self._to_prepare * statistics.median(self._preparations)
    # More pieces may be of new shapes: as many as there were, at most.
    share = min(1.0, self._work_left / max(self._work_done, 1e-9))
    first = int(self._num_pieces <= _MOST)  # If it is still among them.
    others = set(itertools.islice(self._pieces, first, None)).difference(usual)
    return left + share * sum(x[0] - each * x[2] for x in others)

  def _usual(self) -> list[tuple[float, float, float]]:
    """The pieces of late, without those that took far longer than most."""
    pieces = [x for x in self._pieces if x[2] > 0] or list(self._pieces)
    slowness = sorted(seconds / max(work, 1e-9) for seconds, _, work in pieces)
    middle = slowness[(len(slowness) - 1) // 2]
    return [x for x in pieces if x[0] <= _OUTLYING * middle * max(x[2], 1e-9)]

  def _rate(self) -> str:
    """'3.2 a second', or '1.5 s each'."""
    seconds, units, _ = map(sum, zip(*self._usual(), strict=True))
    each = seconds / max(units, 1e-9)
    if each > 0.5:
      return f'{each:.1f} s each'
    return f'{1 / max(each, 1e-9):.{1 if each > 0.05 else 0}f} a second'


def duration(seconds: float) -> str:
  """'47 s', '12 min' or '3.5 h'."""
  if seconds < 120:
    return f'{seconds:.0f} s'
  if seconds < 7200:
    return f'{seconds / 60:.0f} min'
  return f'{seconds / 3600:.1f} h'
