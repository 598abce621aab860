"""What a config names: something that is shipped, or an import path.

  focal                     shipped
  focal(gamma=1.5)          with an argument
  my_losses:hinge           `hinge` of the module my_losses, on PYTHONPATH
  optax:lion(b1=0.95)       likewise, with an argument

Arguments are Python literals, by name. `my_losses.hinge` says the same as with
a colon.
"""

import ast
import contextlib
import functools
import importlib
import inspect
import pathlib
import re
import sysconfig
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from empathy import errors, nearest

_CALL = re.compile(r'([\w.:]+)\s*(\(.*\))?', re.DOTALL)
# Where code lies that is nobody's own: this package, libraries, Python's.
_OTHERS = (
  str(pathlib.Path(__file__).parent),
  *(sysconfig.get_path(name) for name in ('purelib', 'platlib', 'stdlib')),
)


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
    signature.bind_partial(**options)
  except ValueError:  # Of a function that does not say.
    return functools.partial(found, **options)
  except TypeError as error:
    raise errors.InputError(
      f'{what}: {path} has {_brief(signature)}: {error}'
    ) from None
  if takes is not None:
    check_takes(found, takes, options, what, path)
  return functools.partial(found, **options) if options else found


def check_takes(
  function: Callable,
  args: Sequence[str],
  options: Collection[str],
  what: str,
  path: str,
) -> None:
  """Makes sure that a function takes what it will be given.

  Args:
    function: which says what it takes.
    args: the arguments by position.
    options: those by name.
    what: the field, as in 'config.loss'.
    path: the function's name in the config.

  Raises:
    InputError: it does not.
  """
  signature = inspect.signature(function)
  try:
    signature.bind(*args, **dict.fromkeys(options))
  except TypeError as error:
    raise errors.InputError(
      f'{what}: {path} is called with ({", ".join([*args, *options])}), but '
      f'has {_brief(signature)}: {error}'
    ) from None


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
    reason = f'module {module!r} has no attribute {attribute!r}'
    with blaming(what, path):
      try:
        found = getattr(importlib.import_module(module), attribute, None)
      except ModuleNotFoundError as error:
        if not f'{module}.'.startswith(f'{error.name}.'):
          raise  # Another one, which it needs.
        reason = str(error)
    reason += '; is the folder of the module on PYTHONPATH?'
  if found is None:
    raise errors.InputError(
      f'{what}: {path!r} is not one of {", ".join(shipped)}, nor an import '
      f'path ({reason})' + nearest.hint(path, shipped)
    )
  return found


@contextlib.contextmanager
def blaming(what: str, text: str) -> Iterator[None]:
  """Says in one line what failed, and where in one's own code.

  What is shipped and has no arguments fails as any code of this package.

  Args:
    what: the field, as in 'config.loss'.
    text: as in the config.

  Raises:
    InputError: something failed while the block ran.
  """
  try:
    yield
  except errors.InputError:
    raise
  except Exception as error:
    if text.isidentifier():
      raise
    frames = traceback.extract_tb(error.__traceback__)
    own = [x for x in frames if not x.filename.startswith((*_OTHERS, '<'))]
    places = [f'{x.filename}, line {x.lineno}' for x in own[-1:]]
    if isinstance(error, SyntaxError):
      places = [f'{error.filename}, line {error.lineno}']
    where = ''.join(f' in {place}' for place in places)
    first = (str(error).strip() or 'no message').splitlines()[0]
    raise errors.InputError(
      f'{what}: {text} fails{where}: {type(error).__name__}: {first}'
    ) from error


def blamed(function: Callable, what: str, text: str) -> Callable:
  """The same function; where it fails, `blaming` says so."""

  @functools.wraps(function)
  def call(*args, **options):
    with blaming(what, text):
      return function(*args, **options)

  return call


def _brief(signature: inspect.Signature) -> str:
  """The arguments that something takes, without their types."""
  empty = inspect.Parameter.empty
  bare = [x.replace(annotation=empty) for x in signature.parameters.values()]
  return str(signature.replace(parameters=bare, return_annotation=empty))
