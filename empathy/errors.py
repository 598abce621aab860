"""How a run ends early: by bad input, or because it was told to stop."""

from collections.abc import Hashable, Sequence

_MAX_SHOWN = 20
_MAX_PLACES = 3


class InputError(ValueError):
  """What is wrong, where, and what was expected; binaries exit with 2."""


class Stopped(Exception):
  """Told to stop, the work is saved: up to where, and how to go on."""


# The folders that stand for those in buckets now, with the latter's names.
places: dict[str, str] = {}


def named(text: str) -> str:
  """A message that names places in buckets, not what stands for them here."""
  for local, path in places.items():
    text = text.replace(local, path)
  return text


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


class Faults:
  """Collects faults; those of one kind are told once.

  As `data.csv:2: column 'group': is empty (50 times: lines 2, 3, 4, ...)`.
  """

  def __init__(self):
    self._found: dict[Hashable, list[tuple[str, int | str | None]]] = {}

  def __bool__(self) -> bool:
    return bool(self._found)

  def add(
    self, message: str, row: int | str | None = None, kind: Hashable = None
  ) -> None:
    """Notes a fault.

    Args:
      message: names the file, the place and what was expected there.
      row: the number of the line or row, or its name; None for one fault of a
        whole file.
      kind: the same for faults that are told together; None: the message.
    """
    self._found.setdefault(message if kind is None else kind, []).append(
      (message, row)
    )

  def lines(self, rows: str = 'lines') -> list[str]:
    """A line for each kind; `rows` is the word for several rows."""
    told = []
    for found in self._found.values():
      message = found[0][0]
      if len(found) > 1:
        places = [str(row) for _, row in found[:_MAX_PLACES] if row is not None]
        more = ', ...' if len(found) > _MAX_PLACES else ''
        message += f' ({len(found):,} times: {rows} {", ".join(places)}{more})'
      told.append(message)
    return told

  def raise_all(self, rows: str = 'lines') -> None:
    """Raises an `InputError` that tells them, if there are any."""
    raise_faults(self.lines(rows))
