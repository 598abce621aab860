"""What --help says: from the docstring, the flags, the fields of a config.

Nothing is kept here: the docstring of a binary has its sentence, its usage
(what is indented before the first paragraph that is not), its words and its
examples (indented, after a line 'Examples:'); flags and fields say the rest.
"""

import ast
import dataclasses
import inspect
import os
import pathlib
import re
import sys
import textwrap
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from absl import flags

from empathy import kinds

WIDTH = 80
# Where the second column begins, at the most.
_COLUMN = 26
_EXAMPLES = '\nExamples:\n'
_TYPES = {
  'a number': 'X',
  'a comma separated list': 'A,B',
}

_KINDS = {
  int: 'whole number',
  float: 'number',
  str: 'text',
  bool: 'true or false',
  tuple: 'one or several, A,B',
}

# Of a part of a help: the heading, and rows of two columns or a text.
Part = tuple[str, Sequence[tuple[str, str]] | str]
# Of a flag that is for one thing alone, such as an importer.
_FOR_ONE = re.compile(r'(\w+): ')


def show(text: str) -> None:
  """Prints a help; who has read enough of it, as `head`, may go."""
  try:
    print(text, flush=True)
  except BrokenPipeError:
    # Python flushes once more at the end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def page(
  doc: str,
  own: Iterable[flags.Flag],
  required: Sequence[str] = (),
  more: Iterable[Part] = (),
) -> str:
  """The help of a binary.

  Args:
    doc: its docstring.
    own: its flags.
    required: the names of those that it cannot do without; those that absl was
      told so, too.
    more: other parts, after the flags.
  """
  text, _, examples = f'{inspect.cleandoc(doc)}\n'.partition(_EXAMPLES)
  words = dict(re.findall(r'--(\w+)[= ]([A-Z][A-Za-z.]*?)\.*(?=\s)', text))
  parts: dict[str, list[tuple[str, str]]] = {'required:': [], 'flags:': []}
  for flag in sorted(own, key=lambda flag: flag.name):
    heading, meaning = 'flags:', _meaning(flag)
    if flag.name in required or is_required(flag):
      heading = 'required:'
    elif found := _FOR_ONE.match(meaning):
      heading, meaning = f'flags of {found[1]}:', meaning[found.end() :]
    parts.setdefault(heading, []).append((_name(flag, words), meaning))
  pieces = [text.strip()]
  for heading, rows in (*parts.items(), *more):
    if isinstance(rows, str):
      pieces.append(f'{heading}\n{inspect.cleandoc(rows)}')
    elif rows:
      pieces.append(table(heading, rows))
  if examples:
    pieces.append(f'examples:\n{examples.strip(chr(10))}')
  return '\n\n'.join(pieces)


def is_required(flag: flags.Flag) -> bool:
  """Whether absl was told that a binary cannot do without a flag."""
  told = 'must have a value other than None'
  return any(told in check.message for check in flag.validators)


def table(heading: str, rows: Iterable[tuple[str, str]]) -> str:
  """A heading, and rows of two columns, as wide as a terminal."""
  rows = list(rows)
  column = min(max(len(left) for left, _ in rows) + 4, _COLUMN)
  return '\n'.join([heading, *(_row(*row, column) for row in rows)])


def _name(flag: flags.Flag, words: Mapping[str, str]) -> str:
  """A flag as it is written, with a word for its value."""
  if flag.boolean:
    return f'--[no]{flag.name}'
  word = words.get(flag.name)
  if word is None:
    kind = flag.parser.syntactic_help
    word = 'N' if 'integer' in kind else _TYPES.get(kind, 'TEXT')
  return f'--{flag.name}={word}'


def _meaning(flag: flags.Flag) -> str:
  """What a flag is for, and its default."""
  value = flag.default
  shown = _shown(tuple(value) if isinstance(value, list) else value)
  is_said = value is None or value is False or not shown
  return flag.help + ('' if is_said else f' (default: {shown})')


def _row(left: str, right: str, column: int) -> str:
  """Two columns; a long first one has a line of its own."""
  left = f'  {left}'
  lines = textwrap.wrap(
    right,
    WIDTH,
    initial_indent=' ' * column,
    subsequent_indent=' ' * column,
    break_on_hyphens=False,
    break_long_words=False,
  )
  if len(left) > column - 2 or not lines:
    return '\n'.join([left, *lines])
  return '\n'.join([left.ljust(column) + lines[0][column:], *lines[1:]])


def fields(
  owner: type, place: str, only: Sequence[str] = (), but: Sequence[str] = ()
) -> Iterator[Part]:
  """The fields of a dataclass, in parts as comments of its source head them.

  Args:
    owner: the dataclass.
    place: what they are fields of, as in 'config'.
    only: the names to tell; all, by default.
    but: those to leave out.
  """
  types = kinds.of(owner)
  defaults = {
    field.name: _default(field) for field in dataclasses.fields(owner)
  }
  heading, rows = f'fields of {place}:', []
  for name, comment in _comments(owner):
    if not name:
      if rows:
        yield heading, rows
      heading, rows = (
        f'fields of {place}, {comment[0].lower()}{comment[1:-1]}:',
        [],
      )
      continue
    if name in but or (only and name not in only):
      continue
    default = defaults[name]
    left = f'--{place}.{name}={_shown(default) or "TEXT"}'
    if isinstance(default, Mapping) or dataclasses.is_dataclass(default):
      left = f'--{place}.{name}.*'
    kind = _kind(types[name])
    rows.append((left, comment + (f' ({kind})' if kind else '')))
  if rows:
    yield heading, rows


def _comments(owner: type) -> Iterator[tuple[str, str]]:
  """The comments in a class, each with its field; headings with ''."""
  waiting: list[str] = []
  for line in inspect.getsource(owner).splitlines():
    if not line:
      if waiting:
        yield '', ' '.join(waiting)
      waiting = []
    elif found := re.fullmatch(r'  # (.*)', line):
      waiting.append(found[1])
    elif found := re.match(r'  (\w+): .*?(?:  # (.*))?$', line):
      yield found[1], ' '.join([*waiting, found[2] or '']).strip()
      waiting = []


def _default(field: dataclasses.Field) -> Any:
  if field.default is not dataclasses.MISSING:
    return field.default
  return field.default_factory()


def _shown(value: Any) -> str:
  """A default as it is written on a command line."""
  if isinstance(value, tuple):
    return ','.join(map(_shown, value))
  if isinstance(value, bool):
    return str(value).lower()
  return f'{value:g}' if isinstance(value, float) else str(value)


def _kind(kind: Any) -> str:
  """A type in words."""
  origin, given = typing.get_origin(kind), typing.get_args(kind)
  if origin is Annotated:
    base, limit = given
    if isinstance(limit, kinds.Several):
      return f'{_kind(limit.kind)}; or several'
    return f'{_kind(base)}, {limit}'
  if origin is Literal:
    return ' or '.join(given)
  return _KINDS.get(origin or kind, '')


def docstring(path: pathlib.Path) -> str:
  """That of a module, nothing of which is run."""
  return ast.get_docstring(ast.parse(path.read_text(encoding='utf-8')))


def classes(path: pathlib.Path, table: str) -> Iterator[tuple[str, str]]:
  """The names in a table of classes, with the first line of each docstring.

  Args:
    path: the module, nothing of which is run.
    table: a dictionary in it, of classes that are there or in modules beside.
  """
  tree = ast.parse(path.read_text(encoding='utf-8'))
  (shown,) = (
    node.value
    for node in tree.body
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == table
  )
  for key, value in zip(shown.keys, shown.values, strict=True):
    module, _, name = ast.unparse(value).rpartition('.')
    place = path.with_name(f'{module}.py') if module else path
    for node in ast.parse(place.read_text(encoding='utf-8')).body:
      if isinstance(node, ast.ClassDef) and node.name == name:
        yield key.value, ast.get_docstring(node).partition('\n')[0]
