"""The console command: `empathy VERB --flag=VALUE ...`.

It starts the binary of the verb, as `python -m empathy.VERB` does, in this
process.
"""

import pathlib
import runpy
import sys
from collections.abc import Sequence

from empathy import helps, nearest

# In the order in which they are used; the module of each, where it has another
# name.
VERBS = {
  'demo': 'demo',
  'prepare': 'prepare',
  'extract': 'extract_features',
  'finetune': 'finetune',
  'train': 'train',
  'predict': 'predict',
  'evaluate': 'evaluate',
}
# What others may call them.
_OTHERS = {module: verb for verb, module in VERBS.items() if module != verb} | {
  'compare': 'evaluate --compare',
  'fit': 'train',
  'import': 'prepare',
  'judge': 'evaluate',
  'report': 'evaluate',
  'run': 'demo',
  'simulate': 'prepare --importer=simulated',
}
_FOLDER = pathlib.Path(__file__).parent
_HELP = ('--help', '-help', '-h', 'help')


def main(argv: Sequence[str] | None = None) -> None:
  """Runs what the command line asks for, and exits.

  Args:
    argv: the command, the verb and its flags; those of the process by default.
  """
  given = list(sys.argv if argv is None else argv)[1:]
  if given in (['--version'], ['version']):
    from empathy import __version__

    print(f'empathy {__version__}')
    sys.exit()
  if given and given[0] in _HELP:
    if not given[1:]:
      helps.show(usage())
      sys.exit()
    given = [*given[1:], '--help']
  if not given:
    print(usage(), file=sys.stderr)
    sys.exit(2)
  verb, *flags = given
  if verb not in VERBS:
    _fail(_wrong(verb, flags))
  sys.argv = [f'empathy {verb}', *flags]
  runpy.run_module(
    f'empathy.{VERBS[verb]}', run_name='__main__', alter_sys=True
  )


def usage() -> str:
  """What there is to call, a line a verb."""
  rows = [(verb, _sentence(module)) for verb, module in VERBS.items()]
  return '\n\n'.join(
    [
      _sentence('__init__'),
      '  empathy VERB --flag=VALUE ...',
      helps.table('verbs:', rows),
      'examples:\n  empathy demo\n  empathy train --help',
    ]
  )


def _sentence(module: str) -> str:
  """The first line of a module's docstring; nothing of it is imported."""
  return helps.docstring(_FOLDER / f'{module}.py').partition('\n')[0]


def _wrong(word: str, rest: Sequence[str]) -> str:
  """What is said of a word that is no verb."""
  later = next((one for one in rest if one in VERBS), None)
  if word.startswith('-') and later:
    return f'{word}: the verb comes first: empathy {later} {word} ...'
  if word.startswith('-'):
    return f'{word}: expected a verb first, one of {", ".join(VERBS)}'
  meant = _OTHERS.get(word)
  if meant:
    return f'{word!r} is called {meant}: empathy {meant} ...'
  return f'{word!r} is not one of {", ".join(VERBS)}' + nearest.hint(
    word, VERBS
  )


def _fail(message: str) -> None:
  print(f'error: {message}', file=sys.stderr)
  sys.exit(2)
