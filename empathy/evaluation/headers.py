"""The columns that a table of predictions has, and how people name them."""

import pathlib
import re
import unicodedata
from collections.abc import Sequence

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.evaluation.predictions import Kind

# What people call columns, without case and signs; the first that is there.
_IDS = (
  *('clipid', 'clip', 'itemid', 'item', 'filename', 'file', 'videoid'),
  *('audioid', 'utteranceid', 'uttid', 'segmentid', 'instanceid', 'textid'),
  'exampleid',
)
# Beside these, a column `label` is probably the truth.
_PREDICTED = (
  *('prediction', 'predictedlabel', 'predlabel', 'predicted', 'pred'),
  *('predictedclass', 'predclass'),
)
_LABELS = (*_PREDICTED, 'answer', 'response', 'class')
# Those of who answered, if it was not one model.
JUDGES = (
  'model',
  'judge',
  'judgeid',
  'llm',
  'system',
  'modelname',
  'annotator',
)
_LAYER = re.compile(r'layer_(.+)_(\d{1,4})')


def kind(names: Sequence[str]) -> Kind:
  """What the rows of a table with such columns say.

  Scores and labels count where there are no probabilities; beside them, they
  are anybody's notes. Scores come before labels.
  """
  said = said_in(names)
  if said == 'prob_*':
    return Kind.PROBABILITIES
  if 'sample' in names:
    return Kind.SAMPLES
  return Kind.SCORES if said == 'score' else Kind.LABELS


def said_in(names: Sequence[str]) -> str:
  """The column of what is said: `score`, `label`, or `prob_*` for several."""
  if any(name.startswith('prob_') for name in names):
    return 'prob_*'
  return next((name for name in ('score', 'label') if name in names), 'prob_*')


def required(corpus: corpus_lib.Corpus, said: str = 'prob_*') -> list[str]:
  """The columns that a table has to have; of one modality, no view."""
  values = [f'prob_{name}' for name in corpus.classes]
  return [
    'id',
    *(['view'] if len(corpus.modalities) > 1 else []),
    *(values if said == 'prob_*' else [said]),
  ]


def used(corpus: corpus_lib.Corpus) -> list[str]:
  """The columns that a study uses, where they are there."""
  return [
    *required(corpus),
    *('view', 'label', 'sample', 'seed', 'fold', 'given'),
    *(['score'] if 'values' in corpus.info else []),
    *(
      f'{kind}_{name}'
      for kind in ('gate', 'attention')
      for name in corpus.modalities
    ),
  ]


def layers(names: Sequence[str]) -> dict[str, list[str]]:
  """By modality, the columns of its layers, `layer_<modality>_<number>`."""
  found: dict[str, dict[int, str]] = {}
  for name in names:
    match = _LAYER.fullmatch(name)
    if match:
      found.setdefault(match[1], {})[int(match[2])] = name
  return {m: [own[i] for i in sorted(own)] for m, own in found.items()}


def renamed(names: Sequence[str], corpus: corpus_lib.Corpus) -> list[str]:
  """What columns are meant, whose names differ in case or white space.

  Where there is no column `id`, or none that says anything, it is the first
  that has a usual name for that.
  """
  known = used(corpus)
  known += [f'logit_{name}' for name in corpus.classes]
  spelt = {key(name): name for name in known}
  names = list(names)
  for i, name in enumerate(names):
    meant = spelt.get(key(name), name)
    if meant not in names:
      names[i] = meant
  plain = {bare(names[i]): i for i in reversed(range(len(names)))}
  prefixes = ('prob_', 'logit_')
  says = (
    said_in(names) in names
    or any(name.startswith(prefixes) for name in names)
    or not set(corpus.classes).isdisjoint(names)
  )
  for name, words, there in (
    ('id', _IDS, 'id' in names),
    ('label', _LABELS, says),
  ):
    places = [plain[word] for word in words if word in plain]
    if places and not there:
      names[places[0]] = name
  return names


def notes(names: Sequence[str], meant: Sequence[str]) -> list[str]:
  """What columns, as `renamed` says, were taken by another name."""
  return [
    f'took column {name!r} as {other!r}'
    for name, other in zip(names, meant, strict=True)
    if key(name) != key(other)
  ]


def bare(name: str) -> str:
  """A name without case, white space and signs."""
  return re.sub(r'[\W_]', '', key(name))


def key(name: str) -> str:
  """Equal for what differs in case, Unicode form or white space around it."""
  return unicodedata.normalize('NFC', name).strip().casefold()


def check(
  path: pathlib.Path,
  names: Sequence[str],
  corpus: corpus_lib.Corpus,
  lenient: bool = False,
) -> None:
  """Raises an `InputError` unless there are the right columns.

  Args:
    path: of the table.
    names: of its columns.
    corpus: that it is of.
    lenient: whether probabilities of unknown classes may be there.
  """
  needed = required(corpus, said_in(names))
  missing = [name for name in needed if name not in names]
  faults = []
  if missing:
    several = len(missing) > 1
    faults.append(
      f'{path}: column{"s" if several else ""} '
      f'{", ".join(map(repr, missing))} {"are" if several else "is"} missing'
      f'{_hint(missing, names, corpus)}'
    )
  guesses = [name for name in names if bare(name) in _PREDICTED]
  if said_in(names) == 'label' and guesses:
    faults.append(
      f"{path}: columns 'label' and {guesses[0]!r}: expected one of both, what "
      'the model answered'
    )
  faults += [
    f'{path}: column {name!r} is there twice'
    for name in sorted(set(names) - {''})  # As of rows that pandas numbers.
    if names.count(name) > 1
  ]
  for name in names:
    for prefix, what, known in (
      ('prob_', 'class', corpus.classes),
      ('logit_', 'class', corpus.classes),
      ('gate_', 'modality', corpus.modalities),
      ('attention_', 'modality', corpus.modalities),
    ):
      rest = name.removeprefix(prefix)
      repaired = prefix == 'prob_' and lenient
      if rest != name and rest not in known and not repaired:
        faults.append(
          f'{path}: column {name!r}: {rest!r} is no {what} of the corpus; '
          f'expected one of {", ".join(known)}'
          + ('; or leave it out: --lenient' if prefix == 'prob_' else '')
        )
  for modality, own in layers(names).items():
    expected = [f'layer_{modality}_{i}' for i in range(len(own))]
    if modality not in corpus.modalities:
      faults.append(
        f'{path}: column {own[0]!r}: {modality!r} is no modality of the '
        f'corpus; expected one of {", ".join(corpus.modalities)}'
      )
    elif own != expected:
      faults.append(
        f'{path}: columns {own[0]!r} to {own[-1]!r}: expected one of each '
        'layer, from 0 on'
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
  return ''
