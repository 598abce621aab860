"""The one error that people cause and can mend: bad input."""

from collections.abc import Sequence

_MAX_SHOWN = 20


class InputError(ValueError):
  """What is wrong, where, and what was expected; binaries exit with 2."""


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
