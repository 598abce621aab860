"""Do humans gain from more modalities? Votes by condition against the label."""

import numpy as np

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import agreement, ambiguity, resampling
from empathy.evaluation.findings import Cell, Findings, interval_cells

_ENOUGH_DIVIDED = 30


def answer(corpus: corpus_lib.Corpus) -> Findings:
  """Each condition by itself, and the full condition minus each other one.

  The primary is the full condition minus the best other one overall, by
  accuracy: the least favourable comparison, so its choice needs no correction.
  Intervals are over clips and their groups; the annotators are taken as given.
  Where the label is the plurality of the votes of some condition, or of all
  together, accuracies are partly their own echo, and nothing is compared.

  Args:
    corpus: with or without votes.

  Returns:
    Statistics `humans.<condition>.*` and `humans.full_minus_<condition>.*`, and
    the table `humans`.
  """
  if corpus.votes is None:
    return Findings(skipped={'question 5': 'The corpus has no votes.'})
  votes = {
    condition: corpus.vote_counts(condition) for condition in corpus.conditions
  }
  votes = {name: counts for name, counts in votes.items() if counts.any()}
  found = Findings()
  for condition, counts in votes.items():
    _judge(found, condition, counts, corpus)
    _agree(found, condition, counts, corpus)
  full = corpus_lib.full_condition(list(votes))
  others = [condition for condition in votes if condition != full]
  source = source_of_label(corpus)
  where = f'the votes on {source}' if source else 'all votes'
  for condition in others:
    if source is None:
      _compare(found, corpus, full, votes[full], condition, votes[condition])
    else:
      found.skipped[f'humans.full_minus_{condition}.accuracy'] = (
        f'The label is the plurality of {where}, so that the '
        'shares of votes equal to it are partly an echo and are not compared.'
      )
  compared = {
    condition: f'humans.full_minus_{condition}.accuracy'
    for condition in others
    if f'humans.full_minus_{condition}.accuracy' in found.statistics
  }
  if not others:
    found.skipped['humans.full_minus_other.accuracy'] = (
      f'Annotators voted in one condition only, {full}.'
    )
  found.tables['humans'] = [
    _row(condition, counts, ordered(corpus))
    for condition, counts in votes.items()
  ]
  primary = min(
    compared.values(),
    key=lambda name: found.statistics[name].estimate,
    default=None,
  )
  return Findings(
    statistics=found.statistics,
    skipped=found.skipped,
    primary=primary,
    families=[[name for name in compared.values() if name != primary]],
    tables=found.tables,
  )


def ordered(corpus: corpus_lib.Corpus) -> bool:
  """Whether the classes are a scale."""
  return bool(corpus.info.get('ordered', False))


def source_of_label(corpus: corpus_lib.Corpus) -> str | None:
  """The votes that the label is the plurality of.

  Args:
    corpus: with votes.

  Returns:
    A condition, the full one before others; '' for all votes together; None if
    the label is from elsewhere.
  """
  full = corpus_lib.full_condition(corpus.conditions)
  for condition in (full, *corpus.conditions, None):
    if votes_made_label(corpus.vote_counts(condition), corpus.labels):
      return condition or ''
  return None


def votes_made_label(votes: np.ndarray, labels: np.ndarray) -> bool:
  """Whether the label is the plurality of the very votes that it would judge.

  It is taken to be if they are the same for every clip, and if enough clips
  have divided votes for that to be no accident.

  Args:
    votes: (N, C) counts.
    labels: (N,) int, negative where unlabelled.

  Returns:
    True or false.
  """
  chosen = (labels >= 0) & votes.any(axis=1)
  same = votes.argmax(axis=1) == labels
  divided = np.count_nonzero(votes, axis=1) > 1
  return bool(
    same[chosen].all() and (divided & chosen).sum() >= _ENOUGH_DIVIDED
  )


def _judge(
  found: Findings, condition: str, votes: np.ndarray, corpus: corpus_lib.Corpus
) -> None:
  """Adds accuracy, GS, observed agreement and entropy of votes (N, C)."""
  prefix = f'humans.{condition}'
  total = votes.sum(axis=1)
  chosen = (total > 0) & (corpus.labels != corpus_lib.UNLABELLED)
  if chosen.any():
    sample = resampling.sample(corpus.groups[chosen])
    totals = sample.totals(
      np.stack([_hits(votes, corpus.labels)[chosen], total[chosen]], axis=1)
    )
    found.add(
      f'{prefix}.accuracy',
      resampling.estimate(sample, resampling.mean(totals), logit=True),
    )
  else:
    found.skipped[f'{prefix}.accuracy'] = 'No clip with votes has a label.'
  uncertainty = ambiguity.gs(votes)
  plain, mended = ambiguity.entropy(votes)
  for name, values, reason in (
    ('gs', uncertainty, 'No clip has two votes or more.'),
    ('observed_agreement', 1 - uncertainty, 'No clip has two votes or more.'),
    ('entropy', plain, ''),
    ('entropy_miller_madow', mended, ''),
  ):
    chosen = ~np.isnan(values)
    if not chosen.any():
      found.skipped[f'{prefix}.{name}'] = reason
      continue
    sample = resampling.sample(corpus.groups[chosen])
    columns = np.stack([values[chosen], np.ones(chosen.sum())], axis=1)
    found.add(
      f'{prefix}.{name}',
      resampling.estimate(
        sample,
        resampling.mean(sample.totals(columns)),
        logit=not name.startswith('entropy'),
      ),
    )


def _agree(
  found: Findings, condition: str, votes: np.ndarray, corpus: corpus_lib.Corpus
) -> None:
  """Adds the agreement of votes (N, C) beyond chance."""
  figures = agreement.coefficients(votes.shape[1], ordered(corpus))
  for name, figure in figures.items():
    chosen = votes.sum(axis=1) >= figure.least
    if not chosen.any():
      found.skipped[f'humans.{condition}.{name}'] = agreement.why_undefined(
        votes
      )
      continue
    sample = resampling.sample(corpus.groups[chosen])
    found.add(
      f'humans.{condition}.{name}',
      resampling.estimate(sample, figure.statistic(sample, votes[chosen])),
      agreement.why_undefined(votes),
    )


def _compare(
  found: Findings,
  corpus: corpus_lib.Corpus,
  full: str,
  full_votes: np.ndarray,
  condition: str,
  votes: np.ndarray,
) -> None:
  """Adds the full condition's accuracy minus another's, clip by clip.

  The mean over clips of the difference of shares: paired, so that a clip with
  many votes in one condition only does not tip it. The accuracies count votes,
  so their difference may be a little different.
  """
  name = f'humans.full_minus_{condition}.accuracy'
  totals = [counts.sum(axis=1) for counts in (full_votes, votes)]
  chosen = (totals[0] > 0) & (totals[1] > 0)
  chosen &= corpus.labels != corpus_lib.UNLABELLED
  if not chosen.any():
    found.skipped[name] = (
      f'No labelled clip has votes in both {full} and {condition}.'
    )
    return
  sample = resampling.sample(corpus.groups[chosen])
  ours, theirs = (
    _hits(counts, corpus.labels)[chosen] / total[chosen]
    for counts, total in zip((full_votes, votes), totals, strict=True)
  )
  columns = np.stack([ours - theirs, np.ones(len(ours))], axis=1)
  found.add(
    name,
    resampling.estimate(
      sample, resampling.mean(sample.totals(columns)), null=True
    ),
  )


def _row(condition: str, votes: np.ndarray, ordered: bool) -> dict[str, object]:
  """The row of a condition; the full one's difference stays empty."""
  prefix = f'humans.{condition}'
  difference = f'humans.full_minus_{condition}.accuracy'
  row = {
    'condition': condition,
    'num_clips': int(votes.any(axis=1).sum()),
    'num_votes': int(votes.sum()),
  }
  row |= interval_cells(f'{prefix}.accuracy', 'accuracy')
  for name in ('gs', 'entropy', 'entropy_miller_madow', 'observed_agreement'):
    row[name] = Cell(f'{prefix}.{name}')
  for name in agreement.coefficients(votes.shape[1], ordered):
    row |= interval_cells(f'{prefix}.{name}', name)
  row |= interval_cells(difference, 'full_minus')
  row['p'] = Cell(difference, 'p')
  row['p_adjusted'] = Cell(difference, 'p_adjusted')
  return row


def _hits(votes: np.ndarray, labels: np.ndarray) -> np.ndarray:
  """Votes equal to the label: (N,); of no meaning without a label."""
  return votes[np.arange(len(labels)), labels]
