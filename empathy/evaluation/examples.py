"""Three clips that show what a study is about, each chosen by a stated rule.

A rule marks some clips and ranks them by how well they show it; it takes the
first of those that no rule before it has taken. The first three rules that find
a clip are shown.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Iterator

import numpy as np

from empathy.evaluation import plots
from empathy.evaluation.explorer import MEDIA, Clips
from empathy.evaluation.predictions import Kind
from empathy.evaluation.sections import clips as clips_lib
from empathy.evaluation.study import Study

_NUMBER = 3
# As much of what was said as a card has room for.
_MOST_CHARACTERS = 140
_SURE = 0.25
_HALF = 0.5


@dataclasses.dataclass(frozen=True)
class Said:
  """What a view, or the annotators of a condition, say of a clip.

  Attributes:
    name: of the view or condition.
    colour: the name of its colour.
    text: the class.
    share: how sure the view is of it; NaN where nothing tells.
    right: whether it is the label.
    tally: of annotators, (class, votes), the most frequent first.
    bar: the same in the order of classes: (votes, whether it is the label).
  """

  name: str
  colour: str
  text: str
  share: float
  right: bool
  tally: tuple[tuple[str, int], ...] = ()
  bar: tuple[tuple[int, bool], ...] = ()


@dataclasses.dataclass(frozen=True)
class Example:
  """A clip, as the first page shows it.

  Attributes:
    title: what it is an example of, in a few words.
    rule: how it was chosen, in a sentence.
    clip: its id.
    label: its class; '' if it has none.
    words: what is said in it, perhaps cut; '' if unknown.
    media: (kind, address) of its files.
    views: what views say.
    votes: what annotators say, by condition.
  """

  title: str
  rule: str
  clip: str
  label: str
  words: str
  media: tuple[tuple[str, str], ...]
  views: tuple[Said, ...]
  votes: tuple[Said, ...]


# A title, a rule, and a score of each clip: the larger the better it shows it,
# NaN where it does not.
_Found = tuple[str, str, np.ndarray]


def of(study: Study, folder: pathlib.Path) -> list[Example]:
  """Up to three examples, none where the study has no clips.

  Args:
    study: what was found.
    folder: where the report will be, which links to media start from.
  """
  clips = study.clips
  if clips is None or not len(clips.ids):
    return []
  taken: dict[int, tuple[str, str]] = {}
  for rule in _RULES:
    for title, told, score in rule(study, clips):
      score = np.where(
        np.isin(np.arange(len(score)), list(taken)), np.nan, score
      )
      if len(taken) < _NUMBER and not np.isnan(score).all():
        taken[int(np.nanargmax(score))] = title, told
  return [
    _example(study, clips, clip, title, told, folder)
    for clip, (title, told) in taken.items()
  ]


def _signal(clips: Clips, name: str) -> np.ndarray:
  return clips.signals.get(name, np.full(len(clips.ids), np.nan))


def _only(score: np.ndarray, where: np.ndarray) -> np.ndarray:
  return np.where(where, score, np.nan)


def _order(clips: Clips) -> np.ndarray:
  """Most in doubt first, as they are listed."""
  return -np.arange(len(clips.ids), dtype=np.float64)


def _in_doubt(study: Study, clips: Clips) -> Iterator[_Found]:
  if clips.predicted:
    why = []
    if 'any_disagreement' in clips.signals:
      why.append('views disagree')
    if 'one_minus_confidence' in clips.signals:
      why.append('the full view is least sure')
    told = f'The first clip of the list: {", and ".join(why)}.'
    if not why:
      told = 'The first clip of the list.'
    # Of labels without probabilities nothing tells how much in doubt they are.
    title = 'Most in doubt'
    if 'one_minus_confidence' not in clips.signals:
      title = 'Views disagree' if why else 'First of the list'
    yield title, told, _order(clips)
  else:
    told = 'The first clip of the list: its annotators differ most.'
    yield 'Annotators differ most', told, _order(clips)


def _misled(study: Study, clips: Clips) -> Iterator[_Found]:
  misled = _signal(clips, 'gold_misled') == 1
  told = (
    'The first clip of the list on which the full view is wrong, and would be '
    'right without the modality that decides.'
  )
  yield 'One modality misleads', told, _only(_order(clips), misled)


def _contested(study: Study, clips: Clips) -> Iterator[_Found]:
  """Annotators differ, and the models are sure."""
  doubt = _signal(clips, 'one_minus_confidence')
  known = doubt[~np.isnan(doubt)]
  if not len(known):
    return
  sure = doubt <= np.quantile(known, _SURE)
  sure &= _signal(clips, 'any_disagreement') != 1
  told = (
    'Of the quarter of clips that the full view is surest of, and on which '
    'views agree: where annotators differ most.'
  )
  score = _only(_signal(clips, 'votes_gs'), sure)
  yield 'People differ, models are sure', told, _only(score, score > 0)


def _conditions(study: Study, clips: Clips) -> Iterator[_Found]:
  """Whom different things were shown say different things, and are sure."""
  names = [c for c in clips.votes if '+' not in c]
  if len(names) < 2:
    return
  totals = {c: clips.votes[c].sum(axis=1) for c in names}
  share = np.stack(
    [clips.votes[c].max(axis=1) / np.maximum(totals[c], 1) for c in names]
  )
  said = np.stack([clips.pluralities[c] for c in names])
  told = (
    'Of clips on which most annotators of each modality say something else: '
    'where they agree most among themselves.'
  )
  differ = (said >= 0).all(axis=0) & (said.min(axis=0) != said.max(axis=0))
  several = np.stack(list(totals.values())).min(axis=0) > 1
  several &= share.min(axis=0) > _HALF
  yield (
    'Modalities say different things',
    told,
    _only(share.min(axis=0), differ & several),
  )


def _surely_wrong(study: Study, clips: Clips) -> Iterator[_Found]:
  full = clips.predicted.get(study.info['full_view'])
  if full is None:
    return
  wrong = (full >= 0) & (clips.labels >= 0) & (full != clips.labels)
  told = 'Of clips that the full view labels wrongly, the one it is surest of.'
  doubt = _signal(clips, 'one_minus_confidence')
  if np.isnan(doubt).all():
    told = 'The last clip of the list that the full view labels wrongly.'
    doubt = _order(clips)
  yield 'Surely wrong', told, _only(-doubt, wrong)


def _against(study: Study, clips: Clips) -> Iterator[_Found]:
  """Annotators agree on something that is not the label."""
  condition = study.info['full_condition']
  if condition not in clips.votes:
    return
  votes = clips.votes[condition]
  total = votes.sum(axis=1)
  said = clips.pluralities[condition]
  other = (said >= 0) & (clips.labels >= 0) & (said != clips.labels)
  told = (
    'Of clips whose label is not what most annotators say: where they '
    'outnumber the others most.'
  )
  more = 2.0 * votes.max(axis=1) - total
  other &= (total > 1) & (more > 0)
  yield 'Annotators against the label', told, _only(more, other)


def _agreed(study: Study, clips: Clips) -> Iterator[_Found]:
  condition = study.info['full_condition']
  if condition in clips.votes:
    votes = clips.votes[condition]
    total = votes.sum(axis=1)
    told = 'Of clips on which all annotators agree, the one with most votes.'
    alike = (votes.max(axis=1) == total) & (total > 1)
    yield 'Everybody agrees', told, _only(total.astype(np.float64), alike)
  doubt = _signal(clips, 'one_minus_confidence')
  yield 'Least in doubt', 'The clip that the model is surest of.', -doubt


_RULES: tuple[Callable[[Study, Clips], Iterator[_Found]], ...] = (
  _in_doubt,
  _misled,
  _contested,
  _conditions,
  _surely_wrong,
  _against,
  _agreed,
)


def tells_shares_of_seeds(study: Study) -> bool:
  """Whether how sure a view is is how many of its seeds say so."""
  return study.info.get('kind') in (Kind.LABELS, Kind.SAMPLES)


def _example(
  study: Study,
  clips: Clips,
  clip: int,
  title: str,
  rule: str,
  folder: pathlib.Path,
) -> Example:
  classes = [str(name) for name in study.info['classes']]
  label = int(clips.labels[clip])
  words = ' '.join(str(clips.transcripts[clip]).split())
  if len(words) > _MOST_CHARACTERS:
    words = words[:_MOST_CHARACTERS].rsplit(' ', 1)[0] + ' …'
  here = slice(clip, clip + 1)
  media = []
  for kind in reversed(MEDIA):
    if kind in clips.media:
      found = clips_lib.addresses(
        clips.media[kind][here], clips.starts[here], clips.ends[here], folder
      )
      if found['rest'][0] is not None:
        media.append((kind, found['base'] + found['rest'][0]))
  return Example(
    title=title,
    rule=rule,
    clip=str(clips.ids[clip]),
    label=classes[label] if label >= 0 else '',
    words=words,
    # One player has room, and a video is heard as well.
    media=tuple(media[:1]),
    views=tuple(_views(study, clips, clip, classes)),
    votes=tuple(_votes(study, clips, clip, classes)),
  )


def _views(
  study: Study, clips: Clips, clip: int, classes: list[str]
) -> Iterator[Said]:
  full = study.info['full_view']
  graded = study.info.get('kind') != Kind.SCORES
  for view, said in clips.predicted.items():
    found = int(said[clip])
    if found < 0 or ('+' in view and view != full):
      continue
    share = float(clips.probabilities[view][clip, found])
    yield Said(
      name='full view' if view == full and '+' in view else view,
      colour=plots.colour(view, full),
      text=classes[found],
      share=share if graded else float('nan'),
      right=found == clips.labels[clip],
    )


def _quoted(name: str) -> str:
  """A class beside a number of votes, from which a digit is to be told."""
  return f'“{name}”' if name[:1].isdigit() or name[:1] in '-−' else name


def _votes(
  study: Study, clips: Clips, clip: int, classes: list[str]
) -> Iterator[Said]:
  full = study.info['full_condition']
  for condition, votes in clips.votes.items():
    found = int(clips.pluralities[condition][clip])
    if found < 0 or ('+' in condition and condition != full):
      continue
    tally = sorted(
      ((_quoted(classes[i]), int(n)) for i, n in enumerate(votes[clip]) if n),
      key=lambda it: -it[1],
    )
    yield Said(
      name='all' if condition == full and '+' in condition else condition,
      colour=plots.colour(condition, full or ''),
      text=classes[found],
      share=tally[0][1] / sum(n for _, n in tally),
      right=found == clips.labels[clip],
      tally=tuple(tally),
      bar=tuple(
        (int(n), i == clips.labels[clip])
        for i, n in enumerate(votes[clip])
        if n
      ),
    )
