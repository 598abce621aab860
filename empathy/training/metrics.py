"""How good predictions are: sums over rows, and figures of the sums.

Sums of parts of the rows can be added. A metric of a config is a function of
options that gives a `Metric`; `config.select` names one of `METRICS`, or one of
your own, and epochs and settings are chosen by it.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from empathy import errors, named

Array = jax.Array


class Rows(NamedTuple):
  """Clips that were predicted.

  Attributes:
    logits: (B, C).
    losses: (B,) float32, of what training minimises.
    labels: (B,) int32.
    real: (B,) bool, the rows that count; others may be anything.
    scores: (B,) float32, the given ones; None without values.
    values: (C,) float32, of the classes; None where they are no numbers.
  """

  logits: Array
  losses: Array
  labels: Array
  real: Array
  scores: Array | None = None
  values: Array | None = None


@dataclasses.dataclass(frozen=True)
class Metric:
  """A figure of sums over rows.

  Attributes:
    sums: of rows, an array or a tree of them.
    figure: of sums, () float32.
    is_lower_better: whether it is, as of a loss.
    needs_values: whether classes have to be numbers.
  """

  sums: Callable[[Rows], Any]
  figure: Callable[[Any], Array]
  is_lower_better: bool = False
  needs_values: bool = False

  def is_better(self, new: Any, old: Any) -> Any:
    """Whether a figure is better than another one; never if one is NaN."""
    return new < old if self.is_lower_better else new > old


def mean(
  of: Callable[[Rows], Array],
  is_lower_better: bool = False,
  needs_values: bool = False,
) -> Metric:
  """The mean of something that each row has, (B,)."""

  def sums(rows: Rows) -> tuple[Array, Array]:
    return jnp.where(rows.real, of(rows), 0).sum(), rows.real.sum()

  def figure(found: tuple[Array, Array]) -> Array:
    return found[0] / found[1]

  return Metric(sums, figure, is_lower_better, needs_values)


def loss() -> Metric:
  """The mean loss in nats."""
  return mean(lambda rows: rows.losses, is_lower_better=True)


def accuracy() -> Metric:
  """The share of labels that are right."""
  return mean(lambda rows: jnp.argmax(rows.logits, -1) == rows.labels)


def macro_f1() -> Metric:
  """The mean F1 of the classes that are either true or predicted somewhere."""

  def confusion(rows: Rows) -> Array:
    size = rows.logits.shape[-1]
    at = rows.labels, jnp.argmax(rows.logits, -1)
    return jnp.zeros((size, size), jnp.int32).at[at].add(rows.real)

  def figure(found: Array) -> Array:
    both = found.sum(axis=0) + found.sum(axis=1)
    f1 = 2 * jnp.diagonal(found) / jnp.maximum(both, 1)
    return f1.sum() / jnp.maximum((both > 0).sum(), 1)

  return Metric(confusion, figure)


def mae() -> Metric:
  """The mean absolute difference of expected and given scores."""

  def difference(rows: Rows) -> Array:
    return jnp.abs(_expected(rows) - rows.scores)

  return mean(difference, is_lower_better=True, needs_values=True)


def ccc() -> Metric:
  """Lin's coefficient of concordance (Biometrics 1989) of the same two.

  0 where neither differs.
  """

  def sums(rows: Rows) -> Array:
    centre = rows.values.mean()  # Or digits would be lost.
    x, y = _expected(rows) - centre, rows.scores - centre
    found = jnp.stack([jnp.ones_like(x), x, y, x * x, y * y, x * y])
    return jnp.where(rows.real, found, 0.0).sum(axis=1)

  def figure(found: Array) -> Array:
    x, y, xx, yy, xy = found[1:] / found[0]
    total = xx - x * x + yy - y * y + (x - y) ** 2
    return 2 * (xy - x * y) / jnp.where(total > 0, total, 1.0)

  return Metric(sums, figure, needs_values=True)


def _expected(rows: Rows) -> Array:
  return (jax.nn.softmax(rows.logits) * rows.values).sum(axis=-1)


METRICS = {
  'loss': loss,
  'accuracy': accuracy,
  'macro_f1': macro_f1,
  'ccc': ccc,
  'mae': mae,
}


def find(
  text: str,
  has_values: bool = True,
  what: str = 'config.select',
  num_classes: int | None = None,
) -> Metric:
  """The metric that a config names; see `named`.

  Args:
    text: as in the config.
    has_values: whether classes are numbers.
    what: the field.
    num_classes: C, to see at once whether it gives a figure.

  Raises:
    InputError: there is no such metric, or it needs values.
  """
  if named.label(text) in METRICS and named.parse(text, what)[0] not in METRICS:
    raise errors.InputError(
      f'{what}: {text} has the name of another metric, by which files would '
      'have its figures: call it something else'
    )
  with named.blaming(what, text):
    found = named.resolve(text, METRICS, what, ())()
  if not isinstance(found, Metric):
    raise errors.InputError(
      f'{what}: {text} gives a {type(found).__name__}; expected a '
      'metrics.Metric'
    )
  if found.needs_values and not has_values:
    raise errors.InputError(f'{what}: {text} needs a label with values')

  def figure(sums: Any) -> Array:
    value = jnp.asarray(found.figure(sums), jnp.float32)
    if value.shape:
      raise errors.InputError(
        f'{what}: the figure of {text} is of the shape {value.shape}; expected '
        'one number'
      )
    return value

  result = dataclasses.replace(
    found,
    sums=named.blamed(found.sums, what, text),
    figure=named.blamed(figure, what, text),
  )
  if num_classes is not None:
    row, classes = np.zeros(5, np.float32), np.zeros(num_classes, np.float32)
    rows = Rows(
      logits=np.zeros((5, num_classes), np.float32),
      losses=row,
      labels=np.zeros(5, np.int32),
      real=np.ones(5, bool),
      scores=row if has_values else None,
      values=classes if has_values else None,
    )
    jax.eval_shape(lambda rows: result.figure(result.sums(rows)), rows)
  return result


def used(
  select: str, has_values: bool, what: str = 'config.select'
) -> dict[str, Metric]:
  """The metrics of a run, by name; see `find`."""
  found = {name: make() for name, make in METRICS.items()}
  found[named.label(select)] = find(select, has_values, what)
  return {
    name: metric
    for name, metric in found.items()
    if has_values or not metric.needs_values
  }


def measure(metrics: Mapping[str, Metric], rows: Rows) -> dict[str, Array]:
  """The figures of rows, () float32 each, by name."""
  return {
    name: jnp.asarray(metric.figure(metric.sums(rows)), jnp.float32)
    for name, metric in metrics.items()
  }
