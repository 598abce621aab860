"""What a training run says of itself, in its `config.json`."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Annotated, Any

from empathy import errors, files, kinds, nearest

_SWEPT = Annotated[tuple, kinds.Several(float)]
# Of its config, what a report tells of how members were made.
_TOLD = {
  **dict.fromkeys(('loss', 'targets', 'optimizer', 'schedule'), str),
  **dict.fromkeys(('keep', 'select'), str),
  **dict.fromkeys(('num_epochs', 'batch_size'), kinds.Count),
  **dict.fromkeys(('peak_learning_rate', 'l2'), _SWEPT),
}
_FIELDS = {**_TOLD, 'label': str, 'normalise': str, 'model': Mapping}
_RECORD = {'config': Mapping, 'versions': Mapping, 'git': str | None}


@dataclasses.dataclass(frozen=True)
class Run:
  """A training run. What an older version did not write is not there.

  Attributes:
    workdir: its folder.
    corpus: the path of what it trained on, as it was named.
    config: its fields by name; empty if it does not say them.
    told: what a study keeps of it, see `training` in `Study.info`.
  """

  workdir: pathlib.Path
  corpus: str
  config: Mapping[str, Any]
  told: Mapping[str, Any]


def read(workdir: pathlib.Path) -> Run:
  """Reads what a run says of itself.

  Args:
    workdir: its folder.

  Raises:
    InputError: it is not one of a run, or its `config.json` is damaged.
  """
  path = workdir / 'config.json'
  if not path.exists():
    raise errors.InputError(
      f'{path}: no such file; expected the folder of a training run'
      + nearest.folder_hint(workdir, path.name)
    )
  record = files.read_json(path)
  corpus = record.get('corpus') if isinstance(record, dict) else None
  if not isinstance(corpus, str) or not corpus:
    raise errors.InputError(f"{path}: key 'corpus': expected a path")
  _check(record, _RECORD, f'{path}: ')
  config, versions = record.get('config', {}), record.get('versions', {})
  _check(config, _FIELDS, f'{path}: config.')
  model = config.get('model', {})
  _check(model, {'fusion': str}, f'{path}: config.model.')
  _check(versions, dict.fromkeys(versions, str), f'{path}: versions.')
  told = {
    'fusion': model.get('fusion'),
    'config': files.sha256(path),
    'versions': versions,
    'commit': record.get('git'),
  }
  told |= {name: config[name] for name in _TOLD if name in config}
  return Run(workdir, corpus, config, told)


def _check(
  given: Mapping[str, Any], expected: Mapping[str, Any], place: str
) -> None:
  """Raises if something that is there is not of its type."""
  wrong = {
    name: kinds.fault(given[name], kind)
    for name, kind in expected.items()
    if name in given
  }
  errors.raise_faults(
    [f'{place}{name}: {why}' for name, why in wrong.items() if why]
  )
