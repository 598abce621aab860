"""How a run ends early: by bad input, or because it was told to stop."""

from collections.abc import Sequence

_MAX_SHOWN = 20


class InputError(ValueError):
  """What is wrong, where, and what was expected; binaries exit with 2."""


class Stopped(Exception):
  """Told to stop, the work is saved: up to where, and how to go on."""


def raise_faults(faults: Sequence[str]) -> None:
  """Raises one `InputError` with a line for each fault, if there is any.

  Args:
    faults: one line each, which names the file, the place and what was
      expected there.

  Raises:
    InputError: `faults` is not empty.
  """
  if not faults:
    return
  shown = list(faults[:_MAX_SHOWN])
  if len(faults) > _MAX_SHOWN:
    shown.append(f'... and {len(faults) - _MAX_SHOWN} more faults')
  raise InputError('\n'.join(shown))
