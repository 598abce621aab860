"""The word that somebody meant, of those that there are."""

import difflib
import os
import pathlib
from collections.abc import Iterable

# How alike two words are, from 0 to 1, for one to be meant by the other.
_ALIKE = 0.6


def meant(word: str, known: Iterable[str]) -> str | None:
  """The nearest of the words that are known, if any is near.

  Case, and - for _, are no difference.

  Args:
    word: as it was given.
    known: those that there are.
  """
  by_key = {_key(name): name for name in known}
  near = difflib.get_close_matches(_key(word), by_key, 1, _ALIKE)
  return by_key[near[0]] if near else None


def hint(word: str, known: Iterable[str]) -> str:
  """As in '; did you mean train?', to end a message; '' if nothing is near."""
  found = meant(word, known)
  return f'; did you mean {found}?' if found else ''


def path_hint(path: str | os.PathLike, suffix: str = '') -> str:
  """Likewise, of a path that is not there, by what is in its folder.

  Where the folder is not there either, its own name may be what is wrong.

  Args:
    path: which is not there.
    suffix: of the files that are meant; '': folders are.
  """
  path = pathlib.Path(path)
  for folder, rest in ((path.parent, ()), (path.parent.parent, (path.name,))):
    try:
      names = [
        one.name
        for one in folder.iterdir()
        if (one.is_dir() if rest or not suffix else one.name.endswith(suffix))
      ]
    except OSError:
      continue
    wrong = path.parent.name if rest else path.name
    found = meant(wrong, [name for name in names if name != wrong])
    if found and (not rest or (folder / found).joinpath(*rest).exists()):
      return f'; did you mean {(folder / found).joinpath(*rest)}?'
  return ''


def _key(word: str) -> str:
  return word.casefold().replace('-', '_')
