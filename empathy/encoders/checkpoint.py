"""Finds and reads published checkpoints: a config and named tensors.

A checkpoint is a folder in the layout of the Hugging Face Hub, or the name of
one there: `config.json` and `model.safetensors` or `pytorch_model.bin`, either
of which may be split into shards that an index lists.
"""

import dataclasses
import hashlib
import json
import logging
import os
import pathlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import huggingface_hub
import numpy as np
import safetensors
from huggingface_hub import errors as hub_errors

from empathy import errors, files
from empathy.encoders import torch_files

_CONFIG = 'config.json'
_WEIGHTS = (
  'model.safetensors',
  'model.safetensors.index.json',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json',
)


@dataclasses.dataclass(frozen=True)
class Checkpoint:
  """Where a checkpoint's files are.

  Attributes:
    name: what it was asked for by.
    config: the path of its config.
    weights: the paths of its weights, a file or the shards of one.
  """

  name: str
  config: pathlib.Path
  weights: tuple[pathlib.Path, ...]

  def sha256(self) -> str:
    """A hash of the bytes of the config and of the weights, in hexadecimal."""
    parts = [files.sha256(path) for path in (self.config, *self.weights)]
    return hashlib.sha256('\n'.join(parts).encode()).hexdigest()


def find(name_or_path: str | os.PathLike) -> Checkpoint:
  """Finds a checkpoint in a folder, or by its name on the Hub.

  The Hub is asked through `huggingface_hub`: files are downloaded once into its
  cache, and with HF_HUB_OFFLINE=1 nothing but the cache is looked at.

  Args:
    name_or_path: a folder, or a name such as `roberta-base`.

  Returns:
    The paths of the files.

  Raises:
    InputError: there is no such checkpoint, it lacks a file, or it is not in
      the cache and the Hub cannot be reached.
  """
  name = os.fspath(name_or_path)
  folder = pathlib.Path(name)
  fetch = _from_hub
  if folder.is_dir():
    fetch = _from_folder
  elif folder.exists() or name.startswith(('.', '~', os.sep)):
    raise errors.InputError(
      f'{name}: expected a folder with {_CONFIG} and weights'
    )
  config = fetch(name, _CONFIG)
  if config is None:
    raise errors.InputError(f'{name}: has no {_CONFIG}')
  for candidate in _WEIGHTS:
    path = fetch(name, candidate)
    if path is None:
      continue
    if not candidate.endswith('.index.json'):
      return Checkpoint(name, config, (path,))
    shards = tuple(fetch(name, shard) for shard in _shards(path))
    for shard, where in zip(_shards(path), shards, strict=True):
      if where is None:
        raise errors.InputError(f'{path}: lists {shard}, which is missing')
    return Checkpoint(name, config, shards)
  raise errors.InputError(f'{name}: has no weights: expected one of {_WEIGHTS}')


def find_files(
  name_or_path: str | os.PathLike, names: Sequence[str]
) -> dict[str, pathlib.Path]:
  """Finds other files of a checkpoint, those that it has, by their names."""
  name = os.fspath(name_or_path)
  fetch = _from_folder if os.path.isdir(name) else _from_hub
  found = {file: fetch(name, file) for file in names}
  return {file: path for file, path in found.items() if path is not None}


def _from_folder(name: str, file: str) -> pathlib.Path | None:
  path = pathlib.Path(name, file)
  return path if path.is_file() else None


def _from_hub(name: str, file: str) -> pathlib.Path | None:
  """A file of a Hub checkpoint, or None if the checkpoint has no such file."""
  try:
    return pathlib.Path(huggingface_hub.hf_hub_download(name, file))
  except hub_errors.LocalEntryNotFoundError:
    if file != _CONFIG:
      return None  # The config is in the cache: so would this be.
    raise errors.InputError(
      f'{name}: is no folder here and is not in the cache of huggingface_hub, '
      'and the Hub cannot be reached (or HF_HUB_OFFLINE is set); download it '
      f'where there is a network, with: hf download {name}'
    ) from None
  except hub_errors.EntryNotFoundError:
    return None
  except (
    hub_errors.HFValidationError,
    hub_errors.RepositoryNotFoundError,
    hub_errors.GatedRepoError,
  ) as error:
    reason = str(error).strip().splitlines()[0]
    raise errors.InputError(
      f'{name}: is neither a folder nor a checkpoint on the Hub that can be '
      f'read ({reason})'
    ) from None


def _shards(index: pathlib.Path) -> list[str]:
  """The names of the files that an index lists."""
  try:
    names = sorted(set(read_json(index)['weight_map'].values()))
    plain = all(os.path.basename(name) == name for name in names)
  except (KeyError, AttributeError, TypeError):
    names, plain = [], False
  if not names or not plain:
    raise errors.InputError(f'{index}: expected a weight_map of names of files')
  return names


def read_json(path: pathlib.Path) -> dict[str, Any]:
  """Reads a file of one JSON object.

  Raises:
    InputError: it is something else.
  """
  try:
    found = json.loads(path.read_text(encoding='utf-8'))
  except ValueError as error:
    raise errors.InputError(f'{path}: is not JSON: {error}') from None
  if not isinstance(found, dict):
    raise errors.InputError(f'{path}: expected a JSON object')
  return found


def read_tensors(checkpoint: Checkpoint) -> dict[str, np.ndarray]:
  """Reads all tensors of a checkpoint.

  Args:
    checkpoint: as found.

  Returns:
    Arrays by the names in the files, in the files' dtypes.

  Raises:
    InputError: a file is damaged or refused (see `torch_files`), or two shards
      have the same tensor.
  """
  tensors: dict[str, np.ndarray] = {}
  for path in checkpoint.weights:
    if path.suffix == '.safetensors':
      try:
        with safetensors.safe_open(path, framework='numpy') as file:
          found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
      except (safetensors.SafetensorError, TypeError) as error:
        raise errors.InputError(
          f'{path}: is no safetensors file: {error}'
        ) from None
    else:
      found = torch_files.read(path)
    for name in found.keys() & tensors.keys():
      raise errors.InputError(f'{path}: {name} is in another shard already')
    tensors |= found
  return tensors


def read_config(cls: type, values: Mapping[str, Any], where: str) -> Any:
  """Makes an architecture's config from a checkpoint's.

  Args:
    cls: a frozen dataclass of numbers, strings, bools and tuples, whose
      defaults are those of Transformers. Its `FIXED` holds the settings of
      which only one value is supported, its `RENAMED`, if any, newer names.
    values: of `config.json`.
    where: names the file in messages.

  Returns:
    The config; keys that it does not know are ignored.

  Raises:
    InputError: a value has another type, or is not supported.
  """
  faults = [
    f'{where}: {key} is {values[key]!r}: only {value!r} is supported'
    for key, value in cls.FIXED.items()
    if values.get(key, value) != value
  ]
  renamed = getattr(cls, 'RENAMED', {})
  values = {renamed.get(key, key): value for key, value in values.items()}
  fields = {}
  for field in dataclasses.fields(cls):
    value, default = values.get(field.name), field.default
    if value is None:
      continue
    if isinstance(default, tuple):
      parts = value.split('|') if isinstance(value, str) else value
      value = tuple(p.strip() if isinstance(p, str) else p for p in parts)
    if isinstance(default, float) and type(value) is int:
      value = float(value)
    wanted = int if default is None else type(default)
    if type(value) is not wanted:
      faults.append(
        f'{where}: {field.name} is {value!r}: expected something of the kind '
        f'of {wanted.__name__} {default!r}'
      )
    fields[field.name] = value
  errors.raise_faults(faults)
  return cls(**fields)


@dataclasses.dataclass(frozen=True)
class Source:
  """Where a parameter comes from.

  Attributes:
    names: of the tensor in a checkpoint, in every published spelling; the first
      is how it is written.
    convert: from the tensor to the parameter, a new order of axes; its own
      inverse.
    part: (i, n) where the parameter is the i-th of n equal parts of the tensor,
      cut along its first axis.
  """

  names: tuple[str, ...]
  convert: Callable[[np.ndarray], np.ndarray] = np.asarray
  part: tuple[int, int] = (0, 1)


Table = dict[str, Source]


def plain(path: str, *names: str) -> Table:
  """The table of a parameter that a checkpoint holds as it is."""
  return {path: Source(names)}


def dense(path: str, name: str, use_bias: bool = True) -> Table:
  """The table of a dense layer; PyTorch holds the kernel transposed."""
  table = {f'{path}/kernel': Source((f'{name}.weight',), np.transpose)}
  if use_bias:
    table |= plain(f'{path}/bias', f'{name}.bias')
  return table


def norm(path: str, name: str) -> Table:
  """The table of a normalisation."""
  return plain(f'{path}/scale', f'{name}.weight') | plain(
    f'{path}/bias', f'{name}.bias'
  )


def to_params(
  table: Table,
  tensors: Mapping[str, np.ndarray],
  prefixes: Sequence[str],
  dropped: Sequence[str],
  where: str,
) -> dict[str, Any]:
  """Turns a checkpoint's tensors into parameters.

  Args:
    table: where each parameter comes from, by its path.
    tensors: by name; what a model with a head calls `roberta.encoder...` is
      found too.
    prefixes: what such names may begin with, `roberta.`.
    dropped: regular expressions of names that the encoder knowingly does not
      want, such as heads.
    where: names the checkpoint in messages.

  Returns:
    Nested dictionaries of float32 arrays.

  Raises:
    InputError: a tensor is missing, or has other than numbers, or is part of
      the encoder but without use. Others without use are logged.
  """
  ours: dict[str, np.ndarray] = {}
  unused, strange = [], []
  wanted = {name for source in table.values() for name in source.names}
  modules = tuple({name.split('.')[0] + '.' for name in wanted})
  for name, tensor in tensors.items():
    prefix = next((p for p in prefixes if name.startswith(p)), '')
    bare = re.sub(
      r'\.(gamma|beta)$',
      lambda m: '.weight' if m[1] == 'gamma' else '.bias',
      name[len(prefix) :],
    )
    if bare in wanted:
      ours[bare] = tensor
    elif not any(re.fullmatch(pattern, bare) for pattern in dropped):
      inside = prefix or bare.startswith(modules)
      (strange if inside else unused).append(name)
  faults = [
    f'{where}: {name} is part of the encoder, which has no use for it'
    for name in sorted(strange)
  ]
  params: dict[str, Any] = {}
  for path, source in table.items():
    found = [ours[name] for name in source.names if name in ours]
    if not found:
      faults.append(f'{where}: lacks {" or ".join(source.names)}')
      continue
    part, parts = source.part
    if len(found[0].shape) == 0 or len(found[0]) % parts:
      faults.append(f'{where}: {source.names[0]} has shape {found[0].shape}')
      continue
    array = source.convert(np.split(found[0], parts)[part])
    *folders, leaf = path.split('/')
    tree = params
    for folder in folders:
      tree = tree.setdefault(folder, {})
    tree[leaf] = np.ascontiguousarray(array, np.float32)
  errors.raise_faults(faults)
  if unused:
    logging.getLogger(__name__).warning(
      '%s: without use: %s', where, ', '.join(sorted(unused))
    )
  return params


def to_tensors(table: Table, params: Mapping[str, Any]) -> dict[str, Any]:
  """Turns parameters into a checkpoint's tensors: undoes `to_params`."""
  parts: dict[str, list[np.ndarray]] = {}
  for path, source in table.items():
    value = params
    for key in path.split('/'):
      value = value[key]
    parts.setdefault(source.names[0], []).append(
      source.convert(np.asarray(value, np.float32))
    )
  return {
    name: np.ascontiguousarray(np.concatenate(arrays))
    for name, arrays in parts.items()
  }
