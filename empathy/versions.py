"""Which code ran: versions of packages, and the commit of a checkout."""

import functools
import importlib.metadata
import pathlib
import platform
import subprocess
from collections.abc import Iterable

import empathy

_ROOT = pathlib.Path(__file__).parent.parent


def of(packages: Iterable[str]) -> dict[str, str]:
  """Versions of Python, of this package and of others, by name."""
  return {
    'empathy': empathy.__version__,
    'python': platform.python_version(),
  } | {name: importlib.metadata.version(name) for name in packages}


@functools.cache
def commit(root: pathlib.Path = _ROOT) -> str | None:
  """The commit of the code, with `-dirty` where it was changed.

  Args:
    root: of the checkout.

  Returns:
    None where it is not a checkout, or there is no git.
  """
  # An installed package may lie in somebody else's checkout.
  if not (root / '.git').exists():
    return None
  try:
    result = subprocess.run(
      ['git', 'describe', '--always', '--dirty', '--abbrev=40'],
      cwd=root,
      capture_output=True,
      text=True,
      check=True,
    )
  except (OSError, subprocess.CalledProcessError):
    return None
  return result.stdout.strip()
