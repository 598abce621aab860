"""What do people call the clips of each class, given what they perceive?

Votes by label and condition, the share of those that are the label, and by
class what the full condition gains over the best other one. Where the label was
made of votes, it is made anew of half of them, in the same random halves as in
`gains`, and the rest is judged by it: a clip then counts for each class as
often as the label comes out so.
"""

import dataclasses
import functools
from collections.abc import Iterator, Mapping

import numpy as np

from empathy.evaluation import asked, catalogue, gains, halves, humans, weighing
from empathy.evaluation import seeds as seeds_lib
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.findings import Cell, Findings, interval_cells
from empathy.evaluation.plan import Plan
from empathy.evaluation.totals import Key, Totals

_GAIN = 'humans.full_minus_best.accuracy_of'
# So much of a clip has to have a label for its group to count.
_COUNTS = 0.5
_COMPARED = ('estimate', 'low', 'high', 'p', 'p_adjusted', 'n')


@dataclasses.dataclass(frozen=True)
class Shares:
  """Whose labels clips have, and what their votes say; means over halves.

  Attributes:
    label: (N, C) float64, how often each class is the label; 0 where a clip has
      none.
    number: by condition, (N,) int, the votes that judge.
    right: by condition, (N, C) float64, how often each class is the label times
      the share of these votes that say it; 0 where there are none.
    confusion: by condition, (C, C) float64, by label and vote: the sum over
      clips of votes; of shares of votes, where the label is made anew.
  """

  label: np.ndarray
  number: Mapping[str, np.ndarray]
  right: Mapping[str, np.ndarray]
  confusion: Mapping[str, np.ndarray]


def shares(
  votes: Mapping[str, np.ndarray],
  labels: np.ndarray,
  draws: halves.Draws,
  source: str | None = None,
  values: np.ndarray | None = None,
) -> Shares:
  """What votes say of clips by their labels; see `gains.compare`."""
  if source is not None:
    return _made_anew(votes, labels, draws, source, values)
  num_classes = next(iter(votes.values())).shape[1]
  label = (labels[:, None] == np.arange(num_classes)).astype(np.float64)
  number = {name: counts.sum(axis=1) for name, counts in votes.items()}
  return Shares(
    label,
    number,
    {
      name: label * counts / np.maximum(number[name], 1)[:, None]
      for name, counts in votes.items()
    },
    {name: label.T @ counts for name, counts in votes.items()},
  )


def _made_anew(
  votes: Mapping[str, np.ndarray],
  labels: np.ndarray,
  draws: halves.Draws,
  source: str,
  values: np.ndarray | None,
) -> Shares:
  makers = gains.makers_of(source, votes)
  total = {name: counts.sum(axis=1) for name, counts in votes.items()}
  making = {
    name: gains.num_making(number, name in makers)
    for name, number in total.items()
  }
  known = (labels >= 0) & np.any([making[name] > 0 for name in makers], axis=0)
  number = {name: total[name] - making[name] for name in votes}
  num_clips, num_classes = next(iter(votes.values())).shape
  label = np.zeros((num_clips, num_classes))
  right = {name: np.zeros((num_clips, num_classes)) for name in votes}
  confusion = {name: np.zeros((num_classes, num_classes)) for name in votes}
  for clips in draws.blocks((2 + len(votes)) * num_classes):
    first = {
      name: halves.first_votes(
        draws[clips],
        name,
        counts[clips],
        [making[name][clips]],
        total[name][clips],
      )[0]
      for name, counts in votes.items()
    }
    own = gains.label_of(sum(first[name] for name in makers), values)
    # (n, C, H), so that one product sums a clip's votes over the halves.
    one = (own.T[:, None] == np.arange(num_classes)[:, None]).astype(np.float32)
    one *= known[clips][:, None, None]
    label[clips] = one.mean(axis=2, dtype=np.float64)
    for name, counts in votes.items():
      judging = (counts[clips].T - first[name]).transpose(2, 0, 1)
      judged = np.maximum(number[name][clips], 1) * draws.number
      said = (one @ judging) / judged[:, None, None].astype(np.float64)
      right[name][clips] = np.einsum('ncc->nc', said)
      confusion[name] += said.sum(axis=0)
  return Shares(label, number, right, confusion)


def tally(batch: Batch, plan: Plan, adder: totals_lib.Adder) -> None:
  """Adds up what votes call the clips of each class."""
  corpus = batch.corpus
  if corpus.votes is None or not plan.voted:
    return
  found = shares(
    {name: corpus.vote_counts(name) for name in plan.voted},
    corpus.labels,
    humans.draws(batch, plan),
    plan.source,
    plan.values if plan.rule == 'mean_class' else None,
  )
  known = {}
  for name, right in found.right.items():
    adder.whole(_key('confusion', name), found.confusion[name])
    number = found.number[name][:, None]
    known[name] = found.label * (number > 0)
    # Votes count alike, as in accuracy; where the label is made anew, clips do.
    each = number if plan.source is None else 1
    columns = [right * each, known[name] * each, known[name]]
    adder.add(_key('right', name), np.stack(columns, axis=1))
  full = plan.full_condition
  for name in plan.voted:
    if name != full:
      both = known[name] * (found.number[full] > 0)[:, None]
      gain = np.where(both > 0, found.right[full] - found.right[name], 0)
      adder.add(_key('gain', name), np.stack([gain, both], axis=1))


def _key(what: str, condition: str) -> Key:
  return 'human_classes', what, condition


def answer(totals: Totals, plan: Plan) -> Findings:
  """Figures of every class and condition, and gains of the full one by class.

  Args:
    totals: what `tally` added up.
    plan: names the conditions and what made the label.

  Returns:
    Statistics `humans.{condition}.accuracy_of.{class}` and the like, and
    `humans.full_minus_best.accuracy_of.{class}`; the tables `human_confusion`,
    `human_classes` and `human_class_gains`.
  """
  found = Findings()
  if not plan.survey.has_votes or not plan.labelled:
    return found
  full = plan.full_condition
  others = [name for name in plan.voted if name != full]
  found.tables['human_confusion'] = [
    row
    for name in plan.voted
    for row in _confusion_rows(
      name, totals.wholes[_key('confusion', name)], plan
    )
  ]
  found.tables['human_classes'] = [
    _judge(found, totals, plan, name, place)
    for name in plan.voted
    for place in range(len(plan.classes))
  ]
  if others:
    found.tables['human_class_gains'] = [
      _compare(found, totals, plan, others, place)
      for place in range(len(plan.classes))
    ]
  return found


def _confusion_rows(
  condition: str, counts: np.ndarray, plan: Plan
) -> Iterator[dict[str, object]]:
  what = 'num_votes' if plan.source is None else 'num_clips'
  support = counts.sum(axis=1)
  for i, label in enumerate(plan.classes):
    for j, vote in enumerate(plan.classes):
      yield {
        'condition': condition,
        'label': label,
        'vote': vote,
        what: float(counts[i, j]),
        'share': float(counts[i, j] / support[i]) if support[i] else None,
      }


def _mean(sums: np.ndarray) -> weighing.Figure:
  """The ratio of sums by group (G, 2); a group counts that has enough."""
  figure = weighing.mean(sums)
  return dataclasses.replace(figure, counted=sums[None, :, 1] >= _COUNTS)


def _judge(
  found: Findings, totals: Totals, plan: Plan, condition: str, place: int
) -> dict[str, object]:
  """Adds the share of votes that are one label; gives the row of it."""
  label = plan.classes[place]
  name = f'humans.{condition}.accuracy_of.{label}'
  key = _key('right', condition)
  clips = totals[key][:, 2, place]
  if clips.any():
    part = totals.over(clips)
    _add(found, name, part, part[key][:, :2, place], plan)
  else:
    found.skipped[name] = catalogue.entry_of(name).undefined
  return {
    'condition': condition,
    'class': label,
    'num_clips': float(clips.sum()),
  } | interval_cells(name, 'accuracy')


def _add(
  found: Findings,
  name: str,
  part: totals_lib.Part,
  sums: np.ndarray,
  plan: Plan,
) -> None:
  told = functools.partial(humans.with_how, how=humans.how_made(plan))
  asked.add(found, name, part.groups, _mean(sums), told)


def _compare(
  found: Findings,
  totals: Totals,
  plan: Plan,
  others: list[str],
  place: int,
) -> dict[str, object]:
  """Adds what the full condition gains on one class; gives the row of it."""
  label = plan.classes[place]
  gained = {}
  for condition in others:
    name = f'humans.full_minus_{condition}.accuracy_of.{label}'
    key = _key('gain', condition)
    clips = totals[key][:, 1, place]
    if clips.any():
      part = totals.over(clips)
      _add(found, name, part, part[key][..., place], plan)
    else:
      found.skipped[name] = catalogue.entry_of(name).undefined
    if name in found.statistics:
      gained[name] = condition
  name = f'{_GAIN}.{label}'
  best = None
  if not gained:
    found.skipped[name] = catalogue.entry_of(name).undefined
  else:
    clips = [totals[_key('gain', c)][:, 1, place] for c in gained.values()]
    part = totals.over(np.max(clips, axis=0))
    least = min(gained, key=lambda name: found.statistics[name].estimate)
    best = gained[least]
    if part.groups.probe is None:
      estimate = asked.least(
        name,
        part.groups,
        [
          (_mean(part[_key('gain', c)][..., place]), seeds_lib.THESE_SEEDS)
          for c in gained.values()
        ],
        found.statistics[least].n,
        list(gained),
      )
      found.add(name, humans.with_how(estimate, how=humans.how_made(plan)))
  return {'class': label, 'best_other': best} | {
    field: Cell(name, field) for field in _COMPARED
  }
