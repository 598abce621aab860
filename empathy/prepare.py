"""Turns your own data, a published data set or a simulation into a corpus.

  empathy prepare --importer=NAME --source=DIR --output=CORPUS
  empathy prepare --importer=NAME --help
  empathy prepare --template=DIR

`folder` takes anybody's data: media, and one CSV file with the columns file (or
audio and video) or transcript, label, and as you have them id, group or
speaker, split or fold, start and end; and perhaps votes.csv with the columns
id, condition, annotator, label. --template writes an example to fill in.
`votes` takes ratings alone, a row a rating or a column a rater. The other
importers read what was published, or what annotation tools export; `--help`
beside one says of what files.

Examples:
  empathy prepare --importer=simulated --output=runs/simulated
  empathy prepare --template=talks
  empathy prepare --importer=folder --source=talks --output=runs/talks
"""

import dataclasses
import importlib
import inspect
import logging
import os
import pathlib
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from absl import flags

from empathy import cli, errors, files, helps, nearest
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import (
  importers,
  sheets,
  simulate,
  spelling,
  tables,
  template,
)

SIMULATED = 'simulated'
# Of classes, which tell at a glance what was taken for one.
_MOST_NAMES = 12


def known_importers() -> list[str]:
  """The names of the importers, in alphabetical order."""
  return sorted(
    module.name for module in pkgutil.iter_modules(importers.__path__)
  )


_IMPORTER = flags.DEFINE_string(
  'importer', None, 'what to prepare; the importers are named below'
)
_SOURCE = flags.DEFINE_string(
  'source',
  None,
  'the folder with the data, your own or as it was published; for some '
  'importers one file. The simulator has none',
)
_OUTPUT = flags.DEFINE_string('output', None, 'the corpus folder to make')
_TEMPLATE = flags.DEFINE_string(
  'template',
  None,
  'instead of all else: a new folder, an example of your own data to fill in, '
  'for --importer=folder',
)
_SEED = flags.DEFINE_integer(
  'seed', 0, 'simulated: seed of all that is random', lower_bound=0
)


_COLUMNS = flags.DEFINE_list(
  'columns',
  [],
  'votes and folder: which columns of ratings are what, where their names do '
  'not say it, as item=clip,annotator=coder,label=empathy|distress or '
  'raters=Ann|Bob; also condition, count, dimension, transcript and '
  'group. huggingface and tfds: which columns or features are item, label, '
  'group, split, transcript, audio, video or file (sound and pictures); tfds: '
  'also text, for features of it',
)
_SHOWN = flags.DEFINE_string(
  'shown',
  None,
  'votes, folder, elan and label_studio: what annotators were shown, as '
  'audio+video, where nothing says it',
)
_SCALE = flags.DEFINE_list(
  'scale',
  [],
  'votes, folder, huggingface, elan, label_studio, mmsa and mertools: the ends '
  'of the scale that ratings or scores are on, as 1,7, or by label, as '
  'empathy=1|7,distress=0|100',
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
  if _TEMPLATE.value is not None:
    _write_template(pathlib.Path(_TEMPLATE.value))
    return
  missing = [x.name for x in (_IMPORTER, _OUTPUT) if not x.value]
  if missing:
    listed = ', '.join(f'--{name}=...' for name in missing)
    if 'importer' in missing:
      listed += ' (folder is for data of your own)'
    raise errors.InputError(f'expected {listed}; see --help')
  name, output = _IMPORTER.value, pathlib.Path(_OUTPUT.value)
  known = [SIMULATED, *known_importers()]
  if name not in known:
    raise errors.InputError(
      f'--importer: {name!r} is not one of {", ".join(known)}'
      + nearest.hint(name, known)
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
        'expected --source=..., ' + flags.FLAGS['source'].help.partition('.')[0]
      )
    source = pathlib.Path(_SOURCE.value)
    importer = importlib.import_module(f'{importers.__name__}.{name}')
    suffixes = getattr(importer, 'SUFFIXES', ())
    if not source.is_dir() and not (
      source.is_file() and source.suffix.lower() in suffixes
    ):
      book = source.suffix.lower() in ('.xlsx', '.xls', '.ods')
      inside = source.is_file() and not suffixes
      raise errors.InputError(
        f'--source: {source}: '
        + ('no such folder' if not source.exists() else 'is no folder')
        + ('; expected that which it is in' if inside else '')
        + (f', nor a {" or ".join(suffixes)} file' if suffixes else '')
        + ('; save it as CSV' if book and source.exists() else '')
        + ('' if source.exists() else nearest.path_hint(source))
      )
    if (source / 'corpus.json').exists():
      raise errors.InputError(f'--source: {source}: is a corpus folder already')
    options = _options(name, importer)
    _refuse_existing(output)
    if _takes_media(importer):
      with files.replacing(output) as folder:
        media = folder.with_name(f'{folder.name}.media')
        corpus = importer.read(source, media=media, **options)
        _fill(folder, output, corpus, media)
    else:
      corpus = importer.read(source, **options)
      write(corpus, output)
  logging.getLogger('empathy').info('%s: %s', output, describe(corpus))


def _write_template(path: pathlib.Path) -> None:
  for flag in (_IMPORTER, _SOURCE, _OUTPUT):
    if flag.present:
      raise errors.InputError(f'--{flag.name} does not go with --template')
  if path.exists():
    raise errors.InputError(
      f'--template: {path}: exists already; choose another name'
    )
  with files.replacing(path) as folder:
    template.write(folder)
  logging.getLogger('empathy').info(
    '%s: an example; %s says how to fill it in', path, path / 'README.txt'
  )


def _takes_media(importer: ModuleType) -> bool:
  """Whether it writes media that the source keeps within its files."""
  return 'media' in inspect.signature(importer.read).parameters


def _options(name: str, importer: ModuleType) -> dict[str, Any]:
  """The values of the flags that the importer's function takes."""
  taken = inspect.signature(importer.read).parameters
  known = getattr(importer, 'COLUMNS', sheets.COLUMNS)
  given = {}
  for flag, parse in (
    (_COLUMNS, lambda parts: sheets.told(parts, known)),
    (_SHOWN, str),
    (_SCALE, _ends),
  ):
    if not flag.present:
      continue
    if flag.name not in taken:
      raise errors.InputError(f'--{flag.name}: not for the importer {name}')
    given[flag.name] = parse(flag.value)
  return given


def _ends(texts: Sequence[str]) -> dict[str, tuple[float, float]]:
  """The ends of the scale of each label, '' for all."""
  if not any('=' in text for text in texts):
    texts = [f'={"|".join(texts)}']
  found = {}
  for text in texts:
    name, _, both = text.partition('=')
    try:
      low, high = map(tables.number, both.split('|'))
      if low >= high:
        raise ValueError
    except ValueError:
      shown = text if name else both.replace('|', ',')
      raise errors.InputError(
        f'--scale: {shown!r}: expected two numbers, the lower first, as 1,7 or '
        'NAME=1|7'
      ) from None
    found[name.strip()] = (low, high)
  return found


def write(
  corpus: corpus_lib.Corpus | Mapping[str, corpus_lib.Corpus],
  path: pathlib.Path,
  truth: Mapping[str, np.ndarray] | None = None,
) -> None:
  """Writes a corpus folder, whole or not at all; paths of media are relative.

  Args:
    corpus: what to write, or by label if there are several.
    path: the new folder.
    truth: columns of `truth.csv`, what was planted in a simulated corpus.
  """
  with files.replacing(path) as folder:
    _fill(folder, path, corpus)
    if truth is not None:
      tables.write_csv(folder / 'truth.csv', truth)


def _fill(
  folder: pathlib.Path,
  path: pathlib.Path,
  corpus: corpus_lib.Corpus | Mapping[str, corpus_lib.Corpus],
  media: pathlib.Path | None = None,
) -> None:
  """Writes a corpus folder that will be `path`; its own media move into it."""
  new, own = path.resolve(), media and media.resolve()

  def shown(text: str) -> str:
    # A corpus moves with its media.
    if not os.path.isabs(text):
      return text
    if own is not None and pathlib.Path(text).is_relative_to(own):
      return f'media/{os.path.relpath(text, own)}'
    return os.path.relpath(text, new)

  if isinstance(corpus, Mapping):
    corpus = {name: _relative(one, shown) for name, one in corpus.items()}
  else:
    corpus = _relative(corpus, shown)
  corpus_lib.write(corpus, folder)
  if media is not None and media.exists():
    media.rename(folder / 'media')


def _relative(
  corpus: corpus_lib.Corpus, shown: Callable[[str], str]
) -> corpus_lib.Corpus:
  """With paths of media as they are shown in the corpus folder."""
  found = {
    name: np.array([shown(text) for text in corpus.metadata[name].tolist()])
    for name in ('audio', 'video')
    if name in corpus.metadata
  }
  return dataclasses.replace(corpus, metadata={**corpus.metadata, **found})


def describe(
  corpus: corpus_lib.Corpus | Mapping[str, corpus_lib.Corpus],
) -> str:
  """What is in a corpus, in one line; of several labels, in the first."""
  names: Sequence[str] = ()
  if isinstance(corpus, Mapping):
    names, corpus = list(corpus), next(iter(corpus.values()))
  parts = [
    f'{spelling.counted(len(corpus.ids), "clip")} of '
    + spelling.counted(len(set(corpus.groups.tolist())), 'group')
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
    parts.append(f'{spelling.counted(unlabelled, "clip")} without a label')
  if corpus.votes is not None:
    parts.append(
      f'{spelling.counted(int(corpus.votes.count.sum()), "vote")} in '
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


def _importers() -> Iterator[helps.Part]:
  """For --help: all importers, or one that is named beside it."""
  docs = {SIMULATED: simulate.__doc__}
  for path in sorted(pathlib.Path(importers.__path__[0]).glob('*.py')):
    if path.stem != '__init__':
      docs[path.stem] = helps.docstring(path)
  told = [x.partition('=')[2] for x in sys.argv if x.startswith('--importer=')]
  if told and told[-1] in docs:
    yield f'--importer={told[-1]}:', docs[told[-1]]
    return
  rows = [(name, doc.partition('\n')[0]) for name, doc in docs.items()]
  yield 'importers:', rows
  yield '--importer=folder:', docs['folder']


if __name__ == '__main__':
  cli.run(main, required=['importer', 'output'], more=_importers)
