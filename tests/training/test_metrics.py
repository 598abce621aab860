"""Metrics are figures of sums, and sums of parts of the rows add up."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special
from sklearn import metrics as sklearn_metrics

from empathy import errors
from empathy.training import metrics


def top2() -> metrics.Metric:
  """The share of clips whose label is among the two likeliest classes."""

  def right(rows):
    at = jnp.argsort(rows.logits, axis=1)[:, -2:]
    return (at == rows.labels[:, None]).any(axis=1)

  return metrics.mean(right)


def two() -> metrics.Metric:
  return metrics.Metric(lambda rows: rows.labels, lambda sums: sums[:2])


def _rows(seed, size, **changes):
  random = np.random.default_rng(seed)
  logits = random.normal(size=(size, 5)).astype(np.float32)
  rows = metrics.Rows(
    logits=logits,
    losses=random.random(size).astype(np.float32),
    # The last class is neither true nor predicted.
    labels=random.integers(0, 4, size).astype(np.int32),
    real=random.random(size) < 0.7,
    scores=random.uniform(1, 5, size).astype(np.float32),
    values=np.arange(1, 6, dtype=np.float32),
  )
  logits[:, 4] = -9
  return rows._replace(**changes)


def test_figures_are_those_of_their_definitions():
  rows = _rows(0, 60)
  rows.losses[~rows.real] = np.nan
  rows.labels[~rows.real] = -1
  found = metrics.measure(metrics.used('test_metrics:top2', True), rows)
  own = rows.real
  guess = rows.logits.argmax(axis=1)[own]
  labels, scores = rows.labels[own], rows.scores[own]
  expected = special.softmax(rows.logits[own], axis=1) @ rows.values
  both = np.cov(expected, scores, bias=True)
  shift = expected.mean() - scores.mean()
  top = np.argsort(rows.logits[own], axis=1)[:, -2:]
  want = {
    'loss': rows.losses[own].mean(),
    'accuracy': (guess == labels).mean(),
    'macro_f1': sklearn_metrics.f1_score(labels, guess, average='macro'),
    'mae': np.abs(expected - scores).mean(),
    'ccc': 2 * both[0, 1] / (both[0, 0] + both[1, 1] + shift**2),
    'top2': (top == labels[:, None]).any(axis=1).mean(),
  }
  assert {k: float(v) for k, v in found.items()} == pytest.approx(want, 1e-4)


def test_sums_of_parts_are_those_of_the_whole():
  one, other = _rows(1, 30), _rows(2, 50)
  whole = [
    x if name == 'values' else np.concatenate([x, y])
    for name, x, y in zip(one._fields, one, other, strict=True)
  ]
  for name, metric in metrics.used('accuracy', True).items():
    parts = jax.tree.map(jnp.add, metric.sums(one), metric.sums(other))
    want = metric.figure(metric.sums(metrics.Rows(*whole)))
    assert float(metric.figure(parts)) == pytest.approx(float(want), 1e-5), name


def test_metrics_of_scores_need_values():
  found = metrics.used('macro_f1', False)
  assert list(found) == ['loss', 'accuracy', 'macro_f1']
  for text in ('ccc', 'mae'):
    with pytest.raises(errors.InputError, match=f'{text} needs a label with v'):
      metrics.used(text, False)
  with pytest.raises(errors.InputError, match='gives a int; expected a metric'):
    metrics.find('builtins:int')


def test_a_figure_has_to_be_one_number():
  found = metrics.used('test_metrics:two', True, 'config.x')
  says = r'config.x: the figure of test_metrics:two is of the shape \(2,\)'
  with pytest.raises(errors.InputError, match=says):
    metrics.measure(found, _rows(0, 5))
  says = "config.x: test_metrics:two fails in .*: TypeError: 'NoneType'"
  with pytest.raises(errors.InputError, match=says):
    metrics.measure(found, _rows(0, 5, labels=None))


def test_a_metric_of_ones_own_has_a_name_of_its_own():
  for text in ('test_metrics:loss', 'test_metrics.accuracy(top=1)'):
    with pytest.raises(errors.InputError, match='the name of another metric'):
      metrics.find(text)
