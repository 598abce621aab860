"""What `corpus.json` declares of a label: classes, values or a scale.

A label has `classes`. Ordered classes may have `values`, a number each. Or the
label is a number on a `scale`, `[low, high]`: its classes are then equal bins,
`num_bins` of them, and values are their middles. A score, from a rating or a
mean of ratings, is kept exactly, and its class is that of the nearest value;
half-way between two it is the upper one. So bins hold their lower end, and the
last one the end of the scale too.

A corpus may have several labels, `labels`, each declared under its name with
these keys; a study or a training run is of one of them.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from empathy import errors, nearest
from empathy.corpora import spelling

UNLABELLED = -1
NUM_BINS = 10
_MAX_BINS = 1000
_MOST = 1e100  # Of a value, so that nothing made of them is infinite.
# What makes classes; with several labels, each has its own.
_CLASS_KEYS = ('classes', 'values', 'scale', 'num_bins', 'ordered')
# What one of several labels may declare.
KEYS = (*_CLASS_KEYS, 'label', 'label_source')
# Of one of several labels: the name by which it was chosen.
NAME = 'label_name'
# Relative to the scale: a score so near to the end of a bin is at its end.
_SLACK = 1e-9


def checked(
  info: Mapping[str, Any], place: str
) -> tuple[dict[str, Any], list[str]]:
  """Checks a label's keys, and fills in what follows from others.

  Args:
    info: with the label's keys, and perhaps more.
    place: the file, and perhaps the label, for messages.

  Returns:
    The keys, where a label with values has `classes`, `values` and `ordered`;
    and faults, a line each.
  """
  info, faults = dict(info), []

  def refuse(key: str, expected: str) -> None:
    faults.append(f'{place}: key {key!r}: expected {expected}')

  if not isinstance(info.get('ordered', False), bool):
    refuse('ordered', 'true or false')
  faults += _text_faults(info, place)
  scale, values = info.get('scale'), info.get('values')
  if values is not None and not (
    _are_numbers(values) and all(a < b for a, b in itertools.pairwise(values))
  ):
    refuse('values', 'numbers, each above the one before')
    return info, faults
  if scale is not None:
    if not (
      _are_numbers(scale) and len(scale) == 2 and float(scale[0]) < scale[1]
    ):
      refuse('scale', '[low, high], two numbers')
      return info, faults
    number = info.get('num_bins')
    if number is not None and not (
      type(number) is int and 2 <= number <= _MAX_BINS
    ):
      refuse('num_bins', f'a whole number from 2 to {_MAX_BINS:,}')
      return info, faults
    if number is None:
      known = info.get('classes', values)
      number = len(known) if isinstance(known, list) else NUM_BINS
    middles = _middles(*scale, number)
    if values is not None and not (
      len(values) == number
      and np.allclose(values, middles, 0, _SLACK * (scale[1] - scale[0]))
    ):
      refuse('values', "the middles of the scale's bins; leave them out")
    values = middles
  elif info.get('num_bins') is not None:
    refuse('num_bins', "it beside 'scale' alone")
  if values is not None:
    if info.get('ordered') is False:
      refuse('ordered', 'true, for there are values')
    info['ordered'] = True
    info['values'] = [float(value) for value in values]
    info.setdefault('classes', [f'{value:.10g}' for value in values])
  names = info.get('classes')
  if not isinstance(names, list) or not all(
    isinstance(name, str) and spelling.clean(name) for name in names
  ):
    refuse('classes', 'a list of names')
    return info, faults
  if len(names) < 2:
    refuse('classes', 'at least 2 names')
  info['classes'] = [spelling.clean(name) for name in names]
  faults += spelt_twice(info['classes'], f"{place}: key 'classes'")
  if values is not None and len(values) != len(names):
    what = 'values' if scale is None else 'num_bins'
    refuse(what, f'{len(names)} of them, one for each class')
  return info, faults


def checked_labels(
  info: Mapping[str, Any], place: str
) -> tuple[dict[str, Any], list[str]]:
  """Like `checked`, of the one label or of all that are in `labels`."""
  if 'labels' not in info:
    return checked(info, place)
  declared = info['labels']
  if not isinstance(declared, dict) or not declared:
    says = 'expected an object of labels by name'
    return dict(info), [f"{place}: key 'labels': {says}"]
  faults = _text_faults(info, place)
  faults += [
    f'{place}: key {key!r}: expected it in each of the labels, not beside them'
    for key in _CLASS_KEYS
    if key in info
  ]
  faults += spelt_twice(list(declared), f"{place}: key 'labels'")
  found = {}
  for name, keys in declared.items():
    own = f'{place}: label {name!r}'
    if not re.fullmatch(r'[\w-]+', name):
      faults.append(f'{own}: expected a name of letters, digits, _ and -')
    if not isinstance(keys, dict):
      faults.append(f'{own}: expected an object of keys and values')
      continue
    faults += [
      f'{own}: key {key!r}: expected one of {", ".join(KEYS)}'
      for key in keys
      if key not in KEYS
    ]
    found[name], others = checked(keys, own)
    faults += others
  return dict(info) | {'labels': found}, faults


def chosen(
  info: Mapping[str, Any], name: str | None, place: str
) -> dict[str, Any]:
  """The declaration of one label, as if the corpus had no other.

  Args:
    info: of a corpus with one label or several.
    name: of one of several; None or '' where there is just one.
    place: the file, for messages.

  Raises:
    InputError: there are several and no name, or another name.
  """
  declared = info.get('labels')
  if declared is None:
    if name and name != info.get(NAME):
      raise errors.InputError(
        f"{place}: has one label, and no 'labels' of which one could be "
        f'{name!r}'
      )
    return dict(info)
  names = ', '.join(declared)
  if not name and len(declared) > 1:
    raise errors.InputError(
      f'{place}: has {len(declared)} labels: {names}; choose one by '
      '--label=NAME, or in training by --config.label=NAME'
    )
  name = name or next(iter(declared))
  if name not in declared:
    raise errors.InputError(
      f'{place}: {name!r} is not one of the labels {names}'
      + nearest.hint(name, declared)
    )
  rest = {key: value for key, value in info.items() if key != 'labels'}
  return rest | declared[name] | {NAME: name}


def together(infos: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
  """The declaration of a corpus with several labels: undoes `chosen`."""
  first = next(iter(infos.values()))
  return {
    key: value for key, value in first.items() if key not in (*KEYS, NAME)
  } | {
    'labels': {
      name: {key: info[key] for key in KEYS if key in info}
      for name, info in infos.items()
    }
  }


def columns(name: str) -> tuple[str, str]:
  """The columns of a label and of its score; '' for the only label."""
  return (f'label.{name}', f'score.{name}') if name else ('label', 'score')


def values_of(info: Mapping[str, Any]) -> np.ndarray | None:
  """The values of the classes, (K,) float64; None where they have none."""
  values = info.get('values')
  return None if values is None else np.array(values, np.float64)


def limits(info: Mapping[str, Any]) -> tuple[float, float]:
  """The least and the greatest score that there can be."""
  low, *_, high = info.get('scale') or info['values']
  return float(low), float(high)


def class_of(
  scores: np.ndarray, values: np.ndarray, upper: bool = True
) -> np.ndarray:
  """The class whose value is nearest.

  Args:
    scores: (N,) float, NaN where there is none.
    values: (K,) float, rising.
    upper: which one it is half-way between two.

  Returns:
    (N,) int32, `UNLABELLED` where there is no score.
  """
  middle = (values[1:] + values[:-1]) / 2
  slack = _SLACK * (values[-1] - values[0])
  found = (
    np.searchsorted(middle - slack, scores, 'right')
    if upper
    else np.searchsorted(middle + slack, scores, 'left')
  )
  return np.where(np.isnan(scores), UNLABELLED, found).astype(np.int32)


def contradictions(
  labels: np.ndarray, scores: np.ndarray, values: np.ndarray
) -> np.ndarray:
  """The rows whose label is not the class of their score: (n,) int.

  Half-way between two values, a score may be of either class.

  Args:
    labels: (N,) int, `UNLABELLED` for none.
    scores: (N,) float, NaN for none.
    values: (K,) float, rising.
  """
  upper = class_of(scores, values)
  lower = class_of(scores, values, upper=False)
  both = (labels != UNLABELLED) & (upper != UNLABELLED)
  return np.flatnonzero(both & (labels != upper) & (labels != lower))


def filled(
  labels: np.ndarray, scores: np.ndarray | None, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Makes labels of scores where there is none, and scores of labels.

  Args:
    labels: (N,) int, `UNLABELLED` for none.
    scores: (N,) float, NaN for none; None for none at all.
    values: (K,) float, rising.

  Returns:
    Labels, (N,) int32, and scores, (N,) float64.
  """
  labels = np.asarray(labels, np.int32)
  known = np.append(values, np.nan)[labels]  # The last is that of UNLABELLED.
  if scores is None:
    return labels, known
  scores = np.asarray(scores, np.float64)
  labels = np.where(labels == UNLABELLED, class_of(scores, values), labels)
  return labels, np.where(np.isnan(scores), known, scores)


def spelt_twice(names: Sequence[str], place: str) -> list[str]:
  """Faults of a list of names, of which some are one."""
  first: dict[str, str] = {}
  found: dict[tuple[str, str], None] = {}
  for name in names:
    key = spelling.key(name)
    if key in first:
      found[first[key], name] = None
    first.setdefault(key, name)
  return [
    f'{place}: {name!r} is there twice'
    if name == other
    else f'{place}: {other!r} and {name!r} are two spellings of one name'
    for other, name in found
  ]


def _text_faults(info: Mapping[str, Any], place: str) -> list[str]:
  return [
    f'{place}: key {key!r}: expected a text'
    for key in ('label', 'label_source')
    if not isinstance(info.get(key, ''), str)
  ]


def _middles(low: float, high: float, number: int) -> list[float]:
  """The middles of equal bins, without the last digits of their rounding."""
  middles = low + (high - low) * (np.arange(number) + 0.5) / number
  return [float(f'{middle:.12g}') for middle in middles]


def _are_numbers(values: Any) -> bool:
  return isinstance(values, list) and all(
    type(value) in (int, float) and -_MOST < value < _MOST for value in values
  )
