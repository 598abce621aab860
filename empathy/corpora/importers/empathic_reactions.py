"""Empathic Reactions as published: one table of essays with their ratings.

The source holds `messages.csv` with the columns `message_id, response_id,
article_id, empathy, distress, empathy_bin, distress_bin, essay`: what somebody
wrote after reading a news story, and how much empathy and distress the writer
felt, each the mean of several items from 1 to 7 (Buechel et al. 2018, Modeling
Empathy and Distress in Reaction to News Stories, EMNLP).

So there are four labels: the scores `empathy` and `distress`, and what the
authors made of them, `empathy_bin` and `distress_bin`. The group is the writer,
who wrote about five essays; no split is published.
"""

import pathlib

import numpy as np

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import declared, spelling, tables

_TABLE = 'messages.csv'
_SCALES = ('empathy', 'distress')
_COLUMNS = (
  *('message_id', 'response_id', 'article_id', 'essay'),
  *(f'{name}{more}' for name in _SCALES for more in ('', '_bin')),
)
_LOW, _HIGH = 1.0, 7.0
_INFO = {
  'name': 'empathic_reactions',
  'modalities': ['text'],
  'conditions': [],
  'license': 'CC BY 4.0',
  'source': 'github.com/wwbp/empathic_reactions (Buechel et al. 2018)',
}


def read(source: pathlib.Path) -> dict[str, corpus_lib.Corpus]:
  """Reads the published folder.

  Args:
    source: the folder that holds `messages.csv`.

  Returns:
    The clips in the order of the table, with each of the labels.

  Raises:
    InputError: the file is missing or wrong; each kind of fault has a line.
  """
  table = tables.Table(source / _TABLE, _COLUMNS)
  ids = table.ids('message_id', table.columns['message_id'])
  groups = table.things('response_id', needed=True)
  scores = {
    name: table.convert(name, _score, f'a number from {_LOW:g} to {_HIGH:g}')
    for name in _SCALES
  }
  bins = {
    name: table.convert(f'{name}_bin', ('0', '1').index, '0 or 1')
    for name in _SCALES
  }
  table.finish()

  def corpus(name: str, keys: dict, **columns) -> corpus_lib.Corpus:
    own, faults = declared.checked(keys, name)
    errors.raise_faults(faults)
    return corpus_lib.Corpus(
      info=_INFO | own,
      ids=np.array(ids),
      groups=np.array(groups),
      metadata={
        'transcript': np.array(table.columns['essay']),
        'article': np.array(table.columns['article_id']),
      },
      **columns,
    )

  unlabelled = np.full(len(ids), corpus_lib.UNLABELLED, np.int32)
  return {
    name: corpus(
      name,
      {'scale': [_LOW, _HIGH], 'label': f"the writer's own {name}, 1 to 7"},
      labels=unlabelled,
      scores=np.array(scores[name]),
    )
    for name in _SCALES
  } | {
    f'{name}_bin': corpus(
      name,
      {
        'classes': [f'low {name}', f'high {name}'],
        'label': f"the writer's own {name}, in two classes by the authors",
      },
      labels=np.array(bins[name], np.int32),
    )
    for name in _SCALES
  }


def _score(text: str) -> float:
  """A mean rating; none may be missing."""
  value = spelling.number(text)
  if value is None or not _LOW <= value <= _HIGH:
    raise ValueError(f'{text!r} is no rating')
  return value
