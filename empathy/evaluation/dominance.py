"""Who dominates the fusion, and does it mislead?

The full view is asked what it says when shown every part of a clip's
modalities. v(S) is the probability that it gives, shown S, to the class that it
predicts shown all; Shapley's value divides v(all) - v(none) among the
modalities. The one with the largest value is dominant, if that is above 0;
equal ones share the clip. It *misleads* where no
other modality alone says the same, the full view is wrong, and it is right once
the dominant one is dropped; it *rescues* where all that is the other way round.

Misled clips alone prove nothing: the best of all fusions, with no modalities in
conflict at all, is misled on some clips and rescued on more. So what is asked
is net harm, misled minus rescued, which is at most 0 for such a fusion.
"""

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import asked, weighing
from empathy.evaluation import predictions as predictions_lib
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.findings import (
  Cell,
  Findings,
  interval_cells,
)
from empathy.evaluation.plan import Plan
from empathy.evaluation.totals import Key, Totals

_PRIMARY = 'dominance.any.net_harm'
_ZERO = 1e-12
_FLAGS = ('unsupported', 'misled', 'rescued', 'net_harm')
_SHARES = ('gate_share', 'attention_share', 'causal_share')


@dataclasses.dataclass(frozen=True)
class Dominance:
  """Who dominates each clip; N clips, M modalities in the corpus' order.

  Attributes:
    judged: (N,) bool, the clips of which two modalities or more, and every part
      of these, were shown, and whose values are not all 0.
    shapley: (N, M) float64, Shapley's values; NaN where not judged, 0 for a
      modality that the clip lacks.
    leads: (N, M) float64, 1 for the dominant modality, the one of the largest
      value; equals share it, and where no value is above 0 nobody leads.
    unsupported: (N, M) bool, whether no modality but this one alone is given
      the class that the full view predicts.
    full: (N,) int64, the predicted class; -1 where there is none.
    dropped: (N, M) int64, that without the modality; -1 likewise.
  """

  judged: np.ndarray
  shapley: np.ndarray
  leads: np.ndarray
  unsupported: np.ndarray
  full: np.ndarray
  dropped: np.ndarray

  @property
  def dominant(self) -> np.ndarray:
    """The one modality that leads (N,); -1 where none or several do."""
    return np.where(self.leads.max(axis=1) == 1, self.leads.argmax(axis=1), -1)

  @property
  def share(self) -> np.ndarray:
    """Each value over the sum of their sizes: (N, M), NaN where not judged."""
    size = np.abs(self.shapley).sum(axis=1, keepdims=True)
    return self.shapley / np.where(size > 0, size, 1)

  def harm(self, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far each modality misleads and rescues, by labels (N,).

    Returns:
      Two arrays (N, M) float64: 1 where the modality leads alone and does so,
      its share where it leads with others.
    """
    right = (self.full == labels)[:, None]
    after = self.dropped == labels[:, None]
    told = self.leads * (self.unsupported & (labels >= 0)[:, None])
    return told * (~right & after), told * (right & ~after)


def tally(batch: Batch, plan: Plan, adder: totals_lib.Adder) -> None:
  """Adds up who dominates, and what that does."""
  if _missing(plan):
    return
  found = judge(batch, plan)
  adder.add(_key('judged'), found.judged)
  adder.add(_key('rate'), found.leads)
  most = np.max(found.share, axis=1, initial=-np.inf) > 0.5 + _ZERO
  adder.add(_key('most'), most & found.judged)
  measured = {'causal_share': found.share}
  for name, by_view in (
    ('gate_share', batch.predictions.gates),
    ('attention_share', batch.predictions.attention),
  ):
    own = by_view.get(plan.full, {})
    known = [
      ~np.isnan(own[m]).all(axis=0) if m in own else np.zeros(len(most))
      for m in plan.modalities
    ]
    adder.add(_key(name, 'known'), np.stack(known, axis=1))
    if own:
      measured[name] = _mean_shares(own, plan.modalities, found.judged)
  for name, shares in measured.items():
    chosen = found.judged[:, None] & ~np.isnan(shares)
    adder.add(_key(name), np.where(chosen, shares, 0))
    adder.add(_key(name, 'number'), chosen)
  adder.add(_key('unsupported'), found.leads * found.unsupported)
  adder.add(_key('labelled'), found.judged & batch.labelled)
  misled, rescued = found.harm(batch.corpus.labels)
  adder.add(_key('misled'), misled)
  adder.add(_key('rescued'), rescued)


def answer(totals: Totals, plan: Plan) -> Findings:
  """Gates, attention and causes by modality, and what dominance does.

  Figures are of the mean over seeds of the probabilities. All are shares of, or
  means over, the clips that could be judged; those by modality too, so that
  they add up to those of `any`.

  Args:
    totals: what `tally` added up; without labels nothing is said of harm.
    plan: names the modalities.

  Returns:
    Statistics `dominance.<modality>.*`: `rate`, how often it is dominant,
    `unsupported`, `misled`, `rescued`, `net_harm`, `gate_share`,
    `attention_share` and `causal_share`; `dominance.any.*`: `rate`, how often
    the dominant one has more than half of the sum of the values' sizes, and the
    four that follow. The table `dominance`. The primary is
    `dominance.any.net_harm`, with a one-sided p-value of its being above 0: a
    fusion that weighs all evidence as well as can be has 0 or less, so less is
    no finding.
  """
  missing = _missing(plan)
  if not missing and not totals[_key('judged')].any():
    missing = (
      'No clip has all predictions of the full view with modalities left out '
      '(the column given), or leaving them out changes nothing.'
    )
  if missing:
    return Findings(skipped={'question 4': missing})
  findings = Findings(primary=_PRIMARY)
  _add_shares(findings, totals, plan)
  _add_flags(findings, totals, plan)
  number = round(float(totals[_key('judged')].sum()))
  findings.tables['dominance'] = [
    _row(name, number) for name in (*plan.modalities, 'any')
  ]
  return findings


def _missing(plan: Plan) -> str:
  """Why there is no answer; '' if there may be one."""
  if len(plan.modalities) < 2:
    return 'There is one modality only.'
  if plan.full not in plan.members:
    return f'There are no predictions of the full view, {plan.full}.'
  return ''


def _key(*parts: str) -> Key:
  return 'dominance', *parts


# Its figures and the columns of its clips are asked for one after the other.
@functools.lru_cache(maxsize=1)
def judge(batch: Batch, plan: Plan) -> Dominance:
  """Who dominates each clip of a batch that has the full view.

  What a clip has is all that the full view was ever shown of it; v(none) are
  the shares of the classes that members were trained with.
  """
  num_clips, num_modalities = len(batch.labelled), len(plan.modalities)
  judged = np.zeros(num_clips, bool)
  shapley = np.full((num_clips, num_modalities), np.nan)
  leads = np.zeros((num_clips, num_modalities))
  unsupported = np.zeros((num_clips, num_modalities), bool)
  labels = np.full(num_clips, -1)
  dropped = np.full((num_clips, num_modalities), -1)
  for bits, clips, shown in coalitions(batch, plan):
    whole = sum(1 << bit for bit in bits)
    classes = {
      part: predictions_lib.predicted_class(probabilities)
      for part, probabilities in shown.items()
    }
    said = classes[whole]
    every = np.arange(len(clips))
    values = {part: p[every, said] for part, p in shown.items()}
    phi = np.zeros((len(clips), num_modalities))
    phi[:, bits] = shapley_values(values, bits)
    judged[clips] = np.abs(phi).max(axis=1, initial=0) > _ZERO
    shapley[clips], labels[clips] = phi, said
    largest = phi.max(axis=1, keepdims=True)
    first = (phi > largest - _ZERO) & (phi > _ZERO)
    leads[clips] = first / np.maximum(first.sum(axis=1, keepdims=True), 1)
    alone = np.zeros((len(clips), num_modalities), bool)
    alone[:, bits] = np.stack([classes[1 << b] == said for b in bits], axis=1)
    others = alone.sum(axis=1, keepdims=True) - alone
    unsupported[clips] = others == 0
    for bit in bits:
      dropped[clips, bit] = classes[whole & ~(1 << bit)]
  shapley[~judged], leads[~judged] = np.nan, 0
  return Dominance(judged, shapley, leads, unsupported, labels, dropped)


def coalitions(
  batch: Batch, plan: Plan
) -> Iterator[tuple[list[int], np.ndarray, dict[int, np.ndarray]]]:
  """What the full view gives, shown every part of a clip's modalities.

  Yields:
    The modalities that some clips have, two or more, by their places; the
    clips (n,); and by coalition, the set of its places' bits, probabilities
    (n, C), means over seeds, and of the empty one the shares of the classes
    that members were trained with.
  """
  full, predictions = plan.full, batch.predictions
  masks = range(1, 2 ** len(plan.modalities))
  shown = {}
  for mask in masks:
    given = corpus_lib.view_name(_members(mask, plan.modalities))
    if (full, given) in predictions.subsets:
      shown[mask] = predictions_lib.mean_over_seeds(
        predictions.subsets[full, given]
      )
  present = np.zeros(len(batch.labelled), np.int64)
  for mask, probabilities in shown.items():
    present |= np.where(np.isnan(probabilities[:, 0]), 0, mask)
  shown[0] = plan.class_shares[plan.trained_without(batch)]
  for whole in np.unique(present).tolist():
    parts = [mask for mask in (*masks, 0) if mask & whole == mask]
    if whole.bit_count() < 2 or not all(part in shown for part in parts):
      continue
    clips = present == whole
    for part in parts:
      clips &= ~np.isnan(shown[part][:, 0])
    clips = np.flatnonzero(clips)
    bits = [bit for bit in range(len(plan.modalities)) if whole >> bit & 1]
    yield bits, clips, {part: shown[part][clips] for part in parts}


def shapley_values(
  values: dict[int, np.ndarray], bits: list[int]
) -> np.ndarray:
  """Shapley's values (1953, Contributions to the Theory of Games 2, eq. 12).

  Args:
    values: by coalition, the set of its players' bits, (n,) what it is worth;
      of every coalition of `bits`, the empty one too.
    bits: the M players.

  Returns:
    (n, M) float64; they sum to what all are worth less what none is.
  """
  found = np.zeros((len(values[0]), len(bits)))
  for place, bit in enumerate(bits):
    others = [other for other in bits if other != bit]
    for size in range(len(bits)):
      weight = 1 / (len(bits) * math.comb(len(others), size))
      for some in itertools.combinations(others, size):
        coalition = sum(1 << other for other in some)
        gain = values[coalition | 1 << bit] - values[coalition]
        found[:, place] += weight * gain
  return found


def clip_columns(
  batch: Batch, plan: Plan, found: Dominance
) -> dict[str, np.ndarray]:
  """What `signals.csv` says of dominance; names as in `Dominance`.

  Args:
    batch: for the labels.
    plan: names the modalities.
    found: what `judge` found.

  Returns:
    (N,) arrays: numbers are NaN and texts empty where unknown. None if nothing
    was judged. What needs the label begins with `gold_`.
  """
  if not found.judged.any():
    return {}
  names = np.array([*plan.modalities, ''])
  columns = {'dominant': names[found.dominant]}
  for place, modality in enumerate(plan.modalities):
    columns[f'{modality}_shapley'] = found.shapley[:, place]
  led = found.judged & (found.leads.sum(axis=1) > 0)
  alone = (found.leads * found.unsupported).sum(axis=1)
  columns['unsupported'] = np.where(led, alone, np.nan)
  labelled = led & batch.labelled
  for name, flag in zip(
    ('misled', 'rescued'), found.harm(batch.corpus.labels), strict=True
  ):
    columns[f'gold_{name}'] = np.where(labelled, flag.sum(axis=1), np.nan)
  return columns


def _members(mask: int, modalities: tuple[str, ...]) -> list[str]:
  return [name for bit, name in enumerate(modalities) if mask >> bit & 1]


def _add_shares(findings: Findings, totals: Totals, plan: Plan) -> None:
  """Adds how often each modality dominates, and its shares."""
  judged = totals[_key('judged')]

  def add(name: str, total: np.ndarray, number: np.ndarray) -> None:
    if number.any():
      _add_mean(findings, f'dominance.{name}', totals, total, number)

  measured = ['causal_share']
  if plan.labels_alone:
    # A value is then whether the label stays, which is no probability.
    measured = []
    findings.skipped['dominance.causal_share'] = (
      'Predictions have no probabilities, of which modalities could decide a '
      'share.'
    )
  for name in ('gate_share', 'attention_share'):
    if totals[_key(name, 'known')].any(axis=0).all():
      measured.append(name)
    else:
      findings.skipped[f'dominance.{name}'] = (
        f'The predictions hold no {name.removesuffix("_share")} of the full '
        'view.'
      )
  for place, modality in enumerate(plan.modalities):
    rate = totals[_key('rate')][:, place]
    add(f'{modality}.rate', rate, judged)
    for name in measured:
      add(
        f'{modality}.{name}',
        totals[_key(name)][:, place],
        totals[_key(name, 'number')][:, place],
      )
  add('any.rate', totals[_key('most')], judged)


def _add_mean(
  findings: Findings,
  name: str,
  totals: Totals,
  total: np.ndarray,
  number: np.ndarray,
) -> None:
  """Adds the mean of what sums to `total` over `number` clips, (G,) each."""
  part = totals.over(number)
  both = np.stack([total, number], axis=1)[part.kept]
  asked.add(findings, name, part.groups, weighing.mean(both))


def _mean_shares(
  by_modality: Mapping[str, np.ndarray],
  modalities: Sequence[str],
  judged: np.ndarray,
) -> np.ndarray:
  """Each modality's share of gates or attention, mean over seeds.

  Args:
    by_modality: (S, N) each, not negative, NaN where there is none.
    modalities: M.
    judged: (N,) bool, clips that count.

  Returns:
    (N, M), NaN where no seed has any.
  """
  none = np.full(next(iter(by_modality.values())).shape, np.nan)
  values = np.stack(
    [by_modality.get(name, none) for name in modalities], axis=-1
  )
  there = ~np.isnan(values).all(axis=-1) & judged
  # A modality that the clip lacks has no gate: nothing of it is let in.
  values = np.nan_to_num(values)
  total = values.sum(axis=-1, keepdims=True)
  there &= total[..., 0] > 0
  shares = np.where(there[..., None], values / np.where(total > 0, total, 1), 0)
  number = there.sum(axis=0)[:, None]
  return np.where(
    number > 0, shares.sum(axis=0) / np.maximum(number, 1), np.nan
  )


def _add_flags(findings: Findings, totals: Totals, plan: Plan) -> None:
  """Adds what dominance does, by modality and in all."""
  judged, labelled = (totals[_key(what)] for what in ('judged', 'labelled'))
  misled, rescued = (totals[_key(what)] for what in ('misled', 'rescued'))
  values = {
    'unsupported': (totals[_key('unsupported')], judged),
    'misled': (misled, labelled),
    'rescued': (rescued, labelled),
    'net_harm': (misled - rescued, labelled),
  }
  for place, modality in enumerate((*plan.modalities, 'any')):
    for name, (sums, number) in values.items():
      key = f'dominance.{modality}.{name}'
      if not number.any():
        findings.skipped[key] = 'No clip that was judged has a label.'
        continue
      own = sums.sum(axis=1) if modality == 'any' else sums[:, place]
      _add_mean(findings, key, totals, own, number)


def _row(name: str, num_clips: int) -> dict[str, object]:
  row = {'modality': name, 'num_clips': num_clips}
  for figure in ('rate', *_SHARES, *_FLAGS):
    row |= interval_cells(f'dominance.{name}.{figure}', figure)
  for field in ('p', 'p_adjusted'):
    row[field] = Cell(f'dominance.{name}.net_harm', field)
  return row
