"""Corpora of Learning with Disagreements (LeWiDi), with annotators' ids.

Reads a set of the second or third edition (SemEval 2023 task 11, Leonardelli et
al. 2023; NLPerspectives 2025; github.com/Le-Wi-Di/le-wi-di.github.io at commit
45d7b06): `<set>_train.json`, `<set>_dev.json` and `<set>_test.json`, each an
object of items by id. Texts alone, and votes of annotators who read them:

  2025   `annotations` is an object, annotator by annotator; several labels in
         one, as in `entailment,neutral`, make each class a label of its own,
         yes or no
  2023   `annotations` and `annotators` are lists between commas, and the label
         is `hard_label`. The abuse of ConvAbuse, -3 to 1, is two labels:
         `severity`, and `abuse`, which is 1 below 0, as the organisers count

Without `hard_label` a clip's label is what its annotators say. `soft_label` is
compared with the votes, and where it differs that is said. The split is that of
the organisers, if there are train, dev and test. Items with one context, post,
first question or conversation are a group.

`number of annotators`, which is missing in places, `annotators` of 2025, which
may name one twice, and `<set>_annotators_meta.json`, some of which are no valid
JSON, are not needed and not read.
"""

import collections
import json
import logging
import pathlib
import reprlib
from collections.abc import Mapping
from typing import Any

from empathy import errors, files
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import published, ratings, spelling

# Of a file that may be given in place of the folder.
SUFFIXES = ('.json',)
_SPLITS = ('train', 'dev', 'test')
_META = '_annotators_meta'
_CONDITION = 'text'
# All that annotators could say, though nobody may have.
_VALUES = {
  'sarcasm detection': range(1, 7),
  'paraphrase detection': range(-5, 6),
}
_ABUSE = 'abusive language detection'
# Texts that several items share, and their conversation.
_SHARED = ('context', 'post', 'Question1')
_CONVERSATION = ('conversation_id', 'conversation_id(s)', 'conversation_ids')
# Published shares have two or three decimals.
_ROUNDING = 0.011
_LOGGER = logging.getLogger('empathy')


def read(
  source: pathlib.Path,
) -> corpus_lib.Corpus | dict[str, corpus_lib.Corpus]:
  """Reads a set.

  Args:
    source: the folder that holds its files, or one of them.

  Returns:
    The clips in the order of train, dev and test; by name of the label where
    there are several.

  Raises:
    InputError: something is missing or wrong; each kind of fault has a line.
  """
  reader = _Reader(source)
  for split, path in _paths(source).items():
    reader.read(path, split)
  return reader.corpora()


def _paths(source: pathlib.Path) -> dict[str, pathlib.Path]:
  """The file of each split, in their order."""
  paths = [source]
  if source.is_dir():
    paths = [
      path
      for path in source.glob('*.json')
      if path.name[0] != '.' and _META not in path.stem
    ]
  found: dict[str, list[pathlib.Path]] = {}
  for path in sorted(paths):
    split = path.stem.rpartition('_')[2].casefold()
    if split in _SPLITS:
      found.setdefault(split, []).append(path)
  if not found:
    raise errors.InputError(
      f'{source}: expected SET_train.json, SET_dev.json or SET_test.json'
    )
  errors.raise_faults(
    [
      f'{source}: {", ".join(path.name for path in own)}: several sets; give '
      'a folder with one'
      for own in found.values()
      if len(own) > 1
    ][:1]
  )
  return {split: found[split][0] for split in _SPLITS if split in found}


class _Reader:
  """Gathers items, and faults by kind."""

  def __init__(self, source: pathlib.Path):
    self._source = source
    self._faults = errors.Faults()
    self._keys: list[tuple[str, str]] = []  # Of split and item.
    self._texts: list[Mapping[str, str]] = []
    self._groups: list[str] = []
    self._more: list[dict[str, str]] = []
    self._said: list[tuple[int, str, list[str]]] = []
    self._hard: list[str] = []
    self._soft: list[Mapping[str, Any]] = []
    self._tasks: collections.Counter = collections.Counter()

  def read(self, path: pathlib.Path, split: str) -> None:
    """Takes all items of a file."""
    found = files.read_json(path)
    if not isinstance(found, dict) or not found:
      raise errors.InputError(f'{path}: expected an object of items by id')
    for key, item in found.items():
      self._item(path, split, key, item)

  def _item(self, path: pathlib.Path, split: str, key: str, item: Any) -> None:
    row = len(self._keys)

    def fault(message: str, kind: str | None = None) -> None:
      place = f'{path}: item {key!r}'
      self._faults.add(f'{place}: {message}', key, (path, kind or message))

    if not isinstance(item, dict):
      fault('expected an object of keys and values')
      return
    own = item.get('split', split)
    if own not in _SPLITS:
      fault(f"'split': {reprlib.repr(own)} is not train, dev or test", 'split')
      return
    text = _parsed(item.get('text'))
    if isinstance(text, str):
      text = {'text': text}
    if not (
      isinstance(text, dict)
      and any(isinstance(v, str) and v.strip() for v in text.values())
    ):
      fault("'text' is missing, or no text")
      return
    hard = item.get('hard_label', '')
    if not isinstance(hard, str | int | float):
      fault(f"'hard_label': {reprlib.repr(hard)} is no label", 'hard_label')
      return
    soft = item.get('soft_label', {})
    if not isinstance(soft, dict):
      fault("'soft_label': expected an object of shares")
      return
    try:
      votes = _votes(item)
    except ValueError as error:
      fault(str(error))
      return
    self._keys.append((own, key))
    self._texts.append({k: str(v) for k, v in text.items() if v})
    self._soft.append(soft)
    self._said += [(row, who, labels) for who, labels in votes]
    self._hard.append(str(hard))
    self._tasks[str(item.get('annotation task', ''))] += 1
    info = item.get('other_info')
    info = info if isinstance(info, dict) else {}
    self._groups.append(_group(text, info))
    self._more.append(
      {
        ratings.label_name(name): str(value)
        for name, value in {'lang': item.get('lang'), **info}.items()
        if isinstance(value, str | int | float) and name not in _CONVERSATION
      }
    )

  def corpora(self) -> corpus_lib.Corpus | dict[str, corpus_lib.Corpus]:
    """The corpus of all items."""
    self._faults.raise_all('items')
    split, metadata = published.split(
      self._source, [split for split, _ in self._keys]
    )
    metadata |= {
      'transcript': ['\n'.join(text.values()) for text in self._texts],
      **self._columns(),
    }
    votes, given, declarations = self._labels()
    ids = self._ids()
    first = {}
    groups = [
      first.setdefault(group, name) if group else name
      for group, name in zip(self._groups, ids, strict=True)
    ]
    task = self._tasks.most_common(1)[0][0]
    found = ratings.corpora(
      ratings.Clips(
        str(self._source),
        {
          'name': self._source.resolve().stem,
          'modalities': [_CONDITION],
          'license': 'that of the set; see its authors',
          'source': 'Learning with Disagreements (LeWiDi)',
          'label': task,
        },
        ids,
        groups,
        split,
        metadata,
      ),
      votes,
      given,
      declarations,
    )
    for name, corpus in (
      found.items() if isinstance(found, dict) else [('', found)]
    ):
      self._compare(name, corpus)
    return found

  def _ids(self) -> list[str]:
    keys = [key for _, key in self._keys]
    if len(set(map(spelling.clean, keys))) == len(keys):
      return keys
    _LOGGER.warning(
      '%s: items of several splits have one id: ids begin with the split',
      self._source,
    )
    return [f'{split}_{key}' for split, key in self._keys]

  def _columns(self) -> dict[str, list[str]]:
    names = dict.fromkeys(name for more in self._more for name in more)
    return {
      name: [more.get(name, '') for more in self._more]
      for name in names
      if name not in (*corpus_lib.CLIP_COLUMNS, 'score', 'published_split')
    }

  def _labels(
    self,
  ) -> tuple[
    dict[str, list[ratings.Rating]],
    dict[str, list[str]],
    dict[str, dict[str, Any]],
  ]:
    """Ratings, given labels and declarations, by label."""

    def rated(value) -> list[ratings.Rating]:
      return [
        ratings.Rating(row, _CONDITION, who, value(labels))
        for row, who, labels in self._said
      ]

    known = {name for _, _, labels in self._said for name in labels}
    if not known:
      raise errors.InputError(f'{self._source}: no item has annotations')
    nested = any(
      isinstance(share, dict) for soft in self._soft for share in soft.values()
    )
    if nested or any(len(labels) > 1 for *_, labels in self._said):
      names = sorted(known.union(*self._soft))
      return (
        {
          ratings.label_name(name): rated(
            lambda labels, name=name: 'yes' if name in labels else 'no'
          )
          for name in names
        },
        {},
        {ratings.label_name(name): ratings.CHOICE for name in names},
      )
    task = self._tasks.most_common(1)[0][0]
    own = rated(lambda labels: labels[0])
    if task in _VALUES:
      return (
        {'label': own},
        {},
        {'label': {'values': list(_VALUES[task]), 'label': task}},
      )
    given = {'label': self._hard} if any(self._hard) else {}
    keys = {spelling.key(name) for name in (*known, '0', '1')}
    for (_, key), hard in zip(self._keys, self._hard, strict=True):
      if hard and spelling.key(hard) not in keys:
        self._faults.add(
          f"{self._source}: item {key!r}: 'hard_label': {hard!r:.40} is no "
          'label that an annotator gave',
          key,
          'hard_label',
        )
    self._faults.raise_all('items')
    if task == _ABUSE and any(name.startswith('-') for name in known):
      binary = rated(lambda labels: str(int(labels[0].startswith('-'))))
      return (
        {'abuse': binary, 'severity': own},
        {'abuse': self._hard} if given else {},
        {'severity': {'values': list(range(-3, 2)), 'label': 'severity'}},
      )
    return {'label': own}, given, {}

  def _compare(self, label: str, corpus: corpus_lib.Corpus) -> None:
    """Says where published shares are not those of the votes."""
    if label == 'severity':
      return
    counts = corpus.vote_counts()
    keys = {spelling.key(name): i for i, name in enumerate(corpus.classes)}
    differ = []
    for row, soft in enumerate(self._soft):
      if label and label != 'abuse':
        soft = next(
          (s for n, s in soft.items() if ratings.label_name(n) == label), {}
        )
        soft = soft if isinstance(soft, dict) else {}
        soft = {'no': soft.get('0', 0), 'yes': soft.get('1', 0)}
      total = counts[row].sum()
      for name, share in soft.items():
        i = keys.get(spelling.key(name))
        own = counts[row, i] / total if total and i is not None else 0
        if total and not (
          isinstance(share, int | float) and abs(share - own) <= _ROUNDING
        ):
          differ.append(str(corpus.ids[row]))
          break
    if differ:
      _LOGGER.warning(
        "%s: %s: 'soft_label' is not the share of votes in %d of %d items, "
        'such as %r; votes are taken',
        self._source,
        label or 'label',
        len(differ),
        len(corpus.ids),
        differ[0],
      )


def _parsed(text: Any) -> Any:
  """A text, or the fields of one that is JSON, as in ConvAbuse."""
  if isinstance(text, str) and text.lstrip().startswith('{'):
    try:
      return json.loads(text)
    except (ValueError, RecursionError):
      return text
  return text


def _votes(item: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
  """Who said what.

  Raises:
    ValueError: what is wrong.
  """
  said = item.get('annotations', {})
  if isinstance(said, dict):  # Of 2025; all empty where held back.
    hidden = all(label == '' for label in said.values())
    pairs = [] if hidden else list(said.items())
  elif isinstance(said, str) and isinstance(item.get('annotators'), str):
    names, labels = (
      text.split(',') if text.strip() else []
      for text in (item['annotators'], said)
    )
    if len(names) != len(labels):
      raise ValueError(
        f"'annotations' has {len(labels)} labels, 'annotators' {len(names)}"
      )
    pairs = list(zip(names, labels, strict=True))
  else:
    raise ValueError("'annotations': expected labels by annotator")
  found = []
  for name, label in pairs:
    who = spelling.clean(str(name))
    labels = [spelling.clean(part) for part in str(label).split(',')]
    if not isinstance(label, str | int | float) or not all(labels):
      raise ValueError(f"'annotations': {reprlib.repr(label)} is no label")
    if not who:
      raise ValueError("'annotations': an annotator has no name")
    # Elsewhere the same annotator is `Ann7`.
    found.append((f'Ann{who}' if who.isdigit() else who, labels))
  return found


def _group(text: Mapping[str, Any], info: Mapping[str, Any]) -> str:
  """What an item shares with others; '' if that is not known."""
  for name in _CONVERSATION:
    if info.get(name):
      first = info[name][0] if isinstance(info[name], list) else info[name]
      return f'conversation {str(first).partition(",")[0]}'
  return next((str(text[name]) for name in _SHARED if text.get(name)), '')
