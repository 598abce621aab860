"""How an encoder of sentences is used, as sentence-transformers writes it.

Beside the encoder are `modules.json`, a list of what follows on what, a folder
with a `config.json` for most of these, and what is put before each text. All of
its versions, 0.4 to 6, are read.
"""

from typing import Any

from empathy import errors
from empathy.encoders import checkpoint, inputs

_MODULES = 'modules.json'
# What they call poolings, and we.
_POOLINGS = {'cls': 'first', 'lasttoken': 'last', 'max': 'max', 'mean': 'mean'}
# Before version 5.4 each was a flag.
_FLAG = 'pooling_mode_'
_KINDS = ('bert', 'roberta', 'distilbert', 'camembert', 'xlm-roberta')


def own(
  found: checkpoint.Checkpoint, default: inputs.Own = inputs.FIRST
) -> inputs.Own:
  """How the makers of a checkpoint use it.

  Args:
    found: the checkpoint.
    default: for one that does not say.

  Raises:
    InputError: a file is missing, or is not what it should be.
  """
  modules = checkpoint.beside(found, _MODULES, list)
  if modules is None:
    return default
  where = f'{found.name}: {_MODULES}'
  try:
    steps = [(m['type'].rpartition('.')[2], m.get('path', '')) for m in modules]
  except (AttributeError, KeyError, TypeError):
    raise errors.InputError(
      f'{where}: expected a list of modules with type and path'
    ) from None
  names = [name for name, _ in steps]
  fault = ''
  if names[:2] != ['Transformer', 'Pooling'] or names[2:] not in (
    [],
    ['Normalize'],
  ):
    pooling = 'mean'
    fault = f'has {", ".join(names)}, not Transformer, Pooling[, Normalize]'
  else:
    settings = checkpoint.beside(found, f'{steps[1][1]}/config.json')
    if settings is None:
      raise errors.InputError(f'{where}: {steps[1][1]}/config.json is missing')
    pooling, fault = _pooling(settings)
  most, is_lower = _limits(found)
  return inputs.Own(
    pooling,
    is_unit='Normalize' in names,
    prefix=_prompt(found),
    max_tokens=most,
    is_lower=is_lower,
    fault=fault and f'{where}: {fault}',
  )


def _pooling(settings: dict[str, Any]) -> tuple[str, str]:
  """What a module `Pooling` does, and what of it is not supported."""
  modes = settings.get('pooling_mode')
  if modes is None:
    modes = [
      key.removeprefix(_FLAG).removesuffix('_tokens').removesuffix('_token')
      for key, value in settings.items()
      if key.startswith(_FLAG) and value
    ] or ['mean']
  elif isinstance(modes, str):
    modes = [modes]
  if len(modes) != 1 or modes[0] not in _POOLINGS:
    return 'mean', f'pools by {" and ".join(map(str, modes))}'
  if settings.get('include_prompt') is False:
    return 'mean', "leaves the prompt's tokens out of what it pools"
  return _POOLINGS[modes[0]], ''


def _limits(found: checkpoint.Checkpoint) -> tuple[int | None, bool]:
  """The most tokens of a text, if said, and whether letters become small."""
  for kind in _KINDS:
    file = f'sentence_{kind}_config.json'
    settings = checkpoint.beside(found, file)
    if settings is not None:
      most = settings.get('max_seq_length')
      if most is not None and (type(most) is not int or most < 1):
        raise errors.InputError(
          f'{found.name}: {file}: max_seq_length is {most!r}; expected a number'
        )
      return most, settings.get('do_lower_case') is True
  return None, False


def _prompt(found: checkpoint.Checkpoint) -> str:
  """What is put before a text where nothing else is asked for."""
  file = 'config_sentence_transformers.json'
  settings = checkpoint.beside(found, file) or {}
  name, prompts = settings.get('default_prompt_name'), settings.get('prompts')
  if name is None:
    return ''
  prompt = (prompts or {}).get(name)
  if not isinstance(prompt, str):
    raise errors.InputError(
      f'{found.name}: {file}: default_prompt_name is {name!r}, which prompts '
      'lacks'
    )
  return prompt
