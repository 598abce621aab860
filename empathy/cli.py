"""What every binary shares: flags, messages and exit status."""

import dataclasses
import itertools
import logging
import os
import pathlib
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from absl import app, flags
from absl import logging as absl_logging

from empathy import errors, helps, nearest, preemption

_PARSE_ERRORS = (
  flags.Error,
  AttributeError,
  ImportError,
  KeyError,
  NameError,
  OSError,
  SyntaxError,
  TypeError,
  ValueError,
)


# How a place in a bucket begins.
_BUCKET = re.compile(r'[a-z][a-z0-9+.-]*://')


def run(
  main: Callable[..., None],
  words: bool = False,
  buckets: Sequence[str] = (),
  required: Sequence[str] = (),
  more: Callable[[], Iterable[helps.Part]] = tuple,
) -> None:
  """Parses the flags, calls `main()` and exits; or says what --help asks.

  The exit status is 0 after success and 2 after bad input (a wrong flag, config
  key or file) or on a full disk, which is told in one message on standard
  error; 143 where SIGTERM ended it. Anything else is a defect of the program
  and shows its traceback.

  Args:
    main: what the binary does; it reads its flags itself.
    words: whether it takes what is no flag, each word as an argument.
    buckets: the flags that may name a place in a bucket, gs:// or s3://; any
      other, and any field of a config, that does is refused.
    required: flags that --help shows as needed, though absl does not know it.
    more: makes what else --help shows.
  """
  if not {'--help', '-help', '-h', '--helpshort'}.isdisjoint(sys.argv[1:]):
    doc = sys.modules['__main__'].__doc__
    own = flags.FLAGS.flags_by_module_dict()[sys.argv[0]]
    helps.show(helps.page(doc, own, required, more()))
    sys.exit()
  _log_to_stderr()

  def call(argv: Sequence[str]) -> None:
    # Libraries log through absl; they only speak of trouble here.
    absl_logging.set_verbosity(absl_logging.ERROR)
    if len(argv) > 1 and not words:
      _fail(not_a_flag(argv[1]))
    for name in flags.FLAGS:
      if helps.is_required(flags.FLAGS[name]) and flags.FLAGS[name].value == '':
        _fail(f'--{name}: is empty')
    for name, value in _texts(argv[1:]):
      if name not in buckets and _BUCKET.match(value):
        place = f'--{name}: {value}' if name else value
        _fail(f'{place}: is in a bucket; expected a path on this machine')
    # As an exception, so that nothing half-written is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(preemption.STATUS))
    try:
      main(*argv[1:])
    except errors.InputError as error:
      _fail(str(error))
    except OSError as error:
      if error.filename is None and error.errno is None:
        raise
      place = f'{error.filename}: ' if error.filename else ''
      _fail(f'{place}{error.strerror or error}')
    except errors.Stopped as stopped:
      print(f'stopped: {stopped}', file=sys.stderr)
      sys.exit(preemption.STATUS)
    except KeyboardInterrupt:
      sys.exit(130)
    except (AssertionError, RuntimeError) as error:
      if not _is_no_device(error):
        raise
      reason = (str(error) or 'there is no such device here').splitlines()[0]
      _fail(f'JAX_PLATFORMS={os.environ.get("JAX_PLATFORMS", "")}: {reason}')

  # Flags may follow words.
  flags.FLAGS.set_gnu_getopt()
  app.run(call, flags_parser=_parse)


def not_a_flag(word: str) -> str:
  """What is said of a word where a flag was expected."""
  if word.partition('=')[0] in flags.FLAGS:
    return f'{word!r} is not a flag: did you mean --{word}?'
  name = nearest.flag_for(word)
  if name == 'corpus' and 'corpus' not in flags.FLAGS:
    name = 'config.corpus'
  importers = pathlib.Path(__file__).parent / 'corpora' / 'importers'
  if word.isidentifier() and (importers / f'{word}.py').is_file():
    name = 'importer'
  if name is None or name.partition('.')[0] not in flags.FLAGS:
    return f'{word!r} is not a flag: write --name=value'
  return f'{word!r} is not a flag: did you mean --{name}={word}?'


def _texts(words: Sequence[str]) -> Iterator[tuple[str, str]]:
  """The flags that are texts, the fields of a config too, and the words."""
  for word in words:
    yield '', word
  for name in flags.FLAGS:
    value = flags.FLAGS[name].value
    if isinstance(value, str):
      yield name, value
    elif isinstance(value, list):
      yield from ((name, item) for item in value if isinstance(item, str))
    elif name == 'config':
      yield from _fields(name, value)


def _fields(name: str, value: Any) -> Iterator[tuple[str, str]]:
  """The texts in a config, with their place."""
  if hasattr(value, 'items'):
    for key, item in value.items():
      yield from _fields(f'{name}.{key}', item)
  elif isinstance(value, tuple | list):
    for item in value:
      yield from _fields(name, item)
  elif isinstance(value, str):
    yield name, value


def _is_no_device(error: Exception) -> bool:
  """Whether JAX found none of the devices that it was told to use."""
  return any(
    frame.name == 'backends' and frame.filename.endswith('xla_bridge.py')
    for frame in traceback.extract_tb(error.__traceback__)
  )


def _parse(argv: Sequence[str]) -> list[str]:
  config = _config(argv)
  file, _, variant = (config or '').partition(':')
  if config is not None and not pathlib.Path(file).is_file():
    _fail(f'--config={config}: no such config file{_config_hint(file)}')
  if config is not None and not file.endswith('.py'):
    _fail(f'--config={config}: expected a Python file, as in configs/')
  try:
    return flags.FLAGS(argv)
  except _PARSE_ERRORS as error:
    message = str(error).strip()
    missing = re.findall(r'Flag (--\S+) must have a value other than', message)
    if missing:
      message = 'expected ' + ', '.join(f'{flag}=...' for flag in missing)
      if rest := _rest(argv):
        message = not_a_flag(rest[0])
    elif (fault := _cause_in_config(error)) is not None:
      message = f'{file}: {_file_fault(fault, variant)}'
    elif isinstance(error, flags.UnrecognizedFlagError):
      message = _unknown(error.flagname)
    elif isinstance(error, flags.IllegalFlagValueError):
      message = _illegal(message)
    elif not isinstance(error, flags.Error):  # From an override.
      message = f'config: {_config_fault(error)}'
      message = _with_place(message, argv)
    _fail(message)


def _config_hint(file: str) -> str:
  """Which config file may be meant by one that is not there."""
  if file and pathlib.Path(file).is_dir():
    names = sorted(path.name for path in pathlib.Path(file).glob('*.py'))
    return f', but a folder of {", ".join(names)}' if names else ''
  shipped = pathlib.Path('configs', pathlib.Path(file).name)
  if shipped.is_file():
    return f'; did you mean {shipped}?'
  return nearest.path_hint(file, '.py') or nearest.path_hint(shipped, '.py')


def _rest(argv: Sequence[str]) -> list[str]:
  """The words that are neither flags nor values of flags."""
  found = []
  for before, word in itertools.pairwise(argv):
    name = before.lstrip('-')
    takes = before.startswith('-') and '=' not in before
    takes = takes and name in flags.FLAGS and not flags.FLAGS[name].boolean
    if not word.startswith('-') and not takes:
      found.append(word)
  return found


def _unknown(name: str) -> str:
  """What is said of a flag that there is not."""
  if name.startswith('config.'):
    return f'--{name} needs --config=FILE'
  known = {
    x.name: x.name for x in flags.FLAGS.get_key_flags_for_module(sys.argv[0])
  }
  if 'config' in known:
    # Here, for `evaluate` has nothing to do with training.
    from empathy.training import config_fields

    fields = (one.name for one in dataclasses.fields(config_fields.Fields))
    known = {field: f'config.{field}' for field in fields} | known
  found = nearest.meant(name, known)
  hint = f'; did you mean --{known[found]}?' if found else '; see --help'
  return f'there is no flag --{name}{hint}'


def _illegal(message: str) -> str:
  """What is said of a flag's value that cannot be."""
  found = re.fullmatch(r'flag --(\w+)=(.*?): (.*)', message, re.DOTALL)
  if not found:
    return message
  name, value, reason = found.groups()
  flag = flags.FLAGS[name]
  expected = flag.parser.syntactic_help
  if flag.boolean:
    expected = 'true or false'
  if expected in ('an integer', 'a number', 'true or false'):
    reason = f'{value!r} is not {expected}'
  return f'--{name}: {reason}'


def _config(argv: Sequence[str]) -> str | None:
  """The config file that was asked for, with what follows its colon."""
  found = None
  if 'config' in flags.FLAGS:
    for word, following in itertools.pairwise([*argv[1:], '']):
      name, equals, value = word.partition('=')
      if name in ('--config', '-config'):
        found = value if equals else following
  return found


def _cause_in_config(error: BaseException | None) -> BaseException | None:
  """What was raised as a config file was read, if that is what went wrong."""
  found = None
  while error is not None:
    # Some are raised again by the one who reads it, with a traceback for text.
    for frame, _ in traceback.walk_tb(error.__traceback__):
      if frame.f_code.co_qualname == 'ConfigFileFlagParser.parse':
        found = error
    error = error.__context__
  return found


def _file_fault(error: BaseException, variant: str) -> str:
  """What is wrong with a config file, or with the variant asked of it."""
  if isinstance(error, KeyError) and error.args == (variant,):
    return f'there is no variant {variant!r}'
  if isinstance(error, TypeError) and 'get_config() takes 0 pos' in str(error):
    return f'has no variants, hence no {variant!r} after a colon'
  return str(error)


def _config_fault(error: Exception) -> str:
  """What went wrong when a config was overridden, on one line."""
  if not isinstance(error, AttributeError | KeyError) or not error.args:
    return str(error)
  if isinstance(error.args[0], Exception):
    return _config_fault(error.args[0])
  what, *hints = str(error.args[0]).splitlines()
  if ' ' not in what:
    field = what.strip('"\'')
    what = f'there is no field {field!r}'
  meant = re.search(r'Did you mean "(\w+)"', ' '.join(hints))
  if meant:
    return f'{what}; did you mean {meant[1]}?'
  return '. '.join([what, *hints])


def _with_place(message: str, argv: Sequence[str]) -> str:
  """The same, with the whole path of a field that there is not."""
  field = re.match(r"config: there is no field '(\w+)'", message)
  for word in argv[1:] if field else ():
    name = word.partition('=')[0].lstrip('-')
    if name.startswith('config.') and field[1] in name.split('.'):
      return f'{name}: there is no field {message.partition("no field ")[2]}'
  return message


def _fail(message: str) -> None:
  print(f'error: {errors.named(message)}', file=sys.stderr)
  sys.exit(2)


def _log_to_stderr() -> None:
  """Shows this project's messages, with the time."""
  handler = logging.StreamHandler()
  handler.setFormatter(logging.Formatter('%(asctime)s %(message)s', '%H:%M:%S'))
  logger = logging.getLogger('empathy')
  logger.setLevel(logging.INFO)
  logger.propagate = False
  logger.handlers = [handler]
