"""What is told of the time that is left, by a clock of the test's own."""

import logging

import pytest

from empathy import progress


class _Clock:
  def __init__(self):
    self.now = 0.0

  def __call__(self):
    return self.now


@pytest.fixture
def clock():
  return _Clock()


def _lines(caplog):
  return [record.getMessage() for record in caplog.records]


def _bar(clock, total=10, **more):
  return progress.Progress('training', total, 'epoch', clock=clock, **more)


def test_compiling_is_no_speed_and_what_is_to_be_compiled_counts(clock):
  bar = _bar(clock)
  clock.now = 30.0
  bar.prepared('compiled', left=2)
  clock.now += 2.0
  bar.advance()
  assert bar.seconds_left() == pytest.approx(9 * 2 + 2 * 30)
  clock.now += 10.0
  bar.prepared('compiled', left=1)
  # Between them took 30 and 10 seconds, 20 in the mean.
  assert bar.seconds_left() == pytest.approx(9 * 2 + 20)


def test_a_piece_that_was_compiled_for_is_no_speed(clock):
  bar = _bar(clock, total=100)
  for seconds in (40.0, 1.0, 1.2, 0.8, 1.0):
    clock.now += seconds
    bar.advance(2)
  assert bar.seconds_left() == pytest.approx(90 * 0.5)
  # Another one after the first: there may be one more, but not for ever.
  clock.now += 25.0
  bar.advance(2)
  assert bar.seconds_left() == pytest.approx(88 * 0.5 + 24)
  for _ in range(36):
    clock.now += 1.0
    bar.advance(2)
  assert bar.seconds_left() == pytest.approx(16 * 0.5 + 24 * 16 / 84)


def test_one_piece_that_may_have_been_compiled_for_tells_nothing(clock, caplog):
  caplog.set_level(logging.INFO, 'empathy')
  bar = _bar(clock)
  clock.now = 30.0
  bar.advance()
  clock.now = 31.0  # Too soon to tell.
  bar.advance()
  clock.now = 32.0
  bar.advance()
  assert _lines(caplog) == [
    'training: 1 of 10 epochs, after 30 s  ',
    'training: 3 of 10 epochs, 1.0 s each, about 7 s left  ',
  ]


def test_of_one_piece_that_is_what_is_known(clock):
  bar = _bar(clock)
  clock.now = 3.0
  bar.advance()
  assert bar.seconds_left() == pytest.approx(27)


def test_units_may_be_more_work_than_others(clock):
  # Two epochs of a narrow network, then eight of one three times as large.
  bar = _bar(clock, work=2 * 1.0 + 8 * 3.0)
  clock.now = 1.0
  bar.advance(work=1.0)
  assert bar.seconds_left() == pytest.approx(1 + 24)
  bar.skip(1, 1.0)
  assert bar.seconds_left() == pytest.approx(24)


def test_the_first_line_comes_early_and_the_others_now_and_then(clock, caplog):
  caplog.set_level(logging.INFO, 'empathy')
  with _bar(clock, total=30) as bar:
    for _ in range(30):
      clock.now += 2.0
      bar.advance(note='val/accuracy 0.7')
  assert _lines(caplog) == [
    f'training: {done} of 30 epochs, 2.0 s each, {told}  val/accuracy 0.7'
    for done, told in (
      (4, 'about 52 s left'),
      (12, 'about 36 s left'),
      (20, 'about 20 s left'),
      (28, 'about 4 s left'),
    )
  ] + ['training: 30 of 30 epochs, done  val/accuracy 0.7']


def test_long_preparations_are_told_at_once(clock, caplog):
  caplog.set_level(logging.INFO, 'empathy')
  bar = _bar(clock)
  clock.now = 1.0
  bar.prepared('compiled')
  clock.now = 13.0
  bar.prepared('compiled')
  assert _lines(caplog) == ['training: compiled in 12 s']


@pytest.mark.parametrize(
  ('seconds', 'told'),
  [(0.2, '0 s'), (119, '119 s'), (150, '2 min'), (7200, '2.0 h')],
)
def test_durations(seconds, told):
  assert progress.duration(seconds) == told
