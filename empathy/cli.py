"""What every binary shares: flags, messages and exit status."""

import logging
import re
import sys
from collections.abc import Callable, Sequence

from absl import app, flags
from absl import logging as absl_logging

from empathy import errors

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


def run(main: Callable[..., None], words: bool = False) -> None:
  """Parses the flags, calls `main()` and exits.

  The exit status is 0 after success and 2 after bad input (a wrong flag, config
  key or file), which is told in one message on standard error. Anything else
  is a defect of the program and shows its traceback.

  Args:
    main: what the binary does; it reads its flags itself.
    words: whether it takes what is no flag, each word as an argument.
  """
  _log_to_stderr()

  def call(argv: Sequence[str]) -> None:
    # Libraries log through absl; they only speak of trouble here.
    absl_logging.set_verbosity(absl_logging.ERROR)
    if len(argv) > 1 and not words:
      _fail(f'{argv[1]!r} is not a flag: write --name=value')
    try:
      main(*argv[1:])
    except errors.InputError as error:
      _fail(str(error))
    except OSError as error:
      if error.filename is None and error.errno is None:
        raise
      place = f'{error.filename}: ' if error.filename else ''
      _fail(f'{place}{error.strerror or error}')
    except KeyboardInterrupt:
      sys.exit(130)

  # Flags may follow words.
  flags.FLAGS.set_gnu_getopt(words)
  app.run(call, flags_parser=_parse)


def _parse(argv: Sequence[str]) -> list[str]:
  try:
    return flags.FLAGS(argv)
  except _PARSE_ERRORS as error:
    message = str(error).strip()
    missing = re.findall(r'Flag (--\S+) must have a value other than', message)
    if missing:
      message = 'expected ' + ', '.join(f'{flag}=...' for flag in missing)
    elif not isinstance(error, flags.Error):  # From a config or its overrides.
      message = f'config: {_config_fault(error)}'
    _fail(message)


def _config_fault(error: Exception) -> str:
  """What went wrong when a config was read or overridden, on one line."""
  if not isinstance(error, AttributeError | KeyError) or not error.args:
    return str(error)
  if isinstance(error.args[0], Exception):
    return _config_fault(error.args[0])
  what, *hints = str(error.args[0]).splitlines()
  if ' ' not in what:
    field = what.strip('"\'')
    what = f'there is no field {field!r}'
  return '. '.join([what, *hints])


def _fail(message: str) -> None:
  print(f'error: {message}', file=sys.stderr)
  sys.exit(2)


def _log_to_stderr() -> None:
  """Shows this project's messages, with the time."""
  handler = logging.StreamHandler()
  handler.setFormatter(logging.Formatter('%(asctime)s %(message)s', '%H:%M:%S'))
  logger = logging.getLogger('empathy')
  logger.setLevel(logging.INFO)
  logger.propagate = False
  logger.handlers = [handler]
