"""What every binary shares: flags, messages and exit status."""

import logging
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
  OSError,
  SyntaxError,
  TypeError,
  ValueError,
)


def run(main: Callable[[], None]) -> None:
  """Parses the flags, calls `main()` and exits.

  The exit status is 0 after success and 2 after bad input (a wrong flag, config
  key or file), which is told in one message on standard error. Anything else
  is a defect of the program and shows its traceback.

  Args:
    main: what the binary does; it reads its flags itself.
  """
  _log_to_stderr()

  def call(argv: Sequence[str]) -> None:
    # Libraries log through absl; they only speak of trouble here.
    absl_logging.set_verbosity(absl_logging.ERROR)
    if len(argv) > 1:
      _fail(f'{argv[1]!r} is not a flag: write --name=value')
    try:
      main()
    except errors.InputError as error:
      _fail(str(error))
    except OSError as error:
      if error.filename is None and error.errno is None:
        raise
      place = f'{error.filename}: ' if error.filename else ''
      _fail(f'{place}{error.strerror or error}')
    except KeyboardInterrupt:
      sys.exit(130)

  app.run(call, flags_parser=_parse)


def _parse(argv: Sequence[str]) -> list[str]:
  try:
    return flags.FLAGS(argv)
  except _PARSE_ERRORS as error:
    message = str(error)
    if isinstance(error, AttributeError | KeyError):  # From config overrides.
      field = message.strip('"\'')
      message = f'config: there is no field {field!r}'
    _fail(message)


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
