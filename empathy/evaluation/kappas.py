"""Who labels clips: people, crowds and models, and how far any two agree.

A rater is an annotator, by name; a view, which says the class of its seeds'
mean; or a judge: an annotator that `corpus.json` lists under `judges`, and that
is no single person: a model, or, if it is listed under `crowds` as well, the
mean of many people. Judges may have voted in several conditions, and are a
rater in each; people are taken where they perceived most.

For two raters, over the clips that both label: Cohen's kappa (1960, Educ.
Psychol. Meas. 20:37); where classes are ordered, kappa weighted by the squared
difference of their values (Cohen 1968, Psychol. Bull. 70:213), which is also
Lin's coefficient of concordance (1989, Biometrics 45:255); and Spearman's
correlation. Values are those of the corpus, and what was said on a scale, such
as a crowd's mean of 2.67, counts as it is; where a corpus has no values,
classes are one step apart.
"""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import (
  asked,
  disagreement,
  ranking,
  samples,
  weighing,
)
from empathy.evaluation import predictions as predictions_lib
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.findings import Findings, interval_cells
from empathy.evaluation.plan import Plan
from empathy.evaluation.totals import Adder, Key, Rows, Totals
from empathy.evaluation.weighing import Statistic

PERSON, CROWD, MODEL = 'person', 'crowd', 'model'
# Pairs of more people than these are too many to look at.
MOST_PEOPLE = 8
# Two raters are compared on so many clips at least.
LEAST_CLIPS = 10
KINDS = (
  (PERSON, PERSON),
  (PERSON, MODEL),
  (PERSON, CROWD),
  (CROWD, CROWD),
  (CROWD, MODEL),
  (MODEL, MODEL),
)
_ZERO = 1e-12


@dataclasses.dataclass(frozen=True)
class Rater:
  """Somebody, or something, that labels clips.

  Attributes:
    kind: PERSON, CROWD or MODEL.
    name: as tables show it.
    source: the view, or the annotator.
    condition: of an annotator, what was perceived; '' of a view.
  """

  kind: str
  name: str
  source: str
  condition: str = ''


def models(plan: Plan) -> list[Rater]:
  """The raters that are no single person: views and judges."""
  found = [Rater(MODEL, view, view) for view in plan.members]
  crowds = plan.info.get('crowds', ())
  names = {view: 1 for view in plan.members}
  for condition in plan.info['conditions']:
    for name in plan.survey.handfuls.get(('judges', condition), ()):
      told = str(name)
      if told in names or condition != plan.full_condition:
        told = f'{name} ({condition})'
      kind = CROWD if name in crowds else MODEL
      found.append(Rater(kind, told, str(name), condition))
  return found


def crowd(plan: Plan) -> np.ndarray | None:
  """Those who perceived most: (A,) uint64 hashes, ascending.

  None where it is not known who voted, or nobody did.
  """
  condition = plan.full_condition
  if condition is None or plan.survey.numbers['anonymous', condition]:
    return None
  return plan.survey.annotators.get(condition)


def people(plan: Plan) -> list[Rater]:
  """Those who perceived most, if it is known who they are."""
  condition = plan.full_condition
  if crowd(plan) is None:
    return []
  return [
    Rater(PERSON, str(name), str(name), condition)
    for name in plan.survey.handfuls['people', condition]
  ]


def labels(
  batch: Batch, plan: Plan, rater: Rater
) -> tuple[np.ndarray, np.ndarray]:
  """What a rater says of each clip.

  Returns:
    (N,) int64, the class, -1 where there is none; (N,) float64, its value or
    what was said on the scale, NaN likewise.
  """
  values = _values(plan)
  if not rater.condition:
    said = predictions_lib.predicted_class(batch.means[rater.source])
    return said, np.where(said >= 0, values[said], np.nan)
  corpus = batch.corpus
  votes = corpus.votes if rater.kind == PERSON else corpus.judges
  said = np.full(len(corpus.ids), -1)
  numbers = np.full(len(corpus.ids), np.nan)
  if votes is not None:
    own = votes.annotator == rater.source
    own &= votes.condition == corpus.conditions.index(rater.condition)
    own = votes.where(own)
    said[own.clip] = own.label
    numbers[own.clip] = scores(own, plan)
  return said, numbers


def scores(votes: corpus_lib.Votes, plan: Plan) -> np.ndarray:
  """What votes say on the scale: (V,) float64."""
  return _values(plan)[votes.label] if votes.scores is None else votes.scores


def _values(plan: Plan) -> np.ndarray:
  """The value of each class (C,); its place where it has none."""
  values = plan.info.get('values')
  return np.array(range(len(plan.classes)) if values is None else values, float)


def tally(batch: Batch, plan: Plan, adder: Adder) -> None:
  """Keeps what any two raters say of the clips that both label."""
  own = _raters(plan)
  said = {rater.name: labels(batch, plan, rater) for rater in own}
  for one, other in itertools.combinations(own, 2):
    (first, x), (second, y) = said[one.name], said[other.name]
    adder.rank(
      _key(one, other),
      (first >= 0) & (second >= 0),
      first=first,
      second=second,
      x=x,
      y=y,
    )


def answer(totals: Totals, plan: Plan) -> Findings:
  """How far any two raters agree, and the mean over pairs of a kind.

  Args:
    totals: what `tally` added up.
    plan: names the raters.

  Returns:
    Statistics `raters.<first> and <second>.<figure>` with `kappa` and, where
    classes are ordered, `weighted_kappa` and `spearman`; and
    `raters.<kind>_<kind>.mean_<figure>` of the first two. The tables `raters`
    and `rater_kinds`.
  """
  own = _raters(plan)
  if not own:
    return Findings(skipped={'raters': _why_none(plan)})
  found, rows = Findings(), []
  pairs = {}
  for one, other in itertools.combinations(own, 2):
    clips = totals.rows[_key(one, other)]
    if clips.number.sum() < LEAST_CLIPS:
      continue
    kind = _kind(one, other)
    pairs.setdefault(kind, []).append(clips)
    names = {'first': one.name, 'second': other.name}
    row = names | {'kind': '_'.join(kind), 'num_clips': int(clips.number.sum())}
    for figure in _figures(plan):
      name = f'raters.{one.name} and {other.name}.{figure}'
      sample = totals_lib.sample(totals, clips)
      asked.add(
        found,
        name,
        sample,
        _STATISTICS[figure](sample, clips, plan),
        n=sample.num_clips,
      )
      row |= interval_cells(name, figure)
    rows.append(row)
  if not rows:
    reason = f'No two raters label {LEAST_CLIPS} clips or more in common.'
    return Findings(skipped={'raters': reason})
  found.tables['raters'] = rows
  found.tables['rater_kinds'] = [
    _add_means(found, totals, plan, kind, pairs[kind])
    for kind in KINDS
    if kind in pairs
  ]
  return found


def _add_means(
  found: Findings,
  totals: Totals,
  plan: Plan,
  kind: tuple[str, str],
  pairs: Sequence[Rows],
) -> dict[str, object]:
  """Adds the mean over pairs of a kind; returns the row of the table."""
  group = np.unique(np.concatenate([clips.group for clips in pairs]))
  num_clips = max(round(float(clips.number.sum())) for clips in pairs)
  name = '_'.join(kind)
  row = {'kind': name, 'num_pairs': len(pairs), 'num_clips': num_clips}
  for figure in _figures(plan):
    if figure == 'spearman':
      continue
    each = []
    for clips in pairs:
      sample = samples.Sample(
        totals.groups[group],
        num_clips,
        group=np.searchsorted(group, clips.group),
        number=clips.number,
      )
      each.append(_STATISTICS[figure](sample, clips, plan))
    full_name = f'raters.{name}.mean_{figure}'
    asked.add(found, full_name, sample, mean(each))
    row |= interval_cells(full_name, f'mean_{figure}')
  return row


def mean(statistics: Sequence[Statistic]) -> Statistic:
  """The mean of figures of the same groups."""

  def statistic(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values, slopes = zip(*(one(weights) for one in statistics), strict=True)
    return np.mean(values, axis=0), np.mean(slopes, axis=0)

  return statistic


def kappa(sample: samples.Sample, rows: Rows, plan: Plan) -> Statistic:
  """Cohen's kappa of two raters' classes."""
  num_classes = len(plan.classes)
  first, second = (rows[name].astype(np.int64) for name in ('first', 'second'))
  clips = sample.totals(np.ones(len(first)))[:, 0]
  nobody = np.zeros((len(clips), 1, 1))
  return disagreement.kappa(
    disagreement.Pair(
      sample,
      (np.array([0]), np.array([1])),
      clips,
      sample.totals(first != second)[:, :, None],
      nobody,
      nobody,
      sample.counts(first, num_classes)[:, None],
      sample.counts(second, num_classes)[:, None],
    )
  )[0]


def weighted_kappa(sample: samples.Sample, rows: Rows, plan: Plan) -> Statistic:
  """One minus the squared difference over that of raters who are independent.

  1 - sum (x - y)^2 / n over E (x - y)^2 of x and y drawn apart (Cohen 1968).
  """
  del plan
  middle = (rows['x'].mean() + rows['y'].mean()) / 2 if len(rows.group) else 0
  x, y = rows['x'] - middle, rows['y'] - middle
  columns = [np.ones(len(x)), x, y, x * x + y * y, x * y]
  return weighing.of_totals(
    sample.totals(np.stack(columns, axis=1)), _weighted_kappa
  )


def _weighted_kappa(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Weighted kappa of totals (R, 5): 1, x, y, xx + yy, xy."""
  number = weighing.divisor(sums[:, 0])
  x, y, squares, product = sums[:, 1:].T / number
  expected = squares - 2 * x * y
  told = expected > _ZERO
  expected = np.where(told, expected, 1)
  value = 1 - (squares - 2 * product) / expected
  rest = (1 - value) / expected
  gradient = np.stack(
    [-2 * y * rest, -2 * x * rest, -value / expected, 2 / expected], axis=1
  )
  # The figure does not change when all clips grow alike (Euler).
  own = -(gradient * np.stack([x, y, squares, product], axis=1)).sum(axis=1)
  gradient = np.concatenate([own[:, None], gradient], axis=1)
  return np.where(told, value, np.nan), gradient / number[:, None]


def spearman(sample: samples.Sample, rows: Rows, plan: Plan) -> Statistic:
  """Spearman's correlation of what two raters say."""
  del plan
  return ranking.spearman(sample, rows['x'], rows['y'])


_STATISTICS = {
  'kappa': kappa,
  'weighted_kappa': weighted_kappa,
  'spearman': spearman,
}


def _figures(plan: Plan) -> list[str]:
  return list(_STATISTICS) if plan.ordered else ['kappa']


def _raters(plan: Plan) -> list[Rater]:
  """Those of whom pairs are looked at; none if nobody is beside the views."""
  persons = people(plan)
  persons = persons if len(persons) <= MOST_PEOPLE else []
  found = persons + models(plan)
  return found if any(rater.condition for rater in found) else []


def _why_none(plan: Plan) -> str:
  if plan.full_condition is None:
    return 'The corpus has no votes of people.'
  number = len(people(plan))
  if number > MOST_PEOPLE:
    return (
      f'There are more than {MOST_PEOPLE} annotators, and no judges: pairs of '
      'them are too many to look at.'
    )
  return 'It is not known who voted, and there are no judges.'


def _kind(one: Rater, other: Rater) -> tuple[str, str]:
  kinds = one.kind, other.kind
  return kinds if kinds in KINDS else kinds[::-1]


def _key(one: Rater, other: Rater) -> Key:
  return 'raters', one.name, other.name
