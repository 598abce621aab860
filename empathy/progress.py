"""How far a long work is: a bar on a terminal, a log line now and then else."""

import logging
import sys
import time

import tqdm

_SECONDS_BETWEEN_LINES = 15.0


class Progress:
  """Counts units of work and shows the rate and the time left.

  Use it as a context manager and call `advance` after each piece of work.
  """

  def __init__(self, title: str, total: int, unit: str):
    """Starts counting.

    Args:
      title: what is being done, in a word or two.
      total: units of work in all.
      unit: what is counted, for example 'epoch'.
    """
    self._title, self._total, self._unit = title, total, unit
    self._done = self._skipped = 0
    self._bar = None
    self._start = self._told = time.monotonic()

  def __enter__(self) -> 'Progress':
    if sys.stderr.isatty():
      self._bar = tqdm.tqdm(
        desc=self._title,
        total=self._total,
        unit=self._unit,
        dynamic_ncols=True,
      )
    return self

  def __exit__(self, *exception) -> None:
    if self._bar is not None:
      self._bar.close()

  def skip(self, amount: int) -> None:
    """Adds units that an earlier run did: they do not count as speed."""
    self._done += amount
    self._skipped += amount
    if self._bar is not None:
      self._bar.initial += amount
      self._bar.n += amount
      self._bar.refresh()

  def advance(self, amount: int = 1, note: str = '') -> None:
    """Adds `amount` units and shows `note` beside the count."""
    self._done += amount
    if self._bar is not None:
      self._bar.set_postfix_str(note, refresh=False)
      self._bar.update(amount)
      return
    now = time.monotonic()
    if now - self._told < _SECONDS_BETWEEN_LINES and self._done < self._total:
      return
    self._told = now
    rate = (self._done - self._skipped) / max(now - self._start, 1e-9)
    left = (self._total - self._done) / max(rate, 1e-9)
    logging.getLogger('empathy').info(
      '%s: %d of %d %ss, %.2f a second, %.0f s left  %s',
      self._title,
      self._done,
      self._total,
      self._unit,
      rate,
      left,
      note,
    )
