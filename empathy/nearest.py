"""What somebody meant who named something that is not there."""

import difflib
import os
import pathlib
from collections.abc import Iterable

# How alike two words are, from 0 to 1, for one to be meant by the other.
_ALIKE = 0.6
# What folders are, by a file in them: what they are called, and the flag that
# takes one.
_FOLDERS = {
  'corpus.json': ('a corpus folder', 'corpus'),
  'config.json': ('the workdir of a run', 'workdir'),
  'study.json': ('the folder of a study', 'compare'),
}


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


def folder_hint(path: str | os.PathLike, marker: str) -> str:
  """Likewise, of a folder that is not what it should be.

  Args:
    path: where there is no `marker`.
    marker: the file that makes it what is wanted, such as 'corpus.json'.
  """
  path = pathlib.Path(path)
  if not path.exists():
    return path_hint(path)
  if (path / marker).is_file():
    return ''
  inside = sorted(one for one in path.iterdir()) if path.is_dir() else []
  for near in (path.parent, *inside):
    if (near / marker).is_file():
      return f'; did you mean {near}?'
  for other, (what, flag) in _FOLDERS.items():
    if (path / other).is_file():
      return f'; it is {what}, for --{flag}'
  return ''


def flag_for(word: str) -> str | None:
  """The flag that takes what a word names, as 'workdir'; None if unclear."""
  path = pathlib.Path(word)
  if path.with_name(path.name.partition(':')[0]).suffix == '.py':
    return 'config'
  for marker, (_, flag) in _FOLDERS.items():
    if (path / marker).is_file():
      return flag
  if path.is_file() and path.suffix in ('.csv', '.parquet'):
    return 'predictions'
  return 'source' if path.is_dir() else None


def _key(word: str) -> str:
  return word.casefold().replace('-', '_')
