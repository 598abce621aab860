"""Can the data bear the study? What is checked before any answer is read."""

import hashlib
import itertools
from collections.abc import Collection, Sequence

import numpy as np
from scipy import special

from empathy.corpora import corpus as corpus_lib
from empathy.corpora import grouping
from empathy.evaluation import ambiguity, humans, resampling, wording
from empathy.evaluation import predictions as predictions_lib
from empathy.evaluation.findings import Estimate, Findings

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
# More classes than these are counted, not named.
_MOST_NAMED = 4


def answer(
  corpus: corpus_lib.Corpus,
  predictions: predictions_lib.Predictions | None,
) -> Findings:
  """Leakage, baselines, duplicates, balance, votes, coverage and groups.

  Args:
    corpus: read with what features it has; those tell coverage and duplicates.
    predictions: their folds tell what was held out from what; without them the
      corpus' own split or folds do.

  Returns:
    Statistics `data.*` without intervals, the tables `data_checks`,
    `class_balance`, `votes_per_clip` and, if there are any, `duplicates`.
  """
  found = Findings()
  found.tables['data_checks'] = []
  _check_leakage(found, corpus, predictions)
  _check_groups(found, corpus, predictions)
  _check_speakers(found, corpus, predictions)
  if predictions is not None:
    add_views(found, corpus.modalities, predictions.views, len(corpus.ids))
    _check_confidence(found, predictions, len(corpus.ids))
  _check_duplicates(found, corpus)
  _check_coverage(found, corpus)
  _check_classes(found, corpus)
  _check_votes(found, corpus)
  _check_label(found, corpus)
  return found


def held_out(
  corpus: corpus_lib.Corpus,
  predictions: predictions_lib.Predictions | None,
) -> list[np.ndarray]:
  """Which fold each clip was held out in, once for every way it was done.

  Args:
    corpus: its split counts before all else: test clips against the others.
    predictions: their members' folds count before the corpus' own.

  Returns:
    Arrays (N,) int64: the fold; -1 for clips that are never held out, which
    count as training clips only where the corpus has a split. Empty if nobody
    says what was held out, as where all predictions are of one fold.
  """
  if corpus.split is not None:
    ways = [np.where(corpus.split == 'test', 0, -1)]
  elif predictions is not None:
    members = np.concatenate(
      [predictions.folds[view] for view in predictions.views]
      or [np.empty((0, len(corpus.ids)), np.int32)]
    )
    ways = list(np.unique(members, axis=0).astype(np.int64))
  elif corpus.fold is not None:
    ways = [corpus.fold.astype(np.int64)]
  else:
    ways = []
  # Without a split, a fold has been trained on what is in the others.
  least = 1 if corpus.split is not None else 2
  return [folds for folds in ways if len(np.unique(folds[folds >= 0])) >= least]


def group_leakage(groups: np.ndarray, folds: np.ndarray, split: bool) -> float:
  """The share of held-out clips whose group has clips in training, too.

  Args:
    groups: (N,) int, from 0.
    folds: (N,) int, the fold that a clip is held out in, -1 if in none.
    split: whether clips that are in no fold are training clips.

  Returns:
    The share of the held-out clips.
  """
  out = folds >= 0
  counted = out | split
  lowest = np.full(groups.max() + 1, np.iinfo(np.int64).max)
  highest = np.full(groups.max() + 1, -1)
  np.minimum.at(lowest, groups[counted], folds[counted])
  np.maximum.at(highest, groups[counted], folds[counted])
  return float((lowest != highest)[groups[out]].mean())


def majority_accuracies(
  groups: np.ndarray,
  labels: np.ndarray,
  folds: np.ndarray,
  split: bool,
  num_classes: int,
) -> tuple[float, float]:
  """What the label frequencies of the training clips alone achieve.

  Args:
    groups: (N,) int, from 0.
    labels: (N,) int, negative where unlabelled.
    folds: (N,) int, the fold that a clip is held out in, -1 if in none.
    split: whether clips that are in no fold are training clips.
    num_classes: C.

  Returns:
    The accuracy on held-out clips of always saying the training clips'
    commonest label, and of saying the commonest among training clips of the
    clip's own group where there are such. Without leakage they are the same.
    Where nothing is left to train on, the held-out clips take its place in the
    former.
  """
  labelled = labels >= 0
  counted = labelled & ((folds >= 0) | split)
  num_groups = int(groups.max()) + 1
  cell = groups * num_classes + labels
  by_group = _counts(cell[counted], num_groups, num_classes)
  hits, group_hits, total = 0, 0, 0
  for fold in np.unique(folds[labelled & (folds >= 0)]):
    out = labelled & (folds == fold)
    own = _counts(cell[out], num_groups, num_classes)
    training = by_group - own
    overall = training.sum(axis=0)
    common = np.argmax(overall if overall.any() else own.sum(axis=0))
    guess = np.where(training.any(axis=1), training.argmax(axis=1), common)
    hits += np.count_nonzero(labels[out] == common)
    group_hits += np.count_nonzero(labels[out] == guess[groups[out]])
    total += np.count_nonzero(out)
  return hits / total, group_hits / total


def duplicate_pairs(features: corpus_lib.Features) -> np.ndarray:
  """Clips whose features are the same to the last bit.

  Args:
    features: of one modality.

  Returns:
    (D, 2) int, rows of the corpus: a clip and the first one that is the same.
  """
  values = np.ascontiguousarray(features.values)
  ends = (
    np.arange(len(values)) + 1
    if features.length is None
    else np.cumsum(features.length)
  )
  first: dict[bytes, int] = {}
  pairs = []
  for clip, (start, end) in zip(
    features.clip.tolist(),
    itertools.pairwise([0, *ends.tolist()]),
    strict=True,
  ):
    digest = hashlib.blake2b(values[start:end]).digest()
    if digest in first:
      pairs.append((clip, first[digest]))
    else:
      first[digest] = clip
  return np.array(pairs, np.int64).reshape(-1, 2)


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
  normal = special.ndtri((1 + resampling.LEVEL) / 2)
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


def _check_leakage(
  found: Findings,
  corpus: corpus_lib.Corpus,
  predictions: predictions_lib.Predictions | None,
) -> None:
  ways = held_out(corpus, predictions)
  held = bool(ways)
  if not held:
    for name in ('group_leakage', 'group_majority_accuracy'):
      found.skipped[f'data.{name}'] = (
        'Nothing says which clips were held out from which.'
      )
    if predictions is not None:
      found.tables['data_checks'].append(FOLDS_UNKNOWN)
    ways = [np.zeros(len(corpus.ids), np.int64)]
  groups = np.unique(corpus.groups, return_inverse=True)[1]
  split = corpus.split is not None
  if held:
    num_out = int((np.stack(ways) >= 0).any(axis=0).sum())
    leaked = np.mean([group_leakage(groups, folds, split) for folds in ways])
    note(
      found,
      'group_leakage',
      leaked,
      FAIL if leaked else OK,
      f'{wording.percent(leaked)} of the held-out clips belong to a group '
      'that is in the training data too.'
      if leaked
      else 'No group is on both sides of a split.'
      if len(np.unique(groups)) < len(groups)
      else 'No group is on both sides of a split, as each has one clip only.',
      num_out,
    )
  labelled = corpus.labels != corpus_lib.UNLABELLED
  ways = [folds for folds in ways if (labelled & (folds >= 0)).any()]
  if not ways:
    for name in ('majority_accuracy', 'group_majority_accuracy'):
      found.skipped[f'data.{name}'] = 'No held-out clip has a label.'
    return
  majority, by_group = np.mean(
    [
      majority_accuracies(
        groups, corpus.labels, folds, split, len(corpus.classes)
      )
      for folds in ways
    ],
    axis=0,
  )
  n = int((labelled & (np.stack(ways) >= 0).any(axis=0)).sum())
  note(
    found,
    'majority_accuracy',
    majority,
    OK,
    'Always saying the commonest label is right on '
    f'{wording.percent(majority)} of the clips.',
    n,
  )
  if held:
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


def _check_groups(
  found: Findings,
  corpus: corpus_lib.Corpus,
  predictions: predictions_lib.Predictions | None,
) -> None:
  """Counts the groups that intervals rest on: those of the judged clips."""
  judged = predictions_lib.judged(corpus, predictions)
  sizes = np.unique(corpus.groups[judged], return_counts=True)[1]
  where = '' if judged.all() else ' among the clips with predictions'
  add_groups(found, sizes, where)


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
  none = len(sizes) < resampling.LEAST_GROUPS
  sentence = (
    f'There {"is" if len(sizes) == 1 else "are"} '
    f'{wording.plural(len(sizes), "group")} of {clips}{where}'
  )
  if none:
    sentence += (
      f'; with fewer than {resampling.LEAST_GROUPS}, there are no intervals'
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


def straddling(values: np.ndarray, sides: np.ndarray) -> np.ndarray:
  """Which clips share their value with a clip on another side.

  Args:
    values: (N,) str, '' where unknown.
    sides: (N,) of any kind.

  Returns:
    (N,) bool, false where the value is unknown.
  """
  value = np.unique(values, return_inverse=True)[1]
  side = np.unique(sides, return_inverse=True)[1]
  pairs = np.unique(np.stack([value, side], axis=1), axis=0)
  many = np.bincount(pairs[:, 0], minlength=value.max() + 1) > 1
  return many[value] & (values != '')


def _check_speakers(
  found: Findings,
  corpus: corpus_lib.Corpus,
  predictions: predictions_lib.Predictions | None,
) -> None:
  """Says where what clips share is on both sides of groups or of a split."""
  columns = speaker_columns(corpus)
  if not columns:
    return
  sides = [('group', corpus.groups)]
  if corpus.split is not None:
    sides.append(('split', corpus.split))
  else:
    ways = held_out(corpus, predictions)
    if ways:
      sides.append(('fold', ways[0]))
  told, shares = [], []
  for column in columns:
    values = np.char.strip(corpus.metadata[column].astype(str))
    number = len(np.unique(values[values != '']))
    for what, side in sides:
      both = straddling(values, side)
      if not both.any():
        continue
      shares.append(both.mean())
      several = len(np.unique(values[both]))
      told.append(
        f'{wording.count(several)} of {wording.plural(number, "value")} of the '
        f'column {column} {"is" if several == 1 else "are"} in more than one '
        f'{what}, with {wording.percent(both.mean())} of the clips'
      )
  note(
    found,
    'speakers',
    max(shares, default=0.0),
    WARNING if told else OK,
    f'{"; ".join(told)}: models may know them, and groups are not independent.'
    if told
    else f'No value of the column {wording.listing(columns, "or")} is in more '
    'than one '
    f'{wording.listing((what for what, _ in sides), "or")}.',
    len(corpus.ids),
  )


def add_views(
  found: Findings, modalities: Sequence[str], views: Collection[str], n: int
) -> None:
  """Says which modalities were not judged by themselves, or all together.

  Args:
    found: what the check is added to.
    modalities: of the corpus, in their order.
    views: that have predictions.
    n: how many clips there are.
  """
  full = corpus_lib.view_name(modalities)
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
    n,
  )


def _check_confidence(
  found: Findings, predictions: predictions_lib.Predictions, n: int
) -> None:
  """Says where probabilities are labels in disguise."""
  views = list(predictions.views)
  number = {
    view: predictions_lib.num_confidences(predictions.probabilities[view])
    for view in views
  }
  bare = [
    view
    for view in views
    if not predictions_lib.graded(predictions.probabilities[view])
  ]
  if not views:
    return
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
    n,
  )


def _check_duplicates(found: Findings, corpus: corpus_lib.Corpus) -> None:
  if not corpus.features:
    found.skipped['data.duplicates'] = (
      'The corpus has no features, so repeated clips cannot be told.'
    )
    return
  rows, repeated = [], set()
  for modality, features in corpus.features.items():
    pairs = duplicate_pairs(features.of_fold(0))
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


def _check_coverage(found: Findings, corpus: corpus_lib.Corpus) -> None:
  for modality in corpus.modalities:
    if modality not in corpus.features:
      found.skipped[f'data.{modality}.coverage'] = (
        f'The corpus has no {modality} features.'
      )
      continue
    clips = corpus.features[modality].of_fold(0).clip
    share = len(clips) / len(corpus.ids)
    note(
      found,
      f'{modality}.coverage',
      share,
      OK if share == 1 else WARNING,
      f'{wording.percent(share)} of the clips have {modality} features.',
      len(corpus.ids),
    )


def _check_classes(found: Findings, corpus: corpus_lib.Corpus) -> None:
  labels = corpus.labels[corpus.labels != corpus_lib.UNLABELLED]
  add_classes(
    found,
    corpus.classes,
    np.bincount(labels, minlength=len(corpus.classes)),
    len(corpus.ids),
  )


def add_classes(
  found: Findings, classes: Sequence[str], count: np.ndarray, num_clips: int
) -> None:
  """Adds the table `class_balance`, and judges it.

  Args:
    found: what the checks are added to.
    classes: C names.
    count: (C,) int, the labelled clips of each.
    num_clips: with label or without.
  """
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


def _check_votes(found: Findings, corpus: corpus_lib.Corpus) -> None:
  if corpus.votes is None:
    found.skipped['data.votes_per_clip'] = 'The corpus has no votes.'
    return
  rows = []
  for condition in corpus.conditions:
    number = corpus.vote_counts(condition).sum(axis=1)
    voted = number[number > 0]
    if not len(voted):
      continue
    rows.append(
      {
        'condition': condition,
        'num_clips': len(voted),
        'num_votes': int(voted.sum()),
        'min': int(voted.min()),
        'median': float(np.median(voted)),
        'max': int(voted.max()),
      }
    )
  found.tables['votes_per_clip'] = rows
  votes, _ = ambiguity.speaking_votes(corpus)
  number = votes.sum(axis=1)
  voted = number[number > 0]
  median = float(np.median(voted))
  without = int((number == 0).sum())
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
    len(voted),
  )


def _check_label(found: Findings, corpus: corpus_lib.Corpus) -> None:
  if corpus.votes is None:
    return
  source = humans.source_of_label(corpus)
  condition = source
  if source is None:
    condition = ambiguity.speaking_votes(corpus)[1] or ''
  votes = corpus.vote_counts(condition or None)
  numbers = humans.plurality_and_label(votes, corpus.labels).sum(axis=0)
  declared = corpus.info.get('label_source')
  note_label(found, condition, source, declared, numbers)


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
    source: the condition that made the label, see `humans.source_of_label`.
    declared: what `corpus.json` says of it, if it does.
    numbers: (4,) sums of `humans.plurality_and_label`.
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


def _counts(cell: np.ndarray, num_rows: int, num_columns: int) -> np.ndarray:
  counts = np.bincount(cell, minlength=num_rows * num_columns)
  return counts.reshape(num_rows, num_columns)
