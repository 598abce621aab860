"""Finds and reads published checkpoints: a config and named tensors.

A checkpoint is a folder in the layout of the Hugging Face Hub, or the name of
one there: `config.json` and `model.safetensors` or `pytorch_model.bin`, either
of which may be split into shards that an index lists.
"""

import dataclasses
import functools
import hashlib
import json
import logging
import os
import pathlib
import re
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import huggingface_hub
import ml_dtypes
import numpy as np
import safetensors
from huggingface_hub import errors as hub_errors

from empathy import errors, files
from empathy.encoders import torch_files

_LOGGER = logging.getLogger(__name__)

_CONFIG = 'config.json'
_ADAPTER = 'adapter_config.json'
# Of tensors of PEFT's adapters.
_ADAPTED = re.compile(r'\.(lora_[AB]|base_layer)\.')
# What a clone without Git LFS has in place of a large file begins with.
_POINTER = b'version https://git-lfs'
_WEIGHTS = (
  'model.safetensors',
  'model.safetensors.index.json',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json',
)
# Of weights, in any framework; and what an index, or a file in the works, is.
_WEIGHTS_LIKE = (
  *('.safetensors', '.bin', '.pt', '.pth', '.ckpt', '.h5', '.msgpack', '.ot'),
  *('.onnx', '.gguf', '.npz', '.index.json', '.incomplete', '.lock'),
)
# What prepares sound and pictures is read from these; a tokenizer from all that
# there are of the first kinds, or else of the others.
_PREPARED = (
  'preprocessor_config.json',
  'processor_config.json',
  'video_preprocessor_config.json',
)
_TOKENIZER = ('tokenizer.json', 'tokenizer_config.json')
_VOCABULARY = (
  *('vocab.txt', 'vocab.json', 'merges.txt', 'tokenizer.model'),
  *('spm.model', 'spiece.model', 'sentencepiece.bpe.model'),
  *('added_tokens.json', 'special_tokens_map.json'),
)
_MOST_BYTES = 2**27  # A tokenizer of 250,000 words has some 2**24.
# Of tensors that can be read, in a file of safetensors.
_READABLE = frozenset(
  (
    *('F64', 'F32', 'F16', 'BF16', 'BOOL'),
    *(f'{kind}{bits}' for kind in 'IU' for bits in (8, 16, 32, 64)),
  )
)
# Of tensors that can be parameters.
_FLOATS = frozenset(
  np.dtype(kind)
  for kind in (np.float64, np.float32, np.float16, ml_dtypes.bfloat16)
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
    return _sha256([self.config, *self.weights])

  def inputs_sha256(self, modality: str) -> str:
    """A hash of what its inputs are prepared by, likewise."""
    if modality != 'text':
      return _sha256(filter(None, map(self.beside, _PREPARED)))
    found = [self.beside(file) for file in _TOKENIZER]
    if found[0] is None:
      found += map(self.beside, _VOCABULARY)
    return _sha256(filter(None, found))

  def beside(self, file: str) -> pathlib.Path | None:
    """Where another of its files is; None if it has no such file."""
    fetch = _from_folder if os.path.isdir(self.name) else _from_hub
    return fetch(self.name, file)


def _sha256(paths: Iterable[pathlib.Path]) -> str:
  parts = [files.sha256(path) for path in paths]
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
    if fetch(name, _ADAPTER) is not None:
      raise errors.InputError(
        f'{name}: is an adapter alone ({_ADAPTER}), without the encoder that '
        'it changes; merge the two (merge_and_unload of PEFT) and save that'
      )
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
  others = sorted(
    path.name
    for path in config.parent.iterdir()
    if path.name.endswith(_WEIGHTS_LIKE)
  )
  only = f', only {_some(others)}' if others else ''
  raise errors.InputError(
    f'{name}: has no weights that can be read{only}: expected one of '
    f'{", ".join(_WEIGHTS)}'
  )


def small_files(name_or_path: str | os.PathLike) -> dict[str, pathlib.Path]:
  """The files beside a checkpoint's config that are not weights.

  They are what its tokenizer or processor reads, whatever that calls them, and
  the settings of the modules after an encoder of sentences, in folders. Of a
  checkpoint on the Hub, those that were fetched: what was loaded before.

  Returns:
    Their paths, by those from the checkpoint on.
  """
  folder = find(name_or_path).config.parent
  paths = [*folder.iterdir(), *folder.glob('*/config.json')]
  return {
    path.relative_to(folder).as_posix(): path
    for path in sorted(paths)
    if path != folder / _CONFIG
    and not path.name.startswith('.')
    and not path.name.endswith(_WEIGHTS_LIKE)
    and path.is_file()
    and path.stat().st_size <= _MOST_BYTES
  }


def beside(checkpoint: Checkpoint, file: str, kind: type = dict) -> Any:
  """What a JSON file of a checkpoint says; None if it has no such file.

  Args:
    checkpoint: as found.
    file: its path within, with slashes.
    kind: of what it says, a dict or a list.

  Raises:
    InputError: it is something else.
  """
  path = checkpoint.beside(file)
  return None if path is None else read_json(path, kind)


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


def read_json(path: pathlib.Path, kind: type = dict) -> Any:
  """Reads a file of one JSON object, or of a list.

  Raises:
    InputError: it is something else.
  """
  try:
    found = json.loads(path.read_text(encoding='utf-8'))
  except ValueError as error:
    raise errors.InputError(f'{path}: is not JSON: {error}') from None
  if not isinstance(found, kind):
    what = 'object' if kind is dict else 'list'
    raise errors.InputError(f'{path}: expected a JSON {what}')
  return found


class Tensors(Mapping[str, np.ndarray]):
  """Tensors of files, each of which is read when it is asked for.

  Those of a large encoder, held beside its parameters, are as many bytes again.
  """

  def __init__(self, readers: Mapping[str, Callable[[], np.ndarray]]):
    """Of what reads each, by name."""
    self._readers = readers

  def __getitem__(self, name: str) -> np.ndarray:
    """Reads one."""
    return self._readers[name]()

  def __iter__(self) -> Iterator[str]:
    """Their names."""
    return iter(self._readers)

  def __len__(self) -> int:
    """How many there are."""
    return len(self._readers)


def read_tensors(checkpoint: Checkpoint) -> Tensors:
  """Finds all tensors of a checkpoint.

  Args:
    checkpoint: as found.

  Returns:
    Arrays by the names in the files, in the files' dtypes.

  Raises:
    InputError: a file is damaged or refused (see `torch_files`), or two shards
      have the same tensor.
  """
  readers: dict[str, Callable[[], np.ndarray]] = {}
  for path in checkpoint.weights:
    with open(path, 'rb') as file:
      if file.read(len(_POINTER)) == _POINTER:
        raise errors.InputError(
          f'{path}: is what Git LFS leaves in place of the file itself; fetch '
          'that with: git lfs pull'
        )
    if path.suffix == '.safetensors':
      try:
        with safetensors.safe_open(path, framework='numpy') as file:
          names = sorted(file.keys())
          kinds = [file.get_slice(name).get_dtype() for name in names]
      except (safetensors.SafetensorError, TypeError) as error:
        raise errors.InputError(
          f'{path}: is no safetensors file: {error}'
        ) from None
      _check_kinds(path, dict(zip(names, kinds, strict=True)), _READABLE)
      found = {name: functools.partial(_read, path, name) for name in names}
    else:
      read = torch_files.read(path)
      found = {name: functools.partial(read.get, name) for name in read}
    for name in found.keys() & readers.keys():
      raise errors.InputError(f'{path}: {name} is in another shard already')
    readers |= found
  return Tensors(readers)


def _read(path: pathlib.Path, name: str) -> np.ndarray:
  """Reads a tensor; what was read does not stay mapped into memory."""
  with safetensors.safe_open(path, framework='numpy') as file:
    return file.get_tensor(name)


def _check_kinds(
  where: Any, kinds: Mapping[str, Any], wanted: frozenset[Any]
) -> None:
  """Raises an `InputError` where tensors are of other kinds than wanted."""
  bad = [name for name, kind in kinds.items() if kind not in wanted]
  if bad:
    found = sorted({str(kinds[name]) for name in bad})
    raise errors.InputError(
      f'{where}: {_some(bad)}: of the type {", ".join(found)}; expected '
      'float32, float16, bfloat16 or float64, nothing quantised'
    )


def _some(names: Sequence[str]) -> str:
  """The first three, and how many more."""
  more = f' and {len(names) - 3} more' if len(names) > 3 else ''
  return ', '.join(names[:3]) + more


def read_config(cls: type, values: Mapping[str, Any], where: str) -> Any:
  """Makes an architecture's config from a checkpoint's.

  Args:
    cls: a frozen dataclass of numbers, strings, bools, tuples and others like
      it, whose defaults are those of Transformers. Its `FIXED` holds the
      settings of which only one value is supported, its `RENAMED`, if any,
      other names, also of what others are in, its `DEFAULTS`, if any, defaults
      that a `model_type` has of its own, its `NOTED`, if any, settings that are
      logged, if they are set, with what the encoder makes of them. A setting
      within another is named with a dot: `rope_parameters.rope_type`.
    values: of `config.json`.
    where: names the file in messages.

  Returns:
    The config; keys that it does not know are ignored.

  Raises:
    InputError: a value has another type, or is not supported.
  """
  values = _flat(values)
  for key, text in getattr(cls, 'NOTED', {}).items():
    if values.get(key):
      _LOGGER.info('%s: %s is %r: %s', where, key, values[key], text)
  faults = [
    f'{where}: {key} is {values[key]!r}: only {value!r} is supported'
    for key, value in cls.FIXED.items()
    if values.get(key, value) != value
  ]
  if values.get('quantization_config'):
    faults.append(
      f'{where}: has a quantization_config: quantised weights are not supported'
    )
  # Known ones attend otherwise than what their model_type names.
  if own := values.get('auto_map.AutoModel'):
    faults.append(
      f'{where}: auto_map: its model is code of its own ({own}), which is not '
      'run'
    )
  values = _renamed(values, getattr(cls, 'RENAMED', {}))
  kind = values.get('model_type')
  fields = dict(getattr(cls, 'DEFAULTS', {}).get(kind, {}))
  for field in dataclasses.fields(cls):
    value, default = values.get(field.name), field.default
    if dataclasses.is_dataclass(default):
      begin = f'{field.name}.'
      inner = {
        k.removeprefix(begin): v
        for k, v in values.items()
        if k.startswith(begin)
      }
      fields[field.name] = read_config(type(default), inner, where)
      continue
    if value is None:
      continue
    if isinstance(default, tuple):
      parts = value.split('|') if isinstance(value, str) else value
      value = tuple(p.strip() if isinstance(p, str) else p for p in parts)
    wanted = type(default)
    if default is None:  # As in `int | None`.
      wanted = typing.get_args(field.type)[0]
    if {wanted, type(value)} == {int, float} and wanted(value) == value:
      value = wanted(value)
    if type(value) is not wanted:
      faults.append(
        f'{where}: {field.name} is {value!r}: expected something of the kind '
        f'of {wanted.__name__} {default!r}'
      )
    fields[field.name] = value
  errors.raise_faults(faults)
  return cls(**fields)


def _renamed(
  values: Mapping[str, Any], names: Mapping[str, str]
) -> dict[str, Any]:
  """Flat settings by other names; what is within one goes with it."""
  found = {}
  for key, value in values.items():
    first, dot, rest = key.partition('.')
    found[names.get(key) or names.get(first, first) + dot + rest] = value
  return found


def _flat(values: Mapping[str, Any], before: str = '') -> dict[str, Any]:
  """Settings, and those within them by their path."""
  found = {}
  for key, value in values.items():
    found[before + key] = value
    if isinstance(value, Mapping):
      found |= _flat(value, f'{before}{key}.')
  return found


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


def dense(
  path: str, name: str, use_bias: bool = True, part: tuple[int, int] = (0, 1)
) -> Table:
  """The table of a dense layer, or of one that is a part of the published.

  PyTorch holds the kernel transposed.
  """
  table = {f'{path}/kernel': Source((f'{name}.weight',), np.transpose, part)}
  if use_bias:
    table[f'{path}/bias'] = Source((f'{name}.bias',), part=part)
  return table


def norm(path: str, name: str, use_bias: bool = True) -> Table:
  """The table of a normalisation."""
  table = plain(f'{path}/scale', f'{name}.weight')
  if use_bias:
    table |= plain(f'{path}/bias', f'{name}.bias')
  return table


def to_params(
  table: Table,
  tensors: Mapping[str, np.ndarray],
  prefixes: Sequence[str],
  dropped: Sequence[str],
  where: str,
  make: Callable[[str, np.ndarray], Any] = (
    lambda path, x: np.ascontiguousarray(x, np.float32)
  ),
) -> dict[str, Any]:
  """Turns a checkpoint's tensors into parameters, one after the other.

  Args:
    table: where each parameter comes from, by its path.
    tensors: by name; what a model with a head calls `roberta.encoder...` is
      found too, and what a wrapper calls `module.roberta.encoder...`.
    prefixes: what the names of models with a head begin with, `roberta.`.
    dropped: regular expressions of names that the encoder knowingly does not
      want, such as heads.
    where: names the checkpoint in messages.
    make: the parameter of a path from an array of any numbers.

  Returns:
    Nested dictionaries of parameters, float32 arrays by default.

  Raises:
    InputError: a tensor is missing, there are two of it, or it has other than
      floating point numbers, or one is part of the encoder but without use.
      Others without use are logged.
  """
  adapters = [name for name in tensors if _ADAPTED.search(name)]
  if adapters:
    raise errors.InputError(
      f'{where}: {_some(adapters)}: an adapter that is not merged with the '
      'encoder; merge the two (merge_and_unload of PEFT) and save that'
    )
  begin = _beginning(table, tensors, prefixes, where)
  prefix = next((p for p in prefixes if begin.endswith(p)), '')
  wrapper = begin.removesuffix(prefix)
  ours: dict[str, str] = {}
  unused, strange, twice = [], [], []
  wanted = {name for source in table.values() for name in source.names}
  modules = tuple({name.split('.')[0] + '.' for name in wanted})
  for name in tensors:
    if not name.startswith(wrapper):
      unused.append(name)
      continue
    inner = name[len(wrapper) :]
    before = next((p for p in prefixes if inner.startswith(p)), '')
    bare = _today(inner.removeprefix(before))
    if bare in wanted and before == prefix:
      other = ours.setdefault(bare, name)
      if other != name and not np.array_equal(tensors[other], tensors[name]):
        twice.append(bare)
    elif not any(re.fullmatch(pattern, bare) for pattern in dropped):
      inside = before or bare.startswith(modules)
      (strange if inside else unused).append(name)
  faults, lacking = [], []
  if strange:
    are, them = ('is', 'it') if len(strange) == 1 else ('are', 'them')
    faults.append(
      f'{where}: {_some(sorted(strange))} {are} part of the encoder, which has '
      f'no use for {them}'
    )
  params: dict[str, Any] = {}
  kinds: dict[str, Any] = {}
  for path, source in table.items():
    names = [name for name in source.names if name in ours]
    if not names:
      lacking.append(' or '.join(source.names))
      continue
    found = tensors[ours[names[0]]]
    if not all(
      np.array_equal(found, tensors[ours[name]]) for name in names[1:]
    ):
      twice.append(' and '.join(names))
    kinds[names[0]] = found.dtype
    part, parts = source.part
    if found.ndim == 0 or len(found) % parts:
      faults.append(f'{where}: {source.names[0]} has shape {found.shape}')
      continue
    array = source.convert(np.split(found, parts)[part])
    *folders, leaf = path.split('/')
    tree = params
    for folder in folders:
      tree = tree.setdefault(folder, {})
    tree[leaf] = make(path, array)
  if lacking:
    under = f' (names begin with {begin!r})' if wrapper else ''
    faults.append(f'{where}: lacks {_some(lacking)}{under}')
  if twice:
    faults.append(f'{where}: holds two different {_some(twice)}')
  _check_kinds(where, kinds, _FLOATS)
  errors.raise_faults(faults)
  if unused:
    _LOGGER.warning('%s: without use: %s', where, ', '.join(sorted(unused)))
  return params


def _today(name: str) -> str:
  """The name of a tensor as it is spelt today."""
  return re.sub(
    r'\.(gamma|beta)$',
    lambda m: '.weight' if m[1] == 'gamma' else '.bias',
    name,
  )


def _beginning(
  table: Table, names: Iterable[str], prefixes: Sequence[str], where: str
) -> str:
  """What the names of the encoder's tensors begin with.

  That is one of `prefixes` or nothing, and before it what a wrapper may have
  added: `module.`, `model.`, `0.auto_model.`. It is the one under which all of
  the encoder is there; where none is complete, the one that has most of it.

  Raises:
    InputError: several are complete.
  """
  parameters: dict[str, set[str]] = {}
  for path, source in table.items():
    for name in source.names:
      parameters.setdefault(name, set()).add(path)
  found: dict[str, set[str]] = {}
  for name in map(_today, names):
    for dot in [-1, *(m.start() for m in re.finditer(r'\.', name))]:
      if name[dot + 1 :] in parameters:
        covered = found.setdefault(name[: dot + 1], set())
        covered |= parameters[name[dot + 1 :]]
  usual = ('', *prefixes)
  complete = [b for b, covered in found.items() if len(covered) == len(table)]
  # A copy elsewhere, such as a moving average, does not make it ambiguous.
  complete = [b for b in complete if b in usual] or complete
  if len(complete) > 1:
    raise errors.InputError(
      f'{where}: holds {len(complete)} encoders, whose names begin with '
      f'{" and ".join(map(repr, sorted(complete)))}; expected one'
    )
  if complete:
    return complete[0]
  order = sorted(found, key=lambda b: (-len(found[b]), b not in usual, b))
  return order[0] if order else ''


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
