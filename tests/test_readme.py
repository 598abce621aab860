"""What the pages say is so: commands run, programs run, links lead somewhere.

A page is read alone, after the first commands of README.md: it finds a corpus,
a run, and files of one's own. What a page says comes in blocks:

  bash    runs, line by line; launchers as dry runs
  python  begins with the name of its file, `# name.py`, and runs, by a command
          of the page that names it or as a script
  sh      cannot run here, as it needs a cloud, data or hours; it is well
          formed, and there are the flags, fields and files that it names
"""

import ast
import collections
import functools
import importlib
import importlib.util
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import jax
import made_media
import numpy as np
import pandas as pd
import pytest
import small_encoders

from empathy.models import fusion
from empathy.training import configuration

ROOT = pathlib.Path(__file__).parents[1]
CREMA_D = ROOT.parent / 'shared' / 'raw' / 'crema_d'
_OTHERS = {'build', 'dist', 'runs', 'shared'}

_BLOCK = re.compile(r'^```(\w*)\n(.*?)^```$', re.MULTILINE | re.DOTALL)
_ASSIGNMENT = re.compile(r'[A-Z_]+=')
_FILE = re.compile(
  r'(?<![\w/.-])(?:tests|empathy|configs|launch|third_party)/[\w/.-]*\w'
  r'\.(?:py|sh|sbatch|md|json|npz|yaml|html|js)\b'
)
_MODULES = {'extract': 'extract_features'}
_SMALL = {
  'demo': ['--num_clips=90', '--num_epochs=1'],
  'prepare': ['--num_clips=90', '--num_groups=12', '--width=8'],
  'train': [
    '--config.num_epochs=1',
    '--config.num_seeds=2',
    '--config.num_folds=3',
  ],
}
# Where a page begins.
_FIRST = (
  'empathy prepare --importer=simulated --output=runs/simulated',
  'empathy train --config=configs/mixed_signals.py '
  '--config.corpus=runs/simulated --workdir=runs/first',
  'empathy evaluate --workdir=runs/first',
)
# What needs encoders.
_WITH_ENCODERS = 'configs/pretrained_features.py --', 'encoders.load('
# What programs print, by their names.
_PRINTED = {
  'my_study.py': r'^Views +\w+',
  'my_statistic.py': r'estimate=.*0\.\d+.*low=.*high=',
  'my_pipeline.py': r'\n\S+ [01] \(1, \d+\)\n$',
  'my_states.py': r'^3 \(1, 3, \d+\)\n$',
}


def _all_pages() -> list[str]:
  found = [*ROOT.glob('*.md'), *ROOT.glob('.github/*.md')]
  for folder in ROOT.iterdir():
    if folder.is_dir() and folder.name[0] != '.' and folder.name not in _OTHERS:
      found += folder.rglob('*.md')
  return sorted(str(path.relative_to(ROOT)) for path in found)


PAGES = _all_pages()


@functools.cache
def _text(page: str) -> str:
  return (ROOT / page).read_text(encoding='utf-8')


def _blocks(page: str, *kinds: str) -> list[str]:
  return [body for kind, body in _BLOCK.findall(_text(page)) if kind in kinds]


def _programs(page: str) -> dict[str, str]:
  """The programs of a page, by the names of their files."""
  found = {}
  for program in _blocks(page, 'python'):
    name = re.match(r'# (\w+\.py)\b', program)
    assert name, f'{page}: a program has no name: {program[:60]}'
    found[name[1]] = program
  return found


def _commands(page: str, *kinds: str) -> list[list[str]]:
  lines = ''.join(_blocks(page, *kinds)).replace('\\\n', ' ').splitlines()
  return [
    words for words in (shlex.split(x, comments=True) for x in lines) if words
  ]


def _verb(words: list[str]) -> tuple[str, list[str]]:
  """The binary that a command calls, and its flags; '' if it calls none."""
  if words[0] == 'empathy':
    return _MODULES.get(words[1], words[1]), words[2:]
  if words[:2] == ['python', '-m'] and words[2].startswith('empathy.'):
    return words[2].removeprefix('empathy.'), words[3:]
  return '', words


_BEGUN = [_verb(command.split()) for command in _FIRST]


def _long(page: str) -> list[list[str]]:
  """The commands that train, but the first run; and that read what these do."""
  made, found = set(), []
  for words in _commands(page, 'bash'):
    verb, flags = _verb(words)
    trains = verb in ('demo', 'train', 'finetune')
    trains &= (verb, flags) not in _BEGUN
    if trains or any(path in word for path in made for word in words):
      found.append(words)
      if verb == 'demo':
        made.add('empathy_demo')
      made.update(
        flag.partition('=')[2]
        for flag in flags
        if flag.startswith(('--workdir=', '--output='))
      )
  return found


RUNNABLE = [page for page in PAGES if _blocks(page, 'bash', 'python')]
TRAINING = [page for page in PAGES if _long(page)]


@pytest.fixture(scope='module')
def begun(server, tmp_path_factory):
  """A folder like a checkout, after the first commands."""
  path = tmp_path_factory.mktemp('begun')
  for name in ('configs', 'launch', 'setup.py'):
    (path / name).symlink_to(ROOT / name)
  _write_media(path / 'talks')
  talks = pd.read_csv(path / 'talks/clips.csv')
  talks['id'] = talks.file.str.partition('.')[0]
  talks[['id', 'speaker', 'label']].to_csv(path / 'labels.csv', index=False)
  (path / 'ratings.csv').write_text(
    'item;annotator;empathy;distress\n'
    'a;Ann;3,5;1\na;Bob;5;2\nb;Ann;1;6\nb;Bob;2;6,5\n'
  )
  for command in _FIRST:
    _call(command.split(), server, path)
  shutil.copy(path / 'runs/first/predictions.parquet', path)
  clips = pd.read_csv(path / 'runs/simulated/clips.csv', dtype=str)
  answers = clips[['id']].assign(view='text+audio+video', label=clips.label)
  answers.loc[:8, 'label'] = ''
  answers.to_csv(path / 'judge.csv', index=False)
  return path


def _write_media(folder):
  """Twelve speakers, each happy and sad, as the tables of README.md tell."""
  folder.mkdir()
  clips, votes = [], []
  for i in range(12):
    for j, label in enumerate(('happy', 'sad')):
      name = f's{i}_{j}.wav'
      sound = made_media.tone(150 + 60 * j + i, 0.25)
      if i % 2:
        made_media.write_sound(folder / name, sound)
      else:
        name = f's{i}_{j}.mp4'
        made_media.write_film(folder / name, 5, 25, sound=sound)
      clips.append((name, f's{i}', label, f'I am {label} {i}'))
      for shown in ('audio', 'text+audio'):
        votes += [(name, shown, f'r{k}', label) for k in range(2)]
  for name, columns, rows in (
    ('clips.csv', 'file,speaker,label,transcript', clips),
    ('votes.csv', 'file,condition,annotator,label', votes),
  ):
    text = '\n'.join([columns, *(','.join(row) for row in rows)])
    (folder / name).write_text(text + '\n')
  said = [
    f'{name.partition(".")[0]},{view},0.6,0.4'
    for name, *_ in clips
    for view in ('audio', 'text+audio')
  ]
  text = '\n'.join(['id,view,prob_happy,prob_sad', *said])
  (folder.parent / 'predictions.csv').write_text(text + '\n')


def test_tables_on_the_first_page_are_as_they_are_read(tmp_path):
  _write_media(tmp_path / 'talks')
  read = {path.read_text().splitlines()[0] for path in tmp_path.rglob('*.csv')}
  told = [block.splitlines() for block in _blocks('README.md', 'csv')]
  assert {rows[0] for rows in told} == read
  for first, *rows in told:
    assert {row.count(',') for row in rows} == {first.count(',')}


def _write_encoders(folder):
  """Small ones by published names: a folder comes before the Hub."""
  for name, kind, changes in (
    ('roberta-base', 'roberta', {}),
    ('facebook/hubert-base-ls960', 'hubert', {}),
    ('microsoft/wavlm-base-plus', 'wavlm', {}),
    ('MCG-NJU/videomae-base', 'videomae', {'num_frames': 16}),
  ):
    small_encoders.write(kind, folder / name, **changes)


@pytest.fixture(name='open_page')
def _open_page(begun, tmp_path):
  """Makes a folder where a page is followed, with its programs."""

  def open_page(page):
    folder = tmp_path / 'checkout'
    shutil.copytree(begun, folder, symlinks=True)
    for name, program in _programs(page).items():
      (folder / name).write_text(program, encoding='utf-8')
    if any(name in _text(page) for name in _WITH_ENCODERS):
      _write_encoders(folder)
    return folder

  return open_page


@pytest.mark.parametrize('page', RUNNABLE)
def test_commands_and_programs_run(page, server, open_page):
  folder, long = open_page(page), _long(page)
  commands = _commands(page, 'bash')
  for words in commands:
    if words not in long:
      _call(words, server, folder)
  named = ' '.join(word for words in commands for word in words)
  for name in _programs(page):
    if not re.search(rf'\b{name.removesuffix(".py")}\b', named):
      output = _shell([sys.executable, name], folder)
      assert re.search(_PRINTED.get(name, ''), output), (name, output)


@pytest.mark.long
@pytest.mark.parametrize('page', TRAINING)
def test_trainings_run(page, server, open_page):
  folder = open_page(page)
  for words in _commands(page, 'bash'):
    _call(words, server, folder)


def _call(words, server, folder):
  """Runs a command on something small, unless it is one of the first ones."""
  variables = {}
  while _ASSIGNMENT.match(words[0]):
    variables.update([words[0].split('=', 1)])
    words = words[1:]
  verb, flags = _verb(words)
  if not verb:
    _call_other(words, folder, **variables)
    return
  if (verb, flags) in _BEGUN and (folder / 'predictions.parquet').exists():
    return
  if '--source=CREMA-D' in flags:
    if not CREMA_D.is_dir():
      pytest.skip(f'no real corpora in {CREMA_D}')
    flags = [x.replace('=CREMA-D', f'={CREMA_D}') for x in flags]
  elif verb in ('demo', 'train') or '--importer=simulated' in flags:
    begins = (verb, flags) in _BEGUN
    flags = [*flags, *_SMALL[verb]]
    chooses = any(flag.startswith('--config.views=') for flag in flags)
    if verb == 'train' and not begins and not chooses:
      # Each view is a network, which takes seconds to compile.
      flags.append('--config.views=full')
    if '--config=configs/mixed_signals.py' in flags:
      flags = [*flags, '--config.model.hidden=(8,)']
  done = server.run(verb, *flags, cwd=folder)
  assert done.status == 0, (words, done.err[-2000:])


def _call_other(words, folder, **variables):
  if words[0] == 'bash':
    words = [*words[:2], '--dry-run', *words[2:]]
  else:
    assert words[0] == 'python', f'{words}: a block of sh is not run'
    words = [sys.executable, *words[1:]]
  _shell(words, folder, **variables)


def _shell(words, folder, **variables):
  """What a process prints."""
  paths = [str(ROOT), *(p for p in sys.path if p)]
  result = subprocess.run(
    words,
    cwd=folder,
    env=os.environ | {'PYTHONPATH': os.pathsep.join(paths)} | variables,
    capture_output=True,
    text=True,
    check=False,
  )
  assert result.returncode == 0, (words, result.stderr[-2000:])
  return result.stdout


@pytest.mark.parametrize('page', [p for p in PAGES if _blocks(p, 'sh', '')])
def test_what_cannot_run_here_is_well_formed(page, server, tmp_path):
  for block in _blocks(page, 'sh'):
    # Placeholders are words: BUCKET, not <bucket>.
    result = subprocess.run(
      ['bash', '-n'], input=block, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, (block, result.stderr)
    for words in _split(block):
      if words[0].endswith('python') and words[1].endswith('.py'):
        _check_script(*words[1:])
  for block in _blocks(page, 'sh', ''):
    for words in _split(block):
      verb, flags = _verb(words)
      if verb:
        _check_flags(flags, _help(server, verb, tmp_path))


def _split(block):
  """The commands in a block, also those within loops."""
  for line in block.replace('\\\n', ' ').splitlines():
    found = re.search(r'(?:^|\s)(empathy|\S*python) .*', line)
    if found:
      words = shlex.split(found[0].rstrip('; '), comments=True)
      if len(words) > 1:
        yield words


_HELPS = {}


def _help(server, verb, folder):
  if verb not in _HELPS:
    done = server.run(verb, '--help', cwd=folder)
    _HELPS[verb] = done.out + done.err
  return _HELPS[verb]


def _check_flags(flags, text):
  config = None
  for flag in flags:
    name, _, value = flag.lstrip('-').partition('=')
    if not flag.startswith('--'):
      continue
    if name == 'config':
      config = _config(value)
    elif name.startswith('config.'):
      place = config
      for part in name.split('.')[1:]:
        assert part in place, f'{flag}: there is no such field'
        place = place[part]
    else:
      names = {name, name.removeprefix('no')}
      assert names & set(re.findall(r'--(?:\[no\])?(\w+)', text)), flag


def _config(value):
  file, _, variant = value.partition(':')
  spec = importlib.util.spec_from_file_location('_config', ROOT / file)
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return configuration.complete(
    module.get_config(*([variant] if variant else []))
  )


def _check_script(script, *flags):
  assert (ROOT / script).is_file(), script
  source = (ROOT / script).read_text(encoding='utf-8')
  for flag in flags:
    if flag.startswith('--'):
      assert repr(flag.partition('=')[0]) in source, (script, flag)


@pytest.mark.parametrize('page', PAGES)
def test_links_lead_somewhere(page):
  text = _BLOCK.sub('', _text(page))
  links = re.findall(r'\]\(([^)\s]+)', text)
  links += re.findall(r'^\[[^]]+\]: (\S+)', text, re.MULTILINE)
  links += re.findall(r'(?:src|href)="([^"]+)"', text)
  for link in links:
    if re.match(r'\w+:', link):
      continue
    path, _, anchor = link.partition('#')
    there = (ROOT / page).parent.joinpath(path) if path else ROOT / page
    assert there.exists(), link
    if anchor:
      if there.is_dir():
        there /= 'README.md'
      assert anchor in _anchors(there.read_text(encoding='utf-8')), link


def _anchors(text):
  """The anchors that GitHub gives to the headings of a page."""
  seen, found = collections.Counter(), set()
  for title in re.findall(r'^#+ (.*)$', _BLOCK.sub('', text), re.MULTILINE):
    title = re.sub(r'\[([^]]*)\]\([^)]*\)', r'\1', title).strip().lower()
    anchor = re.sub(r'[^\w\- ]', '', title).replace(' ', '-')
    found.add(f'{anchor}-{seen[anchor]}' if seen[anchor] else anchor)
    seen[anchor] += 1
  return found


def test_anchors_are_those_of_github():
  assert _anchors(
    "# What's `new`?\n\n## A, B: c_d-e\n# [Links](x.md) too\n"
  ) == {
    'whats-new',
    'a-b-c_d-e',
    'links-too',
  }
  assert _anchors('## Two\n```\n# No\n```\n## Two\n') == {'two', 'two-1'}


@pytest.mark.parametrize('page', PAGES)
def test_files_that_are_named_are_there(page):
  for name in _FILE.findall(_BLOCK.sub('', _text(page))):
    places = ROOT / name, (ROOT / page).parent / name
    assert any(path.exists() for path in places), name


@pytest.mark.parametrize('page', PAGES)
def test_extras_that_are_named_can_be_installed(page):
  known = re.findall(r"^    '(\w+)': \[", (ROOT / 'setup.py').read_text(), re.M)
  assert 'parity' in known
  named = re.findall(r'extras? `(\w+)`', _text(page))
  for several in re.findall(r'(?<= )[\'"]?\.\[([\w,]+)\]', _text(page)):
    named += several.split(',')
  assert set(named) <= set(known)


def test_the_first_page_is_short():
  assert len(_text('README.md').splitlines()) <= 150


def _between(start, end):
  text = _text('configs/README.md')
  return text[text.index(start) : text.index(end)]


def test_all_fields_of_configs_are_told():
  text = _between('## All fields', '**Fields of the fusions**')
  rows = re.findall(r'^\| `(\w+)` \| (.*?) \|', text, re.MULTILINE)
  expected = configuration.default_config().to_dict()
  expected['model'] = {'fusion': expected['model']['fusion']}
  told = dict(rows)
  assert told.pop('finetune')
  expected.pop('finetune')
  infinite = expected.pop('seconds'), told.pop('seconds')
  assert infinite == (float('inf'), '`inf`')
  values = {name: ast.literal_eval(text[1:-1]) for name, text in told.items()}
  assert values == expected


@pytest.mark.parametrize('name', fusion.FUSIONS)
def test_all_fields_of_fusions_are_told(name):
  text = _between('**Fields of the fusions**', '### Views')
  (row,) = re.findall(rf'^\| `{name}` \| (.*) \|$', text, re.MULTILINE)
  told = dict(re.findall(r'`(\w+)=(.*?)`', row))
  expected = fusion.fields(name)
  if 'those of `gated_evidence`' in row:
    expected = {
      field: value
      for field, value in expected.items()
      if field not in fusion.fields('gated_evidence')
    }
  given = {'fusion', 'pooling'}
  assert {field: ast.literal_eval(text) for field, text in told.items()} == {
    field: value for field, value in expected.items() if field not in given
  }


def test_a_fusion_of_sequences_minds_their_ends(tmp_path, monkeypatch):
  (program,) = {
    programs['my_memory.py']
    for programs in map(_programs, RUNNABLE)
    if 'my_memory.py' in programs
  }
  (tmp_path / 'my_memory.py').write_text(program)
  monkeypatch.syspath_prepend(tmp_path)
  model = importlib.import_module('my_memory').Memory(2, ('audio', 'text'))
  rng = np.random.default_rng(0)
  audio = rng.normal(size=(3, 5, 4)).astype(np.float32)
  features = {'audio': audio, 'text': rng.normal(size=(3, 2))}
  steps = {'audio': np.arange(5) < np.array([[5], [2], [1]])}
  rest = {m: np.ones(3, bool) for m in features}, np.ones(3, bool), False
  params = model.init(jax.random.key(0), features, steps, *rest)
  logits = model.apply(params, features, steps, *rest).logits
  padding = np.where(steps['audio'][..., None], audio, 9.0)
  changed = features | {'audio': padding}
  np.testing.assert_array_equal(
    model.apply(params, changed, steps, *rest).logits, logits
  )
  changed = features | {'audio': audio[:, ::-1]}
  other = model.apply(params, changed, steps, *rest).logits
  assert np.abs(other - logits).max() > 1e-3
