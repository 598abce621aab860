"""The clip explorer: the clips themselves, for a reader to sort and search.

The page holds the clips as JSON, columns rather than rows, rounded, with small
numbers for names: 10,000 clips of seven views are a few megabytes. The table
that scripts make of it stands in templates/explorer/; without scripts, and on
paper, the first clips stand in a plain one.
"""

import dataclasses
import json
import os
import pathlib
import urllib.parse
from typing import Any

import numpy as np

from empathy.evaluation import catalogue, plots, wording
from empathy.evaluation.explorer import Clips
from empathy.evaluation.sections import parts
from empathy.evaluation.study import Study

# As many clips as a reader of paper may want.
_PRINTED = 20
_NAMES = {
  'one_minus_confidence': '1 − confidence',
  'one_minus_margin': '1 − margin',
  'gold_probability': 'probability of the label',
  'gold_misled': 'misled',
  'gold_rescued': 'rescued',
  'votes_gs': 'GS of votes',
  'votes_entropy': 'entropy of votes',
  'votes_entropy_miller_madow': 'entropy of votes, corrected',
}
_FLAGS = ('any_disagreement', 'unsupported', 'gold_misled', 'gold_rescued')
_CONFIDENCE, _GS = 'one_minus_confidence', 'votes_gs'


@dataclasses.dataclass(frozen=True)
class Explorer:
  """What the report shows of single clips.

  Attributes:
    order: a sentence that tells which clips come first.
    table: the first clips.
    data: JSON for the page's script, safe inside HTML.
  """

  order: str
  table: parts.Table
  data: str


def explorer(study: Study, folder: pathlib.Path) -> Explorer | None:
  """The clips of a study.

  Args:
    study: what was found.
    folder: where the report will be, which links to media start from.

  Returns:
    None where the study has no clips to show.
  """
  clips = study.clips
  if clips is None or not len(clips.ids):
    return None
  return Explorer(
    order=_order(study, clips),
    table=_table(study, clips),
    data=as_json(_data(study, clips, folder)),
  )


def as_json(value: Any) -> str:
  """JSON that stays text between script tags, whatever it holds."""
  text = json.dumps(
    value, ensure_ascii=False, allow_nan=False, separators=(',', ':')
  )
  # Inside strings, where alone they can be; </script> and <!-- begin with <.
  for character in '<>&\u2028\u2029':
    text = text.replace(character, f'\\u{ord(character):04x}')
  return text


def _order(study: Study, clips: Clips) -> str:
  first = 'those on which annotators differ most'
  if 'any_disagreement' in clips.signals:
    first = f'those on which {parts.some_single(study)} disagrees with the full'
    first += ' one'
    if _CONFIDENCE in clips.signals:
      first += ', the least confident ones first'
  elif _CONFIDENCE in clips.signals:
    first = 'those of which the full view is least confident'
  shown = wording.plural(len(clips.ids), 'clip')
  if clips.num_ranked > len(clips.ids):
    shown = (
      f'The {shown} most in doubt of {wording.count(clips.num_ranked)}; '
      'signals.csv has them all'
    )
  if 'any_disagreement' in clips.signals and _CONFIDENCE not in clips.signals:
    return f'{shown}. First come {first}.'
  return f'{shown}. Most in doubt first: {first}.'


def _table(study: Study, clips: Clips) -> parts.Table:
  """The first clips as a plain table."""
  classes, full = study.info['classes'], study.info['full_view']
  views = [v for v in clips.predicted if '+' not in v or v == full]
  sources = {view: clips.predicted[view] for view in views} or {
    f'votes on {name}': said for name, said in clips.pluralities.items()
  }
  header = [parts.Cell('clip'), parts.Cell('group'), parts.Cell('label')]
  header += [
    parts.Cell(
      name, colour=plots.colour(name, full) if name in views else 'humans'
    )
    for name in sources
  ]
  figures = [
    (_NAMES[name], clips.signals[name])
    for name in (_CONFIDENCE, _GS)
    if name in clips.signals
  ]
  header += [parts.Cell(name, 'number') for name, _ in figures]
  rows = []
  for i in range(min(_PRINTED, len(clips.ids))):
    texts = [clips.ids[i], clips.groups[i]]
    for said in (clips.labels, *sources.values()):
      texts.append(classes[said[i]] if said[i] >= 0 else '')
    cells = [parts.Cell(str(text) or wording.MISSING, 'name') for text in texts]
    cells += [
      parts.Cell(wording.number(float(values[i]), 2), 'number')
      for _, values in figures
    ]
    rows.append(tuple(cells))
  told = 'what views predict' if views else 'what most annotators say'
  return parts.Table(
    caption=(
      f'The {wording.plural(len(rows), "clip")} most in doubt: label, and '
      f'{told}. All of them are in signals.csv, and can be searched where this '
      'page is open in a browser that runs its script.'
    ),
    header=tuple(header),
    rows=tuple(rows),
  )


def _data(study: Study, clips: Clips, folder: pathlib.Path) -> dict[str, Any]:
  """What the page's script is given; lists over clips, in their order."""
  full = study.info['full_view']
  condition = study.info['full_condition']
  views, conditions = list(clips.predicted), list(clips.votes)
  return {
    'classes': [str(name) for name in study.info['classes']],
    'id': clips.ids.tolist(),
    'group': _coded(clips.groups),
    'label': clips.labels.tolist(),
    'views': [
      {
        'name': view,
        'colour': plots.colour(view, full),
        'said': clips.predicted[view].tolist(),
        # Per thousand, one clip after the other; -1 where unknown.
        'shares': _whole(1000 * clips.probabilities[view]),
      }
      for view in views
    ],
    'shares': {
      'labels': 'Labels, % of seeds',
      'samples': 'Labels, % of samples',
      'scores': 'Nearest class, %',
    }.get(study.info.get('kind'), 'Probabilities, %'),
    'full': views.index(full) if full in views else -1,
    'conditions': [
      {
        'name': name,
        'colour': plots.colour(name, condition),
        'said': clips.pluralities[name].tolist(),
        'votes': clips.votes[name].ravel().tolist(),
      }
      for name in conditions
    ],
    'fullCondition': (
      conditions.index(condition) if condition in conditions else -1
    ),
    'contested': clips.contested.astype(int).tolist(),
    'signals': [
      {
        'key': name,
        'name': _words(name),
        'kind': _kind(name),
        'values': _rounded(values),
      }
      for name, values in clips.signals.items()
      # It is seen in what views say.
      if not _is_of_a_view(name)
    ],
    'dominant': _coded(clips.dominant),
    'transcript': _coded(clips.transcripts),
    'media': {
      kind: addresses(paths, clips.starts, clips.ends, folder)
      for kind, paths in clips.media.items()
    },
  }


def _words(signal: str) -> str:
  return _NAMES.get(signal) or parts.signal(signal)


def _is_of_a_view(signal: str) -> bool:
  """Whether it says that one view disagrees."""
  found = catalogue.signal(signal)
  return found is not None and found.entry.binary and 'view' in found.parts


def _kind(signal: str) -> str:
  """How to write a signal: `flag` is yes or no, `count` whole, or `figure`."""
  if signal in _FLAGS:
    return 'flag'
  return 'count' if signal.startswith('num_') else 'figure'


def _whole(values: np.ndarray) -> list[int]:
  """Whole numbers, -1 for NaN."""
  return np.nan_to_num(np.round(values), nan=-1).astype(int).ravel().tolist()


def _rounded(values: np.ndarray) -> list[float | int | None]:
  """Four decimals, None for NaN; whole numbers are written as such."""
  known = ~np.isnan(values)
  short = np.round(np.where(known, values, 0), 4)
  whole = short == np.trunc(short)
  short = np.where(whole, short.astype(int).astype(object), short)
  return np.where(known, short, None).tolist()


def _coded(texts: np.ndarray) -> dict[str, list]:
  """Texts as places in a list of the different ones."""
  texts = texts.tolist()
  place = {text: i for i, text in enumerate(dict.fromkeys(texts))}
  return {'names': list(place), 'places': [place[text] for text in texts]}


def addresses(
  paths: np.ndarray, starts: np.ndarray, ends: np.ndarray, folder: pathlib.Path
) -> dict[str, Any]:
  """Relative URLs of media files, None where there is none.

  Args:
    paths: (N,) absolute paths, or ''.
    starts: (N,) seconds as text, or ''.
    ends: likewise.
    folder: what the URLs are relative to.

  Returns:
    `base`, which all URLs begin with, and `rest`, how each goes on; they end
    with `#t=start,end`, where those are known.
  """
  parents: dict[str, str] = {}
  rest = []
  here = os.path.abspath(folder)
  for path, start, end in zip(
    paths.tolist(), starts.tolist(), ends.tolist(), strict=True
  ):
    if not path:
      rest.append(None)
      continue
    parent, name = os.path.split(path)
    if parent not in parents:
      # Quoted, no part of it can be taken for a scheme or a fragment.
      relative = os.path.relpath(parent, here)
      parents[parent] = f'{urllib.parse.quote(relative)}/'
    address = parents[parent] + urllib.parse.quote(name)
    if start or end:
      times = [round(float(time), 3) for time in (start or '0', end) if time]
      address += '#t=' + ','.join(map(str, times))
    rest.append(address)
  there = [address for address in rest if address is not None]
  # Characters, not folders: names of files often begin alike, too.
  base = os.path.commonprefix(there)  # noqa: RUF071
  return {'base': base, 'rest': [it and it[len(base) :] for it in rest]}
