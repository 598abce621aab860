"""Ratings by people, as spreadsheets and annotation tools hold them.

Read are tables of text, and JSON Lines as Prodigy and POTATO write them:

  long    a row a rating: what was rated, by whom, the rating; perhaps the
          condition and a count, and several ratings of different things, or
          a column `dimension` that says of what this one is
  wide    a row an item, and a column a rater: `annotator_1`, `Rater B`; or one
          for each rater and label: `R1 empathy`, `distress_R2`

Columns are known by usual names, or told. What remains, and is the same in all
rows of an item or of a rater, tells of that item or rater and is no rating.

A choice of several options (`schema:::option` in POTATO's tables, a list in
JSON) becomes a label `yes` or `no` for each option.
"""

import collections
import dataclasses
import json
import math
import pathlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import declared, grouping, ratings, spelling, tables

# Usual names, without case and signs; the first that is there.
_WORDS = {
  'item': (
    *('id', 'item', 'itemid', 'clip', 'clipid', 'clipname', 'file', 'filename'),
    *('filepath', 'path', 'video', 'videoid', 'videoname', 'audio', 'audioid'),
    *('instance', 'instanceid', 'utterance', 'utteranceid', 'uttid', 'segment'),
    *('segmentid', 'stimulus', 'stimulusid', 'sample', 'sampleid', 'example'),
    *('exampleid', 'unit', 'unitid', 'task', 'taskid', 'document', 'docid'),
    *('textid', 'inputid', 'inputhash', 'taskhash', 'name'),
  ),
  'annotator': (
    *('annotator', 'annotatorid', 'annotatorname', 'rater', 'raterid'),
    *('ratername', 'worker', 'workerid', 'coder', 'coderid', 'judge'),
    *('judgeid', 'evaluator', 'evaluatorid', 'labeler', 'labeller', 'expert'),
    *('user', 'userid', 'username', 'completedby', 'createdby', 'email'),
    *('sessionid', 'participant', 'participantid', 'respondent'),
    *('respondentid', 'subject', 'subjectid'),
  ),
  'condition': (
    *('condition', 'modality', 'modalities', 'presentation', 'mode', 'shown'),
    'presentationmode',
  ),
  'count': ('count', 'numvotes', 'nvotes', 'votes', 'frequency', 'freq'),
  'label': (
    *('label', 'labels', 'rating', 'score', 'vote', 'annotation', 'answer'),
    *('response', 'choice', 'judgment', 'judgement', 'class', 'category'),
    'value',
  ),
  'transcript': (
    *('transcript', 'transcription', 'text', 'utterance', 'sentence'),
    *('displayedtext', 'content'),
  ),
  'dimension': ('dimension',),
  'raters': (),
  'group': (),
}
# What spreadsheets are ended with, in the place of an item.
_TOTALS = frozenset(
  (
    *('mean', 'average', 'avg', 'total', 'totals', 'grandtotal', 'sum'),
    *('median', 'mode', 'sd', 'std', 'stdev', 'stddev', 'variance', 'min'),
    *('max', 'count', 'n', 'mittelwert', 'summe', 'gesamt', 'moyenne', 'media'),
  )
)
# What `--columns` can tell of them.
COLUMNS = tuple(_WORDS)
_SEVERAL = ('label', 'raters')
_RATER = re.compile(
  r'(?:annotator|annot|ann|rater|coder|judge|worker|expert|evaluator|labell?er|'
  r'reviewer|user|person|participant|vote|label|rating|score|response|answer|'
  r'a|r)[ _.#-]*(\d+|[a-z])'
)
_IDLE = re.compile(
  r'(time|date|duration|leadtime|seconds|created|updated|submitted|start|end|'
  r'comment|note|remark|hash|viewid|sessionid|isbinary|version|row|index|'
  r'split|fold|url|priority|confidence)'
)
_OPTION = ':::'
_NO = frozenset(('0', '0.0', 'false', 'no', 'off'))
# More kinds of answer are free text.
_MOST_ANSWERS = 50
# So many have to be numbers for a column to be one of numbers.
_NUMBERS = 0.9
# So many answers, and more than two different ones, for others to be faults.
_MOSTLY = 0.5
# What people call what they showed.
_SHOWN = {
  **dict.fromkeys(
    (
      'text',
      't',
      'txt',
      'transcript',
      'words',
      'language',
      'verbal',
      'lexical',
    ),
    ('text',),
  ),
  **dict.fromkeys(
    ('audio', 'a', 'sound', 'voice', 'speech', 'acoustic', 'vocal'), ('audio',)
  ),
  **dict.fromkeys(
    (
      *('video', 'v', 'visual', 'vision', 'face', 'pictures', 'silent video'),
      'video only',
    ),
    ('video',),
  ),
  **dict.fromkeys(
    ('av', 'va', 'a/v', 'audiovisual', 'audio-visual', 'audio visual'),
    ('audio', 'video'),
  ),
  **dict.fromkeys(('tav', 'tva', 'atv', 'avt'), corpus_lib.MODALITIES),
}
_ALL = frozenset(('all', 'full', 'multimodal', 'everything', 'm'))


@dataclasses.dataclass(frozen=True)
class Sheet:
  """Ratings of one table.

  Attributes:
    table: a row a rating, with the columns `id`, those of `condition`,
      `annotator` and `count` that are there, the labels and what else there is.
    labels: by name of each label, its column.
    transcript: the column that holds what was said; None without.
    group: the column that tells the group; None without.
  """

  table: tables.Table
  labels: Mapping[str, str]
  transcript: str | None
  group: str | None


def told(
  flag: Iterable[str], known: Sequence[str] = COLUMNS
) -> dict[str, list[str]]:
  """What `--columns` says: `item=clip`, `label=empathy|distress`.

  Args:
    flag: its parts.
    known: what columns can be.

  Raises:
    InputError: it says it otherwise.
  """
  found: dict[str, list[str]] = {}
  for part in flag:
    what, equals, names = part.partition('=')
    what = {'id': 'item'}.get(what.strip(), what.strip())
    columns = [spelling.clean(name) for name in names.split('|')]
    if not equals or what not in known or not all(columns) or what in found:
      raise errors.InputError(
        f'--columns: {part!r}: expected NAME=COLUMN, NAME once of '
        f'{", ".join(known)}'
      )
    if len(columns) > 1 and what not in _SEVERAL:
      raise errors.InputError(f'--columns: {part!r}: expected one column')
    found[what] = columns
  return found


def load(path: pathlib.Path) -> tables.Table:
  """Reads a table of text or JSON Lines."""
  if path.suffix.lower() in ('.jsonl', '.ndjson'):
    return _of_lines(path)
  known = [name for words in _WORDS.values() for name in words]
  return tables.Table(path, (), known)


def read(
  table: tables.Table,
  columns: Mapping[str, Sequence[str]],
  labels: Sequence[str] = (),
  alone: bool = False,
) -> Sheet:
  """Finds out which columns are what.

  Args:
    table: as `load` reads it.
    columns: as `told` says.
    labels: the names of labels that there are, whose columns hold ratings.
    alone: whether the table is of one rater, if no column names one.

  Raises:
    InputError: it is not clear.
  """
  if _key('answer') in map(_key, table.columns):
    table = _of_prodigy(table)
  table = _with_options(table)
  names = list(table.columns)
  spelt = {name.casefold(): name for name in names}
  chosen: dict[str, list[str]] = {}
  split: dict[str, dict[str, str]] = {}
  for what, its in columns.items():
    missing = [name for name in its if name.casefold() not in spelt]
    if missing and what == 'raters' and len(missing) == len(its):
      split = _split_columns(table, names, its)
      if split:
        continue
    if missing:
      raise errors.InputError(
        f'{table.path}: column {missing[0]!r}, which --columns names, is not '
        f'there; found {_listed(names)}'
      )
    chosen[what] = [spelt[name.casefold()] for name in its]
  told_of = {name for its in chosen.values() for name in its}
  left = [name for name in names if name not in told_of]
  for what in ('item', 'annotator', 'condition', 'count', 'dimension'):
    if what in chosen or (
      what == 'annotator' and ('raters' in chosen or split)
    ):
      continue
    name = _first(left, _WORDS[what])
    if name is not None:
      chosen[what] = [name]
      left.remove(name)
  if 'item' not in chosen:
    names_of = [name for name in left if _key(name).endswith('id')]
    if len(names_of) == 1:
      chosen['item'] = names_of
      left.remove(names_of[0])
      table.notes.append(
        f'{table.path}: column {names_of[0]!r} is taken for what was rated'
      )
  if 'item' not in chosen:
    raise errors.InputError(
      f'{table.path}: which column names what was rated? Found '
      f'{_listed(names)}; say --columns=item=NAME'
    )
  item = chosen['item'][0]
  _refuse_totals(table, item, chosen.get('annotator'))
  if 'raters' not in chosen and not {'annotator', 'label'} & set(chosen):
    found = [] if split else raters(left)
    if found:
      chosen['raters'] = found
    elif not split:
      split = _split_columns(table, left)
  if split:
    table, made = _long_split(table, split)
    chosen |= {'annotator': ['annotator'], 'label': made}
    left = [name for name in left if name in table.columns]
  elif 'raters' in chosen:
    table = _long(table, chosen['raters'])
    chosen |= {'annotator': ['annotator'], 'label': ['label']}
    known = {name for its in chosen.values() for name in its}
    left = [name for name in table.columns if name not in known]
  if 'dimension' in chosen:
    table, chosen['label'] = _of_dimensions(
      table, chosen['dimension'][0], chosen.get('label', left)
    )
    left = [name for name in left if name in table.columns]
  if 'annotator' not in chosen and not alone:
    table.notes.append(
      f'{table.path}: no column annotator: who voted is not known'
    )
  known = {*map(_key, labels)}
  if known and 'label' not in chosen:
    rated = [name for name in left if _key(name) in known]
    chosen |= {'label': rated} if rated else {}
  if 'label' not in chosen:
    chosen['label'] = _labels(table, left, item, chosen.get('annotator'), alone)
  left = [name for name in left if name not in chosen['label']]
  found = {'id': table.columns[item]}
  origin = {'id': [item] * len(table)}
  for what in ('annotator', 'condition', 'count'):
    if what in chosen:
      found[what] = table.columns[chosen[what][0]]
      origin[what] = chosen[what] * len(table)
  by_name = {_label(name): name for name in chosen['label']}
  if len(by_name) < len(chosen['label']):
    raise errors.InputError(
      f'{table.path}: columns {_listed(chosen["label"])} have one name but for '
      'signs'
    )
  left += chosen.get('transcript', []) + chosen.get('group', [])
  for name in (*chosen['label'], *left):
    # A name of ours that is taken belongs to what was chosen.
    if name not in found:
      found[name] = table.columns[name]
      origin[name] = table.origin.get(name, [name] * len(table))
  return Sheet(
    table.taken(range(len(table)), found, origin),
    by_name,
    chosen.get('transcript', [_first(left, _WORDS['transcript'])])[0],
    chosen['group'][0] if 'group' in chosen else _group(table, left, item),
  )


def raters(names: Sequence[str]) -> list[str]:
  """The columns of raters, `annotator_1`, `Rater B`, if there are several."""
  found = [name for name in names if _is_rater(name, names)]
  return found if len(found) > 1 else []


def of_raters(table: tables.Table) -> list[str]:
  """The columns of several raters, of one label or, if none is given, more."""
  names = list(table.columns)
  found = raters(names)
  if found or any(re.match(r'(label|score)(\.|$)', name) for name in names):
    return found
  split = _split_columns(table, names)
  return [name for labels in split.values() for name in labels.values()]


def shown(text: str, modalities: Sequence[str]) -> str:
  """The condition that `--shown` tells, '' without it.

  Raises:
    InputError: it names something else than text, audio and video.
  """
  name = condition(text, modalities) if text else ''
  if not set(name.split('+')) <= {*corpus_lib.MODALITIES, ''}:
    raise errors.InputError(
      f'--shown: {text!r}: expected text, audio and video joined by +'
    )
  return name


def suppose_condition(
  table: tables.Table, told: str, modalities: Sequence[str], supposed: str
) -> None:
  """Gives a table without a column of conditions the one that all were in.

  Args:
    table: of votes.
    told: what `--shown` says, '' without it.
    modalities: what `all` and `both` mean.
    supposed: what it is if that is not told.

  Raises:
    InputError: it is told, and there is such a column.
  """
  what = shown(told, modalities)
  if 'condition' in table.columns:
    if told:
      raise errors.InputError(
        f'--shown: {table.path} has a column of conditions'
      )
    return
  if not told:
    table.notes.append(
      f'{table.path}: no column condition: votes are taken to be on '
      f'{supposed!r}; --shown=... would say otherwise'
    )
  table.columns['condition'] = [what or supposed] * len(table)


def condition(text: str, modalities: Sequence[str]) -> str:
  """The condition that people mean: `AV`, `sound`, `Video + text`, `all`.

  Args:
    text: as it is written.
    modalities: what `all` and `both` mean.
  """
  whole = spelling.clean(text).casefold()
  if whole in _ALL:
    return corpus_lib.view_name(modalities)
  if whole == 'both':
    both = modalities if len(modalities) == 2 else ('audio', 'video')
    return corpus_lib.view_name(both)
  parts = [whole]
  if whole not in _SHOWN:
    parts = re.split(r'\s*[+&,;_]\s*', whole)
    if len(parts) == 1:
      parts = re.split(r'[-\s/]+(?:and\s+)?', whole)
    parts = [part for part in parts if part != 'only']
  if all(part in _SHOWN for part in parts):
    shown = {name for part in parts for name in _SHOWN[part]}
    return corpus_lib.view_name(shown)
  return corpus_lib.condition_name(text)


def means_all(text: str) -> bool:
  """Whether a condition is that of all modalities, whichever there are."""
  return spelling.clean(text).casefold() in {*_ALL, 'both'}


def declare(
  texts: Iterable[str], scale: Sequence[float], place: str
) -> dict[str, Any]:
  """What kind of label answers are of: the keys for `corpus.json`.

  Where most are numbers, so is the label; others will be faults.

  Args:
    texts: all answers.
    scale: the ends of the scale; () where it is not known.
    place: the file and the column, for messages.

  Raises:
    InputError: there are less than two answers.
  """
  texts = [text for text in texts if not spelling.is_missing(text)]
  numbers, own = [], []
  for text in texts:
    try:
      numbers.append(tables.number(text))
      own.append(text)
    except ValueError:
      continue
  least = _MOSTLY if len(set(numbers)) > 2 else _NUMBERS
  if len(numbers) < max(1, (0 if scale else least) * len(texts)):
    return ratings.inferred(spelling.unified(texts).values, place)
  if not scale and len(set(numbers)) == 2 and any(n % 1 for n in numbers):
    return {'scale': [math.floor(min(numbers)), math.ceil(max(numbers))]}
  return ratings.inferred(spelling.unified(own).values, place, scale)


def check_answers(
  table: tables.Table, column: str, keys: Mapping[str, Any]
) -> None:
  """Notes as a fault what are no answers to choose from."""
  number = len(keys.get('classes', ()))
  if number > _MOST_ANSWERS:
    table.faults.add(
      f'{table.path}: column {column!r}: {number:,} different answers look '
      'like free text; which column holds ratings? Say --columns=label=NAME'
    )


def votes(
  one: Sheet,
  name: str,
  clip: Sequence[int | None],
  info: Mapping[str, Any],
) -> corpus_lib.Votes:
  """The votes of a table, whose faults are noted in it.

  Args:
    one: ratings, with a column `condition` that holds conditions.
    name: of the label.
    clip: the number of the clip of each row, None where that is a fault.
    info: of the corpus with this label.
  """
  column, table = one.labels[name], one.table
  ours = 'label' if declared.values_of(info) is None else 'score'
  known = ('id', 'condition', 'annotator', 'count')
  columns = {k: table.columns[k] for k in known if k in table.columns}
  origin = {k: table.origin[k] for k in known if k in table.origin}
  origin[ours] = table.origin.get(column, [column] * len(table))
  view = table.taken(
    range(len(table)), columns | {ours: table.columns[column]}, origin
  )
  if len(one.labels) > 1:
    info = {**info, declared.NAME: name}
  return corpus_lib.read_votes(
    view, clip, info['classes'], info['conditions'], info
  )


def given(
  table: tables.Table, column: str, info: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray | None]:
  """Labels and scores that a column gives, as `corpus.read_labels` does."""
  ours = 'label' if declared.values_of(info) is None else 'score'
  view = table.taken(
    range(len(table)),
    {ours: table.columns[column]},
    {ours: [column] * len(table)},
  )
  return corpus_lib.read_labels(view, info)


def _key(name: str) -> str:
  return re.sub(r'[\W_]', '', spelling.clean(name)).casefold()


def _label(column: str) -> str:
  return ratings.label_name(re.sub(r'^(label|score)\.', '', column))


def _listed(names: Sequence[str]) -> str:
  shown = ', '.join(map(repr, names[:8]))
  return shown + (', ...' if len(names) > 8 else '')


def _first(names: Sequence[str], words: Sequence[str]) -> str | None:
  keys = {_key(name): name for name in reversed(names)}
  return next((keys[word] for word in words if word in keys), None)


def _is_rater(name: str, others: Sequence[str]) -> bool:
  """`annotator_1`, or `Rater B` where there is an A too."""
  found = _RATER.fullmatch(spelling.clean(name).casefold())
  if not found:
    return False
  if found[1].isdigit():
    return True
  first = spelling.clean(name)[:-1].casefold() + 'a'
  return first in [spelling.clean(other).casefold() for other in others]


def _split_columns(
  table: tables.Table, names: Sequence[str], raters: Sequence[str] = ()
) -> dict[str, dict[str, str]]:
  """By rater and label the columns such as `R1 empathy` or `empathy (R1)`.

  Args:
    table: that they are of.
    names: columns that they may be.
    raters: the names of raters; () for `R1`, `annotator 2` and the like.

  Returns:
    Labels that have answers of two raters; none if there are no such columns.
  """
  rater = '|'.join(map(re.escape, raters)) or _RATER.pattern
  best: dict[str, dict[str, str]] = {}
  for form in (
    rf'(?P<rater>{rater})[ _.:/-]+(?P<label>\S.*)',
    rf'(?P<label>.*\S)(?:[ _.:/-]+|[ _.:/-]*[(\[])(?P<rater>{rater})[)\]]?',
  ):
    parts = [
      (re.fullmatch(form, spelling.clean(name), re.IGNORECASE), name)
      for name in names
    ]
    whose = {own['rater'] for own, _ in parts if own}
    by_label: dict[str, dict[str, str]] = collections.defaultdict(dict)
    spelt: dict[str, str] = {}
    for own, name in parts:
      if own and (raters or _is_rater(own['rater'], whose)):
        key = _key(own['label'])
        if key and not _IDLE.match(key):
          spelt.setdefault(key, ratings.label_name(own['label']))
          by_label[key].setdefault(own['rater'], name)
    found: dict[str, dict[str, str]] = {}
    for key, columns in by_label.items():
      cells = [
        text for name in columns.values() for text in table.columns[name]
      ]
      if len(columns) > 1 and (raters or _are_answers(cells)):
        for who, name in columns.items():
          found.setdefault(who, {})[spelt[key]] = name
    if sum(map(len, found.values())) > sum(map(len, best.values())):
      best = found
  return best


def _long_split(
  table: tables.Table, split: Mapping[str, Mapping[str, str]]
) -> tuple[tables.Table, list[str]]:
  """A row for each rater who has rated, a column a label, and their names."""
  labels = list(dict.fromkeys(name for own in split.values() for name in own))
  used = [name for own in split.values() for name in own.values()]
  rows, who = [], []
  for row in range(len(table)):
    for rater, own in split.items():
      cells = [table.columns[name][row] for name in own.values()]
      if not all(map(spelling.is_missing, cells)):
        rows.append(row)
        who.append(rater)
  if not rows:
    raise errors.InputError(f'{table.path}: no ratings in {_listed(used)}')
  columns, origin = {}, {'annotator': who}
  for name, values in table.columns.items():
    if name not in used:
      own = f'given_{name}' if name == 'annotator' else name
      columns[own] = [values[row] for row in rows]
  columns['annotator'] = who
  made = []
  for label in labels:
    made.append(f'label.{label}')
    origin[made[-1]] = [split[rater].get(label, '') for rater in who]
    columns[made[-1]] = [
      table.columns[name][row] if name else ''
      for row, name in zip(rows, origin[made[-1]], strict=True)
    ]
  table.notes.append(
    f'{table.path}: columns {_listed(used)} are taken for the ratings of '
    f'{", ".join(split)} on {", ".join(labels)}'
  )
  return table.taken(rows, columns, origin), made


def _long(table: tables.Table, raters: Sequence[str]) -> tables.Table:
  """A row for each rater who has rated."""
  rows, who = [], []
  for row in range(len(table)):
    for name in raters:
      if not spelling.is_missing(table.columns[name][row]):
        rows.append(row)
        who.append(name)
  if not rows:
    raise errors.InputError(
      f'{table.path}: no ratings in the columns {_listed(raters)}'
    )
  columns = {}
  for name, values in table.columns.items():
    if name not in raters:
      # What the item is said to be is no vote.
      own = f'given_{name}' if name in ('annotator', 'label') else name
      columns[own] = [values[row] for row in rows]
  columns |= {
    'annotator': who,
    'label': [
      table.columns[name][row] for row, name in zip(rows, who, strict=True)
    ],
  }
  table.notes.append(
    f'{table.path}: columns {_listed(raters)} are taken for raters'
  )
  return table.taken(rows, columns, {'label': who, 'annotator': who})


def _refuse_totals(
  table: tables.Table, item: str, annotator: Sequence[str] | None
) -> None:
  """Raises if the last rows are a spreadsheet's means or sums."""
  names = table.columns[item]
  who = table.columns[annotator[0]] if annotator else [''] * len(table)
  row = len(table)
  while (
    row
    and _key(names[row - 1]) in _TOTALS
    and spelling.is_missing(who[row - 1])
  ):
    row -= 1
  if 0 < row < len(table) and (not annotator or any(map(str.strip, who))):
    table.fault(
      row,
      item,
      f'{names[row]!r} looks like a mean or a sum of the rows above; leave it '
      'out',
    )
    table.faults.raise_all()


def _of_dimensions(
  table: tables.Table, dimension: str, names: Sequence[str]
) -> tuple[tables.Table, list[str]]:
  """A label of each dimension, and their columns.

  Args:
    table: a row a rating of one dimension.
    dimension: the column that names it.
    names: columns, one of which holds the ratings.
  """
  rating = _first(names, _WORDS['label'])
  if rating is None and len(names) == 1:
    (rating,) = names
  if rating is None:
    raise errors.InputError(
      f'{table.path}: which column holds the ratings of each {dimension!r}? '
      f'Found {_listed(names)}; say --columns=label=NAME'
    )
  kinds = table.things(dimension, needed=True)
  columns, origin = dict(table.columns), dict(table.origin)
  del columns[dimension]
  values = columns.pop(rating)
  where = origin.pop(rating, [rating] * len(table))
  made = []
  for kind in dict.fromkeys(filter(None, kinds)):
    made.append(f'label.{kind}')
    columns[made[-1]] = [
      text if own == kind else ''
      for text, own in zip(values, kinds, strict=True)
    ]
    origin[made[-1]] = where
  return table.taken(range(len(table)), columns, origin), made


def _labels(
  table: tables.Table,
  names: Sequence[str],
  item: str,
  annotator: Sequence[str] | None,
  alone: bool,
) -> list[str]:
  """The columns that hold ratings: by name, or what can be nothing else."""
  dotted = [name for name in names if re.match(r'(label|score)\.\S', name)]
  if dotted:
    # A score is exact where the label is its bin.
    return [
      name
      for name in dotted
      if name.startswith('score.') or f'score.{name[6:]}' not in dotted
    ]
  name = _first(names, _WORDS['label'])
  if name is not None:
    exact = _first(names, ('score',))
    both = [name] if exact is None else [name, exact]
    if len(both) > 1 and all(_are_numbers(table.columns[n]) for n in both):
      return [exact]
    return [name]
  found = []
  if annotator or alone:
    items = table.columns[item]
    raters = table.columns[annotator[0]] if annotator else items
    found = [
      name
      for name in names
      if not _IDLE.match(_key(name))
      and _key(name) not in _WORDS['transcript']
      and not _tells_of(table.columns[name], items)
      and not _tells_of(table.columns[name], raters)
      and _are_answers(table.columns[name])
    ]
  if not found:
    raise errors.InputError(
      f'{table.path}: which columns hold ratings? Found {_listed(names)}; say '
      '--columns=label=NAME, or for a column a rater --columns=raters=A|B '
      "(also where columns are called 'A empathy', 'B empathy' and so on), or "
      'for several labels --columns=label=A|B'
    )
  table.notes.append(
    f'{table.path}: columns {_listed(found)} are taken for ratings'
  )
  return found


def _tells_of(values: Sequence[str], things: Sequence[str]) -> bool:
  """Whether it is the same in all rows of a thing, some with several."""
  pairs = set(zip(things, values, strict=True))
  return len(pairs) == len(set(things)) < len(things)


def _are_answers(values: Sequence[str]) -> bool:
  there = [value for value in values if not spelling.is_missing(value)]
  return _are_numbers(values) or bool(
    there
    and len({spelling.key(value) for value in there}) <= _MOST_ANSWERS
    and (len(set(there)) < len(there) or len(there) == 1)
  )


def _are_numbers(values: Sequence[str]) -> bool:
  """Whether nearly all that are there are."""
  there = [value for value in values if not spelling.is_missing(value)]
  numbers = sum(spelling.number(value) is not None for value in there)
  return numbers >= max(1, _NUMBERS * len(there))


def _group(table: tables.Table, names: Sequence[str], item: str) -> str | None:
  """A column of persons or conversations, which belongs to the items."""
  items = [spelling.clean(text) for text in table.columns[item]]
  its = {
    name: spelling.unified(table.columns[name]).values
    for name in grouping.candidates(list(names))
  }
  its = {
    name: values
    for name, values in its.items()
    if len(set(zip(items, values, strict=True))) == len(set(items))
  }
  return grouping.best(its)[0] if its else None


def _with_options(table: tables.Table) -> tables.Table:
  """Makes one column of those that are `schema:::option`, or yes and no."""
  schemas = collections.defaultdict(list)
  for name in table.columns:
    if _OPTION in name:
      schemas[name.partition(_OPTION)[0]].append(name)
  if not schemas:
    return table
  columns, origin = dict(table.columns), dict(table.origin)
  for schema, names in schemas.items():
    cells = [columns.pop(name) for name in names]
    options = [name.partition(_OPTION)[2] for name in names]
    ticked = [
      [
        not spelling.is_missing(text) and text.strip().casefold() not in _NO
        for text in row
      ]
      for row in zip(*cells, strict=True)
    ]
    answered = [
      any(text.strip() for text in row) for row in zip(*cells, strict=True)
    ]
    if (
      len(names) == 1
      or max(map(sum, ticked)) > 1
      or not all(
        sum(row) for row, there in zip(ticked, answered, strict=True) if there
      )
    ):
      for place, name in enumerate(names):
        columns[f'label.{schema}.{options[place]}'] = [
          ('yes' if row[place] else 'no') if there else ''
          for row, there in zip(ticked, answered, strict=True)
        ]
        origin[f'label.{schema}.{options[place]}'] = [name] * len(table)
      continue
    columns[f'label.{schema}'] = [
      options[row.index(True)] if any(row) else '' for row in ticked
    ]
    origin[f'label.{schema}'] = [schema] * len(table)
  return table.taken(range(len(table)), columns, origin)


def _of_prodigy(table: tables.Table) -> tables.Table:
  """Takes `answer` for what it is there: whether the rest is an answer."""
  keys = {_key(name): name for name in table.columns}
  answers = [text.strip() for text in table.columns[keys['answer']]]
  if not {*answers} <= {'accept', 'reject', 'ignore'}:
    return table
  choices = [
    name
    for name in table.columns
    if _key(name) == 'accept' or name.startswith(f'accept{_OPTION}')
  ]
  kept = [
    row
    for row, answer in enumerate(answers)
    if answer == 'accept' or (answer == 'reject' and not choices)
  ]
  if len(kept) < len(answers):
    left = spelling.counted(len(answers) - len(kept), 'row')
    table.notes.append(
      f'{table.path}: left out: {left} without an accepted answer'
    )
  if not kept:
    raise errors.InputError(f'{table.path}: no row was accepted')
  columns = {
    name: [values[row] for row in kept]
    for name, values in table.columns.items()
    if name != keys['answer']
  }
  origin = {}
  if not choices:
    # A task of yes or no, for each of several labels perhaps.
    labels = columns.pop(keys.get('label', ''), [''] * len(kept))
    for label in dict.fromkeys(labels):
      column = f'label.{label}' if label else 'label'
      columns[column] = [
        answers[row] if own == label else ''
        for row, own in zip(kept, labels, strict=True)
      ]
      origin[column] = [keys['answer']] * len(kept)
  elif choices == ['accept']:
    columns['label'] = columns.pop('accept')
    origin['label'] = ['accept'] * len(kept)
  return table.taken(kept, columns, origin)


def _of_lines(path: pathlib.Path) -> tables.Table:
  """Reads JSON Lines: an object a line, whose keys are columns."""
  text, _ = tables.text(path)
  rows, lines, faults = [], [], errors.Faults()
  for number, line in enumerate(text.splitlines(), 1):
    if not line.strip():
      continue
    try:
      found = json.loads(line)
      if not isinstance(found, dict):
        raise ValueError
      rows.append(_flat(found))
      lines.append(number)
    except (ValueError, RecursionError):
      faults.add(f'{path}:{number}: is not a JSON object', number, 'JSON')
  if not rows and not faults:
    faults.add(f'{path}: has no rows')
  faults.raise_all()
  names = list(dict.fromkeys(name for row in rows for name in row))
  columns = {}
  for name in names:
    values = [row.get(name, '') for row in rows]
    lists = [value for value in values if isinstance(value, list)]
    if not lists:
      columns[name] = values
    elif all(len(value) == 1 for value in lists):
      columns[name] = [
        value[0] if isinstance(value, list) else value for value in values
      ]
    else:
      for option in dict.fromkeys(text for value in lists for text in value):
        columns[f'{name}{_OPTION}{option}'] = [
          str(int(option in value)) if isinstance(value, list) else ''
          for value in values
        ]
  return tables.Table.of(path, columns, lines)


def _flat(found: Mapping[str, Any], before: str = '') -> dict[str, Any]:
  """Texts, and lists of texts, by name; what else there is has no name."""
  flat: dict[str, Any] = {}
  for key, value in found.items():
    name = f'{before}{key}'
    if (
      isinstance(value, dict)
      and value
      and all(isinstance(own, bool) for own in value.values())
    ):
      flat[name] = [option for option, own in value.items() if own]
    elif isinstance(value, dict):
      flat |= _flat(value, f'{name}.')
    elif isinstance(value, list):
      if all(isinstance(own, str | int | float) for own in value):
        flat[name] = [str(own) for own in value]
    elif isinstance(value, bool):
      flat[name] = str(value).lower()
    else:
      flat[name] = '' if value is None else str(value)
  return flat
