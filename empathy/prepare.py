"""Turns your own data, a published data set or a simulation into a corpus.

    python -m empathy.prepare --importer=simulated --output=CORPUS
    python -m empathy.prepare --importer=folder --source=DIR --output=CORPUS
    python -m empathy.prepare --importer=NAME --source=DIR --output=CORPUS

`folder` takes anybody's data: media, and one CSV file with the columns file (or
audio and video) or transcript, label, and as you have them id, group or
speaker, split or fold, start and end; and perhaps votes.csv with the columns
id, condition, annotator, label. The other importers read what was published.

An importer is a module `empathy.corpora.importers.NAME` with a function
`read(source: pathlib.Path) -> Corpus`, or a mapping of them by label where
there are several; a new file there is a new importer. The
simulator has no source; the flags that describe it apply to it alone.
"""

import dataclasses
import importlib
import logging
import pathlib
import pkgutil
from collections.abc import Mapping, Sequence

import numpy as np
from absl import flags

from empathy import cli, errors, files
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import importers, simulate, spelling, tables

SIMULATED = 'simulated'
# Of classes, which tell at a glance what was taken for one.
_MOST_NAMES = 12


def known_importers() -> list[str]:
  """The names of the importers, in alphabetical order."""
  return sorted(
    module.name for module in pkgutil.iter_modules(importers.__path__)
  )


_IMPORTER = flags.DEFINE_string(
  'importer',
  None,
  f'what to prepare, one of {", ".join([SIMULATED, *known_importers()])}',
)
_SOURCE = flags.DEFINE_string(
  'source',
  None,
  'the folder with your own data (importer folder), or with the published data',
)
_OUTPUT = flags.DEFINE_string('output', None, 'the corpus folder to make')
_SEED = flags.DEFINE_integer(
  'seed', 0, 'simulated: seed of all that is random', lower_bound=0
)


def _define_parameter_flags() -> dict[str, flags.FlagHolder]:
  """One flag for each parameter of the simulator, by its name."""
  define = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
    tuple: flags.DEFINE_list,
  }
  holders = {}
  for field in dataclasses.fields(simulate.Parameters):
    kind, default = type(field.default), field.default
    holders[field.name] = define[kind](
      field.name,
      list(default) if kind is tuple else default,
      f'simulated: {field.metadata["help"]}',
    )
  return holders


_PARAMETERS = _define_parameter_flags()


def main() -> None:
  """Reads the flags, prepares the corpus and writes it."""
  faults = [
    f'--{flag.name}: is missing; expected {flags.FLAGS[flag.name].help}'
    for flag in (_IMPORTER, _OUTPUT)
    if not flag.value
  ]
  errors.raise_faults(faults)
  name, output = _IMPORTER.value, pathlib.Path(_OUTPUT.value)
  known = [SIMULATED, *known_importers()]
  if name not in known:
    raise errors.InputError(
      f'--importer: {name!r} is not one of {", ".join(known)}'
    )
  if name == SIMULATED:
    if _SOURCE.present:
      raise errors.InputError('--source: the simulator has no source')
    _refuse_existing(output)
    corpus, truth = simulate.simulate(_parameters(), _SEED.value)
    write(corpus, output, truth)
  else:
    errors.raise_faults(
      [
        f'--{flag.name}: describes the simulator; not for the importer {name}'
        for flag in (_SEED, *_PARAMETERS.values())
        if flag.present
      ]
    )
    if not _SOURCE.value:
      raise errors.InputError(
        f'--source: is missing; expected {flags.FLAGS["source"].help}'
      )
    source = pathlib.Path(_SOURCE.value)
    if not source.is_dir():
      raise errors.InputError(f'--source: {source}: no such folder')
    _refuse_existing(output)
    importer = importlib.import_module(f'{importers.__name__}.{name}')
    corpus = importer.read(source)
    write(corpus, output)
  logging.getLogger('empathy').info('%s: %s', output, describe(corpus))


def write(
  corpus: corpus_lib.Corpus | Mapping[str, corpus_lib.Corpus],
  path: pathlib.Path,
  truth: Mapping[str, np.ndarray] | None = None,
) -> None:
  """Writes a corpus folder, whole or not at all.

  Args:
    corpus: what to write, or by label if there are several.
    path: the new folder.
    truth: columns of `truth.csv`, what was planted in a simulated corpus.
  """
  with files.replacing(path) as folder:
    corpus_lib.write(corpus, folder)
    if truth is not None:
      tables.write_csv(folder / 'truth.csv', truth)


def describe(
  corpus: corpus_lib.Corpus | Mapping[str, corpus_lib.Corpus],
) -> str:
  """What is in a corpus, in one line; of several labels, in the first."""
  names: Sequence[str] = ()
  if isinstance(corpus, Mapping):
    names, corpus = list(corpus), next(iter(corpus.values()))
  parts = [
    f'{len(corpus.ids):,} clips of {len(set(corpus.groups.tolist())):,} groups'
  ]
  if names:
    parts.append(
      f'{spelling.counted(len(names), "label")} ({_shown(names)}); of the '
      'first:'
    )
  if 'scale' in corpus.info:
    low, high = corpus.info['scale']
    parts.append(
      f'scores from {low:g} to {high:g} in {len(corpus.classes)} bins'
    )
  else:
    parts.append(f'{len(corpus.classes)} classes ({_shown(corpus.classes)})')
  unlabelled = int(np.sum(corpus.labels == corpus_lib.UNLABELLED))
  if unlabelled:
    parts.append(f'{unlabelled:,} clips without a label')
  if corpus.votes is not None:
    parts.append(
      f'{int(corpus.votes.count.sum()):,} votes in '
      f'{spelling.counted(len(corpus.conditions), "condition")}'
    )
  if corpus.features:
    parts.append(f'features of {", ".join(corpus.features)}')
  return ', '.join(parts).replace(':,', ':')


def _shown(names: Sequence[str]) -> str:
  shown = ', '.join(names[:_MOST_NAMES])
  return shown + (', ...' if len(names) > _MOST_NAMES else '')


def _refuse_existing(output: pathlib.Path) -> None:
  # Before the work, not after it.
  if output.exists():
    raise errors.InputError(
      f'--output: {output}: exists already; choose another name'
    )


def _parameters() -> simulate.Parameters:
  values = {name: flag.value for name, flag in _PARAMETERS.items()}
  values['classes'] = tuple(values['classes'])
  return simulate.Parameters(**values)


if __name__ == '__main__':
  cli.run(main)
