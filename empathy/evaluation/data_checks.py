"""Can the data bear the study? What is checked before any answer is read."""

import hashlib
import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from empathy.corpora import corpus as corpus_lib
from empathy.corpora import grouping
from empathy.evaluation import samples, significance, wording
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.findings import Estimate, Findings
from empathy.evaluation.plan import Plan
from empathy.evaluation.totals import Totals

OK, WARNING, FAIL = 'ok', 'warning', 'fail'

# Below these, figures still come out, but with a warning.
_FEW_GROUPS = 20
_FEW_CLIPS_OF_A_CLASS = 10
FEW_VOTES = 3
LARGE_GROUP = 0.2
_LARGE_CLASS = 0.8
_GAIN = 0.01
# From so many clips on, one asks whether votes made the label.
_MOSTLY_VOTES = 0.9
_POWER = 0.8
_MAX_PAIRS = 100
_BUNDLED = 'Groups were put together into bundles, so that none is known.'
# More classes than these are counted, not named.
_MOST_NAMED = 4
_NO_FEATURES = 'The corpus has no features, so repeated clips cannot be told.'


def tally(batch: Batch, plan: Plan, adder: totals_lib.Adder) -> None:
  """Adds up what was held out from what, labels, votes and groups."""
  corpus = batch.corpus
  number = len(corpus.ids)
  adder.add(_key('clips'), np.ones(number))
  adder.add(
    _key('judged'),
    np.any(
      [(labels >= 0).any(axis=0) for labels in batch.labels.values()], axis=0
    )
    if batch.views
    else np.zeros(number),
  )
  labels = np.where(batch.labelled, corpus.labels, len(plan.classes))
  adder.count(_key('labels'), corpus.labels, len(plan.classes))
  ways = _ways(batch, plan)
  shape = (len(ways), plan.num_places, len(plan.classes) + 1)
  cell = totals_lib.index(shape, np.arange(len(ways))[:, None], ways, labels)
  adder.count(_key('held_out'), cell, shape)
  out = (ways > 0).any(axis=0)
  adder.add(_key('out'), np.stack([out, out & batch.labelled], axis=1))
  for column in speaker_columns(corpus):
    values = np.char.strip(corpus.metadata[column].astype(str))
    adder.rank(
      _key('speakers', column),
      values != '',
      value=_hashes(values),
      side=ways[0] if len(ways) else np.zeros(number),
    )
  for modality, present in corpus.presence.items():
    adder.add(_key('present', modality), present)
  if corpus.votes is not None:
    for name in (*plan.voted, ''):
      number = corpus.vote_counts(name or None).sum(axis=1)
      adder.rank(_key('votes', name), number > 0, number=number)


def _key(*parts: str) -> totals_lib.Key:
  return 'data', *parts


def _hashes(values: np.ndarray) -> np.ndarray:
  """A whole number for each text, which tells it from others: (N,) float64."""
  names, place = np.unique(values, return_inverse=True)
  digests = [
    hashlib.blake2b(name.encode(), digest_size=5).digest()
    for name in names.tolist()
  ]
  numbers = [int.from_bytes(digest, 'little') for digest in digests]
  return np.array(numbers, np.float64)[place]


def answer(
  totals: Totals, plan: Plan, repeats: Findings | None = None
) -> Findings:
  """Leakage, baselines, duplicates, balance, votes, coverage and groups.

  Args:
    totals: what `tally` added up.
    plan: names the views.
    repeats: what `duplicates` found; None where clips were never together.

  Returns:
    Statistics `data.*` without intervals, the tables `data_checks`,
    `class_balance`, `votes_per_clip` and, if there are any, `duplicates`.
  """
  found = Findings()
  found.tables['data_checks'] = []
  _check_leakage(found, totals, plan)
  _check_groups(found, totals, plan)
  _check_speakers(found, totals, plan)
  if plan.members:
    _check_views(found, plan)
    _check_confidence(found, plan)
  if repeats is None:
    known = any(_key('present', name) in totals for name in plan.modalities)
    found.skipped['data.duplicates'] = (
      'Clips were added up in parts, so that repeated ones were not looked for.'
      if known
      else _NO_FEATURES
    )
  else:
    rows = found.tables['data_checks'] + repeats.tables.get('data_checks', [])
    found.include(repeats)
    found.tables['data_checks'] = rows
  _check_coverage(found, totals, plan)
  _check_classes(found, totals, plan)
  _check_votes(found, totals, plan)
  _check_label(found, plan)
  return found


def _ways(batch: Batch, plan: Plan) -> np.ndarray:
  """Where each clip was held out, once for every way it was done.

  A split counts before all else: test clips against the others. Else members'
  folds count before the corpus' own.

  Returns:
    (W, N) int64: one more than the fold; 0 for training clips of a split; -1
    for clips that do not count, as they are in no fold.
  """
  corpus = batch.corpus
  if plan.has_split:
    return np.where(corpus.split == 'test', 1, 0)[None]
  if batch.predictions is not None:
    members = np.concatenate(list(batch.predictions.folds.values()))
    ways = members[list(plan.ways)].astype(np.int64)
  elif corpus.fold is not None:
    ways = corpus.fold.astype(np.int64)[None]
  else:
    ways = np.empty((0, len(corpus.ids)), np.int64)
  return np.where(ways >= 0, ways + 1, -1)


def group_leakage(counts: np.ndarray) -> float:
  """The share of held-out clips whose group has clips in training, too.

  Args:
    counts: (G, 1 + K) clips of each group: training clips of a split, then
      those that each of K folds holds out. Without a split, a fold is trained
      on what is in the others.

  Returns:
    The share of the held-out clips.
  """
  straddle = np.count_nonzero(counts, axis=1) > 1
  out = counts[:, 1:].sum(axis=1)
  return float(out[straddle].sum() / out.sum())


def majority_accuracies(counts: np.ndarray) -> tuple[float, float]:
  """What the label frequencies of the training clips alone achieve.

  Args:
    counts: (G, 1 + K, C) labelled clips, see `group_leakage`.

  Returns:
    The accuracy on held-out clips of always saying the training clips'
    commonest label, and of saying the commonest among training clips of the
    clip's own group where there are such. Without leakage they are the same.
    Where nothing is left to train on, the held-out clips take its place in the
    former.
  """
  by_group = counts.sum(axis=1)
  hits, group_hits, total = 0.0, 0.0, 0.0
  for fold in range(1, counts.shape[1]):
    own = counts[:, fold]
    if not own.any():
      continue
    training = by_group - own
    overall = training.sum(axis=0)
    common = np.argmax(overall if overall.any() else own.sum(axis=0))
    guess = np.where(training.any(axis=1), training.argmax(axis=1), common)
    hits += own[:, common].sum()
    group_hits += own[np.arange(len(own)), guess].sum()
    total += own.sum()
  return float(hits / total), float(group_hits / total)


def duplicate_pairs(present: np.ndarray, hashes: np.ndarray) -> np.ndarray:
  """Clips whose features are the same to the last bit.

  Args:
    present: (N,) bool, which clips have the modality.
    hashes: (N,) uint64, of what each of them has.

  Returns:
    (D, 2) int, rows of the corpus: a clip and the first one that is the same.
  """
  rows = np.flatnonzero(present)
  _, first, which = np.unique(
    hashes[rows], return_index=True, return_inverse=True
  )
  pairs = np.stack([rows, rows[first[which]]], axis=1)
  return pairs[pairs[:, 0] != pairs[:, 1]]


def smallest_effect(difference: Estimate) -> Estimate:
  """The difference that data like these would find four times in five.

  (q + z_.80) standard errors, q such errors being half the interval.

  Args:
    difference: a paired difference with an interval.

  Returns:
    The estimate, without an interval.
  """
  reach = max(
    difference.high - difference.estimate, difference.estimate - difference.low
  )
  normal = special.ndtri((1 + significance.LEVEL) / 2)
  return Estimate(
    float(reach * (1 + special.ndtri(_POWER) / normal)),
    n=difference.n,
    method=f'half the interval, enlarged to a power of {_POWER:.0%}',
  )


def class_sentence(classes: Sequence[str], count: np.ndarray) -> str:
  """The largest and the smallest class, however many share the place.

  Args:
    classes: C names.
    count: (C,) int, their labelled clips.
  """
  total = int(count.sum())

  def told(number: int, adjective: str) -> str:
    names = [
      name for name, n in zip(classes, count, strict=True) if n == number
    ]
    clips = (
      f'{wording.plural(int(number), "clip")} '
      f'({wording.percent(number / total)})'
    )
    if len(names) == 1:
      return f'the {adjective} class, {names[0]}, has {clips}'
    if len(names) > _MOST_NAMED:
      return f'the {adjective} classes, {len(names)} of them, have {clips} each'
    return (
      f'the {adjective} classes, {wording.listing(map(str, names))}, have '
      f'{clips} each'
    )

  if count.min() == count.max():
    return (
      f'Each of the {wording.plural(len(count), "class", "classes")} has '
      f'{wording.plural(int(count[0]), "clip")}.'
    )
  sentence = f'{told(count.max(), "largest")}; {told(count.min(), "smallest")}'
  return wording.sentence(sentence)


def check_row(
  check: str, value: float | None, verdict: str, sentence: str
) -> dict[str, object]:
  """A row of the table `data_checks`."""
  return {
    'check': check,
    'value': value,
    'verdict': verdict,
    'sentence': sentence,
  }


FOLDS_UNKNOWN = check_row(
  'folds',
  None,
  WARNING,
  'Folds unknown: all predictions are of one fold, and the corpus has no '
  'split. Whether models were trained on these clips, or on others of their '
  'groups, cannot be checked.',
)


def note(
  found: Findings, check: str, value: float, verdict: str, sentence: str, n: int
) -> None:
  """Adds the statistic `data.<check>` and its row."""
  found.add(
    f'data.{check}', Estimate(float(value), n=n, method='counted, no interval')
  )
  found.tables['data_checks'].append(
    check_row(check, float(value), verdict, sentence)
  )


def _check_leakage(found: Findings, totals: Totals, plan: Plan) -> None:
  """Says what was held out from what, and what groups give away of it."""
  counts = totals[_key('held_out')]
  # Of folds one at least is trained on what is in the others.
  least = 1 if plan.has_split else 2
  ways = [
    one
    for one in np.moveaxis(counts, 1, 0)
    if np.count_nonzero(one[:, 1:].any(axis=(0, 2))) >= least
  ]
  held = bool(ways)
  if not held:
    for name in ('group_leakage', 'group_majority_accuracy'):
      found.skipped[f'data.{name}'] = (
        'Nothing says which clips were held out from which.'
      )
    if plan.members:
      found.tables['data_checks'].append(FOLDS_UNKNOWN)
    labels = totals[_key('labels')]
    ways = [np.stack([0 * labels, labels], axis=1)]
  elif totals.bundled:
    found.skipped['data.group_leakage'] = _BUNDLED
  else:
    _note_leakage(found, totals, ways)
  ways = [one[..., : len(plan.classes)] for one in ways]
  ways = [one for one in ways if one[:, 1:].any()]
  if not ways:
    for name in ('majority_accuracy', 'group_majority_accuracy'):
      found.skipped[f'data.{name}'] = 'No held-out clip has a label.'
    return
  majority, by_group = np.mean(
    [majority_accuracies(one) for one in ways], axis=0
  )
  n = totals[_key('out')][:, 1] if held else totals[_key('labels')]
  n = round(float(n.sum()))
  note(
    found,
    'majority_accuracy',
    majority,
    OK,
    'Always saying the commonest label is right on '
    f'{wording.percent(majority)} of the clips.',
    n,
  )
  if held and totals.bundled:
    found.skipped['data.group_majority_accuracy'] = _BUNDLED
  elif held:
    _note_majority(found, majority, by_group, n)


def _note_leakage(
  found: Findings, totals: Totals, ways: Sequence[np.ndarray]
) -> None:
  leaked = np.mean([group_leakage(one.sum(axis=2)) for one in ways])
  alone = (totals[_key('clips')] <= 1).all()
  note(
    found,
    'group_leakage',
    leaked,
    FAIL if leaked else OK,
    f'{wording.percent(leaked)} of the held-out clips belong to a group '
    'that is in the training data too.'
    if leaked
    else 'No group is on both sides of a split, as each has one clip only.'
    if alone
    else 'No group is on both sides of a split.',
    round(float(totals[_key('out')][:, 0].sum())),
  )


def _note_majority(
  found: Findings, majority: float, by_group: float, n: int
) -> None:
  gain = by_group - majority
  note(
    found,
    'group_majority_accuracy',
    by_group,
    FAIL if gain > _GAIN else OK,
    'Saying the commonest label that the training data have in the group of '
    f'the clip is right on {wording.percent(by_group)} of the clips, '
    + (
      'no better than the commonest label of all.'
      if round(gain, 3) <= 0
      else f'{wording.points(gain)} above the commonest label of all'
      + (': a model can win by knowing the group.' if gain > _GAIN else '.')
    ),
    n,
  )


def _check_groups(found: Findings, totals: Totals, plan: Plan) -> None:
  """Counts the groups that intervals rest on: those of the judged clips."""
  clips, judged = (totals[_key(what)] for what in ('clips', 'judged'))
  if not judged.any():
    judged = clips
  if totals.bundled:
    number = len(totals.hashes)
    note(
      found,
      'num_groups',
      number,
      OK,
      f'There are {wording.plural(number, "group")}, put together into '
      f'{len(totals.groups)} bundles of whole groups.',
      round(float(judged.sum())),
    )
    return
  where = '' if (judged == clips).all() else ' among the clips with predictions'
  add_groups(found, judged[judged > 0].astype(np.int64), where)


def add_groups(found: Findings, sizes: np.ndarray, where: str = '') -> None:
  """Judges the groups' number and sizes.

  Args:
    found: what the checks are added to.
    sizes: (G,) int, the clips of each group that has some.
    where: among which clips, for the sentence.
  """
  n = int(sizes.sum())
  clips = f'{wording.plural(int(sizes.max()), "clip")}'
  if sizes.min() < sizes.max():
    clips = (
      f'{wording.count(sizes.min())} to {clips} (median '
      f'{wording.tally(float(np.median(sizes)))})'
    )
  elif len(sizes) > 1:
    clips += ' each'
  few, alone = len(sizes) < _FEW_GROUPS, sizes.max() == 1
  none = len(sizes) < samples.LEAST_GROUPS
  sentence = (
    f'There {"is" if len(sizes) == 1 else "are"} '
    f'{wording.plural(len(sizes), "group")} of {clips}{where}'
  )
  if none:
    sentence += (
      f'; with fewer than {samples.LEAST_GROUPS}, there are no intervals'
    )
  elif few:
    sentence += f'; with fewer than {_FEW_GROUPS}, intervals are rough'
  sentence += '.'
  if alone:
    sentence += (
      ' Every clip is its own group, as where a corpus has no column group: if '
      'clips share a speaker or a source, models may know it from training, '
      'and intervals are too narrow.'
    )
  note(
    found,
    'num_groups',
    len(sizes),
    WARNING if few or alone else OK,
    sentence,
    n,
  )
  largest = sizes.max() / n
  note(
    found,
    'largest_group_share',
    largest,
    WARNING if largest > LARGE_GROUP else OK,
    f'The largest group has {wording.percent(largest)} of the clips.',
    n,
  )


def speaker_columns(corpus: corpus_lib.Corpus) -> list[str]:
  """The columns of `clips.csv` whose names say that they name a speaker."""
  return [name for name in corpus.metadata if grouping.names_persons(name)]


def straddling(
  values: np.ndarray, sides: np.ndarray, number: np.ndarray
) -> tuple[int, float]:
  """What is on more than one side.

  Args:
    values: (m,) what clips have, once for each side that it is on.
    sides: (m,).
    number: (m,) how many clips have it there.

  Returns:
    How many values are on several sides, and how many clips have these.
  """
  names, value = np.unique(values, return_inverse=True)
  pairs = np.unique(
    np.stack([value, np.unique(sides, return_inverse=True)[1]]), axis=1
  )
  many = np.bincount(pairs[0], minlength=len(names)) > 1
  return int(many.sum()), float(number[many[value]].sum())


def _check_speakers(found: Findings, totals: Totals, plan: Plan) -> None:
  """Says where what clips share is on both sides of groups or of a split."""
  tables = {
    key[2]: rows
    for key, rows in totals.rows.items()
    if key[:2] == _key('speakers')
  }
  if not tables:
    return
  sides = [] if totals.bundled else ['group']
  if plan.has_split:
    sides.append('split')
  elif totals[_key('held_out')].any(axis=(0, 3)).any(axis=0)[1:].sum() > 1:
    sides.append('fold')
  clips = float(totals[_key('clips')].sum())
  told, shares = [], []
  for column, rows in tables.items():
    number = len(np.unique(rows['value']))
    for what in sides:
      several, both = straddling(
        rows['value'],
        rows.group if what == 'group' else rows['side'],
        rows.number,
      )
      if not several:
        continue
      shares.append(both / clips)
      told.append(
        f'{wording.count(several)} of {wording.plural(number, "value")} of the '
        f'column {column} {"is" if several == 1 else "are"} in more than one '
        f'{what}, with {wording.percent(both / clips)} of the clips'
      )
  note(
    found,
    'speakers',
    max(shares, default=0.0),
    WARNING if told else OK,
    f'{"; ".join(told)}: models may know them, and groups are not independent.'
    if told
    else f'No value of the column {wording.listing(list(tables), "or")} is in '
    f'more than one {wording.listing(sides, "or")}.',
    round(clips),
  )


def _check_views(found: Findings, plan: Plan) -> None:
  """Says which modalities were not judged by themselves, or all together."""
  modalities, views, full = plan.modalities, plan.members, plan.full
  missing = [m for m in modalities if m not in views]
  told = []
  if missing:
    given = [m for m in modalities if m in views]
    rest = (
      f'what is said of single views is said of {wording.listing(given)}'
      if given
      else 'so nothing is said of single views'
    )
    told.append(
      f'There are no predictions of {wording.listing(missing)} alone; {rest}.'
    )
  if full not in views:
    told.append(f'There are no predictions of the full view, {full}.')
  note(
    found,
    'views',
    len(missing) + (full not in views),
    WARNING if told else OK,
    ' '.join(told)
    or (
      'There are predictions of every modality alone and of all together.'
      if len(modalities) > 1
      else f'There are predictions of the only modality, {full}.'
    ),
    plan.survey.num_clips,
  )


def _check_confidence(found: Findings, plan: Plan) -> None:
  """Says where probabilities are labels in disguise."""
  views = list(plan.members)
  number = {view: plan.num_confidences('view', view) for view in views}
  bare = [view for view in views if not plan.graded('view', view)]
  most = max((number[view] for view in bare), default=0)
  where = 'every view' if len(bare) == len(views) else wording.listing(bare)
  at_most = 'at most ' if min(map(number.get, bare), default=0) < most else ''
  note(
    found,
    'confidence',
    min(number.values()),
    WARNING if bare else OK,
    f'The confidence of {where} takes {at_most}{wording.plural(most, "value")} '
    'only: what needs graded probabilities is skipped.'
    if bare
    else 'Probabilities are graded: the confidence of every view takes '
    f'{wording.plural(min(number.values()), "value")} or more.',
    plan.survey.num_clips,
  )


def duplicates(corpus: corpus_lib.Corpus) -> Findings:
  """Which clips have the features of others, by the corpus' hashes."""
  found = Findings()
  found.tables['data_checks'] = []
  if not corpus.presence:
    found.skipped['data.duplicates'] = _NO_FEATURES
    return found
  rows, repeated = [], set()
  for modality, present in corpus.presence.items():
    pairs = duplicate_pairs(present, corpus.hashes[modality])
    repeated.update(pairs[:, 0].tolist())
    for clip, first in pairs[: _MAX_PAIRS - len(rows)].tolist():
      rows.append(
        {
          'modality': modality,
          'id': str(corpus.ids[clip]),
          'same_as': str(corpus.ids[first]),
          'same_group': bool(corpus.groups[clip] == corpus.groups[first]),
        }
      )
  if rows:
    found.tables['duplicates'] = rows
  share = len(repeated) / len(corpus.ids)
  note(
    found,
    'duplicates',
    share,
    WARNING if repeated else OK,
    f'{wording.plural(len(repeated), "clip")} ({wording.percent(share)}) '
    f'{"has" if len(repeated) == 1 else "have"} exactly the features of '
    'another clip in some modality.'
    if repeated
    else 'No two clips have the same features.',
    len(corpus.ids),
  )
  return found


def _check_coverage(found: Findings, totals: Totals, plan: Plan) -> None:
  clips = float(totals[_key('clips')].sum())
  for modality in plan.modalities:
    key = _key('present', modality)
    if key not in totals:
      found.skipped[f'data.{modality}.coverage'] = (
        f'The corpus has no {modality} features.'
      )
      continue
    share = float(totals[key].sum()) / clips
    note(
      found,
      f'{modality}.coverage',
      share,
      OK if share == 1 else WARNING,
      f'{wording.percent(share)} of the clips have {modality} features.',
      round(clips),
    )


def _check_classes(found: Findings, totals: Totals, plan: Plan) -> None:
  """Adds the table `class_balance`, and judges it."""
  count = totals[_key('labels')].sum(axis=0).astype(np.int64)
  classes, num_clips = plan.classes, plan.survey.num_clips
  total = int(count.sum())
  if not total:
    reason = 'No clip has a label.'
    found.skipped['data.largest_class_share'] = reason
    note(
      found,
      'labelled_share',
      0.0,
      WARNING,
      f'{reason} Nothing that needs one is answered.',
      num_clips,
    )
    return
  found.tables['class_balance'] = [
    {'class': name, 'num_clips': int(number), 'share': float(number / total)}
    for name, number in zip(classes, count, strict=True)
  ]
  if total < num_clips:
    share = total / num_clips
    note(
      found,
      'labelled_share',
      share,
      WARNING,
      f'{wording.percent(share)} of the clips have a label; figures that '
      'need one leave the others out.',
      num_clips,
    )
  share = count.max() / total
  sentence = class_sentence(classes, count)
  rare = count.min() < _FEW_CLIPS_OF_A_CLASS
  note(
    found,
    'largest_class_share',
    share,
    WARNING if share > _LARGE_CLASS or rare else OK,
    sentence,
    total,
  )


def _check_votes(found: Findings, totals: Totals, plan: Plan) -> None:
  if not plan.survey.has_votes:
    found.skipped['data.votes_per_clip'] = 'The corpus has no votes.'
    return
  rows = []
  for name in plan.voted:
    votes = totals.rows[_key('votes', name)]
    rows.append(
      {
        'condition': name,
        'num_clips': round(float(votes.number.sum())),
        'num_votes': round(float(votes.number @ votes['number'])),
        'min': int(votes['number'].min()),
        'median': _median(votes),
        'max': int(votes['number'].max()),
      }
    )
  found.tables['votes_per_clip'] = rows
  votes = totals.rows[_key('votes', plan.speaking or '')]
  median, voted = _median(votes), round(float(votes.number.sum()))
  without = plan.survey.num_clips - voted
  note(
    found,
    'votes_per_clip',
    median,
    OK if median >= FEW_VOTES and not without else WARNING,
    f'The median clip has {wording.tally(median)} '
    f'{"vote" if median == 1 else "votes"} that '
    f'{"speaks" if median == 1 else "speak"} for it'
    + (
      f'; {wording.plural(without, "clip")} '
      f'{"has" if without == 1 else "have"} none.'
      if without
      else '.'
    ),
    voted,
  )


def _median(votes: totals_lib.Rows) -> float:
  """The median number of votes of clips that have some."""
  order = np.argsort(votes['number'])
  values, seen = votes['number'][order], np.cumsum(votes.number[order])
  # The middle of two, where their number is even.
  middle = [math.floor((seen[-1] - 1) / 2), math.floor(seen[-1] / 2)]
  return float(values[np.searchsorted(seen, middle, side='right')].mean())


def _check_label(found: Findings, plan: Plan) -> None:
  if not plan.survey.has_votes:
    return
  condition = plan.source
  if condition is None:
    condition = plan.speaking or ''
  note_label(
    found,
    condition,
    plan.source,
    plan.info.get('label_source'),
    plan.survey.numbers['plurality', condition],
  )


def note_label(
  found: Findings,
  condition: str,
  source: str | None,
  declared: str | None,
  numbers: np.ndarray,
) -> None:
  """Adds whether the label is the plurality of votes.

  Args:
    found: where it goes.
    condition: of the votes; '' for all together.
    source: the condition that made the label, see `votes.source_of_counts`.
    declared: what `corpus.json` says of it, if it does.
    numbers: (4,) sums of `votes.plurality_and_label`.
  """
  number, same = int(numbers[0]), int(numbers[1])
  if not number:
    return
  where = f'the votes on {condition}' if condition else 'all votes'
  sentence = (
    f'The label is the plurality of {where} on '
    f'{wording.percent(same / number)} of the clips that have one without a tie'
  )
  verdict = WARNING
  if source is not None:
    sentence += (
      ', and corpus.json says that it was made from them'
      if declared
      else ': it looks as if it was made from them, and is taken to be; if it '
      'was not, say so as "label_source" in corpus.json'
    )
    sentence += '. Their accuracy is partly their own echo.'
  elif declared:
    verdict = OK
    sentence += f'; corpus.json says that its source is {declared}.'
  elif same >= _MOSTLY_VOTES * number:
    sentence += (
      ', but is taken to be from elsewhere; if it was made from them, say '
      '"label_source": "votes" in corpus.json, for else their accuracy is '
      'partly their own echo.'
    )
  else:
    verdict = OK
    sentence += '.'
  note(found, 'label_is_plurality', same / number, verdict, sentence, number)
