"""The columns that a table of predictions has, and how people name them."""

import pathlib
import unicodedata
from collections.abc import Sequence

from empathy import errors
from empathy.corpora import corpus as corpus_lib

# What people call the column of the class that was predicted.
_LABELS = (
  'label',
  'predicted',
  'predicted_label',
  'prediction',
  'pred',
  'class',
)


def required(classes: Sequence[str]) -> list[str]:
  """The columns that a table has to have."""
  return ['id', 'view', *(f'prob_{name}' for name in classes)]


def used(corpus: corpus_lib.Corpus) -> list[str]:
  """The columns that a study uses, where they are there."""
  return [
    *required(corpus.classes),
    *('seed', 'fold', 'given'),
    *(
      f'{kind}_{name}'
      for kind in ('gate', 'attention')
      for name in corpus.modalities
    ),
  ]


def renamed(names: Sequence[str], corpus: corpus_lib.Corpus) -> list[str]:
  """What columns are meant whose names differ in case or white space only."""
  known = used(corpus)
  known += [f'logit_{name}' for name in corpus.classes]
  spelt = {key(name): name for name in known}
  names = list(names)
  for i, name in enumerate(names):
    meant = spelt.get(key(name), name)
    if meant not in names:
      names[i] = meant
  return names


def key(name: str) -> str:
  """Equal for what differs in case, Unicode form or white space around it."""
  return unicodedata.normalize('NFC', name).strip().casefold()


def check(
  path: pathlib.Path,
  names: Sequence[str],
  corpus: corpus_lib.Corpus,
) -> None:
  """Raises an `InputError` unless there are the right columns."""
  missing = [name for name in required(corpus.classes) if name not in names]
  faults = []
  if missing:
    several = len(missing) > 1
    faults.append(
      f'{path}: column{"s" if several else ""} '
      f'{", ".join(map(repr, missing))} {"are" if several else "is"} missing'
      f'{_hint(missing, names, corpus)}'
    )
  faults += [
    f'{path}: column {name!r} is there twice'
    for name in sorted(set(names) - {''})  # As of rows that pandas numbers.
    if names.count(name) > 1
  ]
  for name in names:
    for prefix, kind, known in (
      ('prob_', 'class', corpus.classes),
      ('logit_', 'class', corpus.classes),
      ('gate_', 'modality', corpus.modalities),
      ('attention_', 'modality', corpus.modalities),
    ):
      rest = name.removeprefix(prefix)
      if rest != name and rest not in known:
        faults.append(
          f'{path}: column {name!r}: {rest!r} is no {kind} of the corpus; '
          f'expected one of {", ".join(known)}'
        )
  errors.raise_faults(faults)


def _hint(
  missing: Sequence[str], names: Sequence[str], corpus: corpus_lib.Corpus
) -> str:
  """How probabilities are written, where they are not there."""
  if not any(name.startswith('prob_') for name in missing):
    return ''
  bare = [name for name in corpus.classes if name in names]
  if bare:
    return f'; is it {bare[0]!r}? Write prob_ before the name of each class'
  if any(name.startswith('logit_') for name in names):
    return '; they are the softmax of the logits'
  labels = [name for name in names if name.casefold() in _LABELS]
  if labels:
    return (
      f'; if {labels[0]!r} is the class that was predicted, write 1 in its '
      'column and 0 in the others, as does '
      f'pandas.get_dummies(table[{labels[0]!r}], prefix="prob", dtype=float)'
    )
  return ''
