"""What a config names: something that is shipped, or an import path.

  focal                     shipped
  focal(gamma=1.5)          with an argument
  my_losses:hinge           `hinge` of the module my_losses, on PYTHONPATH
  optax:lion(b1=0.95)       likewise, with an argument

Arguments are Python literals, by name. `my_losses.hinge` says the same as with
a colon.
"""

import ast
import functools
import importlib
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from empathy import errors

_CALL = re.compile(r'([\w.:]+)\s*(\(.*\))?', re.DOTALL)


def resolve(
  text: str,
  shipped: Mapping[str, Callable],
  what: str,
  takes: Sequence[str] | None = None,
) -> Callable:
  """Finds what a config names.

  Args:
    text: a name, perhaps with arguments; see the module.
    shipped: by name.
    what: the field, as in 'config.loss'.
    takes: the arguments by position that it will be given; None: it is not
      checked whether it takes them.

  Returns:
    What was named, with the arguments bound.

  Raises:
    InputError: there is no such thing, or it does not take the arguments.
  """
  path, options = parse(text, what)
  found = find(path, shipped, what)
  if not callable(found):
    raise errors.InputError(f'{what}: {path!r} is not a function')
  try:
    signature = inspect.signature(found)
    if takes is None:
      signature.bind_partial(**options)
    else:
      signature.bind(*takes, **options)
  except ValueError:  # Of a function that does not say.
    return functools.partial(found, **options)
  except TypeError as error:
    raise errors.InputError(
      f'{what}: {path} is called with ({", ".join(takes or ["..."])}) and what '
      f'the config says, but has {signature}: {error}'
    ) from None
  return functools.partial(found, **options) if options else found


def parse(text: str, what: str) -> tuple[str, dict[str, Any]]:
  """Divides a text into the name and the arguments.

  Raises:
    InputError: it is not of that form.
  """
  match = _CALL.fullmatch(text.strip())
  try:
    call = ast.parse(f'f{match[2] or "()"}', mode='eval').body
    options = {x.arg: ast.literal_eval(x.value) for x in call.keywords}
    if call.args or None in options or not isinstance(call.func, ast.Name):
      raise ValueError
  except (AttributeError, SyntaxError, TypeError, ValueError):
    raise errors.InputError(
      f'{what}: {text!r} is not a name, nor one with arguments, as in '
      'name(width=3)'
    ) from None
  return match[1], options


def label(text: str) -> str:
  """The name alone, without module and arguments, to be written to files."""
  return re.split(r'[.:]', _CALL.match(text.strip())[1])[-1]


def find(path: str, shipped: Mapping[str, Any], what: str) -> Any:
  """What has a name, or an import path.

  Args:
    path: a key of `shipped`, or `module:name`, or `module.name`.
    shipped: by name.
    what: the field, as in 'config.loss'.

  Raises:
    InputError: there is no such thing.
  """
  if path in shipped:
    return shipped[path]
  module, _, attribute = path.replace(':', '.').rpartition('.')
  reason, found = 'which is module:name', None
  if module:
    try:
      found = getattr(importlib.import_module(module), attribute)
    except (AttributeError, ImportError, ValueError) as error:
      reason = f'{error}; is the folder of the module on PYTHONPATH?'
  if found is None:
    raise errors.InputError(
      f'{what}: {path!r} is not one of {", ".join(shipped)}, nor an import '
      f'path ({reason})'
    )
  return found
