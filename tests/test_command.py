"""The command `empathy`: its verbs, their helps, and calls that go wrong."""

import ast
import dataclasses
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

import mutations
import pytest
import small

import empathy
from empathy import command, helps, nearest, prepare
from empathy.models import fusion
from empathy.training import config_fields

_PACKAGE = pathlib.Path(empathy.__file__).parent


@pytest.fixture(scope='module', name='run')
def _run(server):
  return lambda *words, cwd: server.run('empathy', *words, cwd=cwd)


@pytest.fixture(scope='module', name='told')
def _told():
  """What each help says, and what of that which takes long it imported."""
  script = (
    'import os, sys\n'
    'from empathy import command\n'
    'for verb in sys.argv[1:]:\n'
    '  print("\\f", end=verb, flush=True)\n'
    '  if not os.fork():\n'
    '    try:\n'
    '      command.main(["empathy", *verb.split(), "--help"])\n'
    '    except SystemExit as error:\n'
    '      print("\\v", error.code or 0, end=" ")\n'
    '    slow = {"jax", "flax", "orbax", "pandas", "scipy"}\n'
    '    print(*slow & set(sys.modules), flush=True)\n'
    '    os._exit(0)\n'
    '  os.wait()\n'
  )
  verbs = ['', *command.VERBS, 'prepare --importer=elan']
  done = subprocess.run(
    [sys.executable, '-c', script, *verbs],
    env=os.environ | {'PYTHONPATH': str(small.ROOT)},
    capture_output=True,
    text=True,
    check=True,
  )
  assert done.stderr == ''
  pages = {}
  for part in done.stdout.split('\f')[1:]:
    page, end = part.split('\v')
    assert end.split() == ['0'], page[:20]  # The status, and nothing slow.
    verb = max((v for v in verbs if page.startswith(v)), key=len)
    pages[verb] = page.removeprefix(verb)
  assert set(pages) == set(verbs)
  return pages


def _examples(page):
  """The commands below 'examples:', each in one line."""
  text = page.partition('examples:\n')[2].replace('\\\n', ' ')
  return [shlex.split(line) for line in text.splitlines() if line.strip()]


def test_every_binary_is_a_verb(told):
  binaries = {
    path.stem
    for path in _PACKAGE.glob('*.py')
    if '\n  cli.run(' in path.read_text()
  }
  assert set(command.VERBS.values()) == binaries
  for verb in command.VERBS:
    assert re.search(rf'\n  {verb}  +[A-Z]', told[''])


@pytest.mark.parametrize('verb', command.VERBS)
def test_help(told, verb):
  page = told[verb]
  doc = ast.get_docstring(
    ast.parse((_PACKAGE / f'{command.VERBS[verb]}.py').read_text())
  )
  assert page.startswith(doc.splitlines()[0])
  assert f'\n  empathy {verb}' in page
  assert 'None' not in page
  assert str(_PACKAGE) not in page
  assert 'scratch' not in page
  assert max(map(len, page.splitlines())) <= 82
  assert len(_examples(page)) >= 2
  assert all(words[0] == 'empathy' for words in _examples(page))
  usage = set(re.findall(r'--(\w+)=[A-Z]', page.partition('\n\n')[2][:100]))
  required = page.partition('required:\n')[2].partition('\n\n')[0]
  needed = set(re.findall(r'^  --(\w+)', required, re.MULTILINE))
  assert needed == {
    'prepare': {'importer', 'output'},
    'extract': {'config', 'corpus'},
    'finetune': {'config', 'corpus', 'workdir'},
    'train': {'config', 'workdir'},
    'predict': {'workdir', 'corpus', 'output'},
  }.get(verb, set())
  assert needed <= usage


def _fields(owner, place):
  return {f'--{place}.{one.name}' for one in dataclasses.fields(owner)}


def test_help_has_every_field(told):
  shown = {
    verb: {
      re.match(r' *([\w.-]+\w)', line)[1]
      for line in told[verb].splitlines()
      if line.startswith('  --config.')
    }
    for verb in ('train', 'extract', 'finetune')
  }
  every = _fields(config_fields.Fields, 'config')
  media = {f'--config.{name}' for name in config_fields.MEDIA_FIELDS}
  assert shown['train'] == every - media
  assert shown['extract'] == media - {'--config.finetune'}
  recipe = _fields(config_fields.Recipe, 'config.finetune')
  lora = _fields(config_fields.Lora, 'config.finetune.lora')
  assert shown['finetune'] >= media | recipe | lora
  assert '--config.num_epochs=15' in told['train']
  for owner in (
    config_fields.Fields,
    config_fields.Recipe,
    config_fields.Lora,
  ):
    rows = [row for _, rows in helps.fields(owner, 'x') for row in rows]
    assert len(rows) == len(dataclasses.fields(owner))
    for left, meaning in rows:
      assert re.match(r"['A-Z].*\w.*\.", meaning), left


def test_help_has_every_fusion(told):
  part = told['train'].partition('fusions, --config=FILE:NAME:\n')[2]
  rows = re.findall(r'^  (\w+)  +\S', part, re.MULTILINE)
  assert rows == list(fusion.FUSIONS)


def test_help_has_every_importer(told):
  for name in [prepare.SIMULATED, *prepare.known_importers()]:
    assert re.search(rf'\n  {name}  +[A-Z]', told['prepare'])
  assert 'group       what must not straddle a split' in told['prepare']
  assert 'tiers of ratings' in told['prepare --importer=elan']


_SMALL = {
  'simulated': ('--num_clips=60', '--num_groups=9', '--width=6'),
  'train': (
    *('--config.num_epochs=1', '--config.num_folds=3', '--config.num_seeds=1'),
    '--config.model.hidden=(4,)',
  ),
}


@pytest.mark.long
def test_examples_run(run, told, tmp_path):
  (tmp_path / 'configs').symlink_to(small.ROOT / 'configs')
  ran = []
  # The demo is run by the test of the sample report.
  for verb in ('prepare', 'extract', 'train', 'evaluate', 'predict'):
    for _, *words in _examples(told[verb]):
      more = _SMALL.get('train' if words[0] == 'train' else '', ())
      if '--importer=simulated' in words:
        more = _SMALL['simulated']
      done = run(*words, *more, cwd=tmp_path)
      ran.append(words)
      if 'pretrained' in ' '.join(words):  # There is no checkpoint here.
        assert 'roberta-base' in done.err
        continue
      assert done.status == 0, (words, done.err)
  assert len(ran) == 11
  for _, *words in _examples(told['finetune']):
    done = run(*words, '--config.num_folds=3', cwd=tmp_path)
    assert 'roberta-base' in done.err


@pytest.mark.parametrize(
  ('words', 'says'),
  [
    ((), 'verbs:'),
    (('trian',), "'trian' is not one of .*; did you mean train?"),
    (('Evaluate', '--workdir=x'), 'did you mean evaluate?'),
    (('extract_features',), "'extract_features' is called extract: empathy"),
    (('--workdir=x', 'train'), 'the verb comes first: empathy train --workdir'),
    (('--config=x',), 'expected a verb first, one of demo, prepare, '),
    (('frobnicate',), "'frobnicate' is not one of demo, .*evaluate$"),
  ],
)
def test_without_a_verb_they_are_named(run, tmp_path, words, says):
  done = run(*words, cwd=tmp_path)
  assert (done.status, done.out) == (2, '')
  assert re.search(says, done.err.strip())
  assert not words or len(done.err.splitlines()) == 1


def test_a_verb_does_what_its_module_does(run, server, tmp_path):
  flags = ('--importer=folder', '--source=nowhere', '--output=out')
  done = run('prepare', *flags, cwd=tmp_path)
  assert done.status == 2
  assert done == server.run('prepare', *flags, cwd=tmp_path)


@pytest.mark.parametrize(
  ('word', 'known', 'expected'),
  [
    ('trian', ['train', 'predict'], 'train'),
    ('Num-Clips', ['num_clips', 'num_groups'], 'num_clips'),
    ('xyz', ['train', 'predict'], None),
    ('train', [], None),
  ],
)
def test_the_nearest_word(word, known, expected):
  assert nearest.meant(word, known) == expected


def test_the_nearest_path(tmp_path):
  (tmp_path / 'configs').mkdir()
  (tmp_path / 'configs' / 'mixed_signals.py').touch()
  (tmp_path / 'configs' / 'mixed_signal').mkdir()
  found = tmp_path / 'configs' / 'mixed_signals.py'
  for wrong in ('configs/mixed_signal.py', 'config/mixed_signals.py'):
    assert nearest.path_hint(tmp_path / wrong, '.py') == (
      f'; did you mean {found}?'
    )
  assert nearest.path_hint(tmp_path / 'configs' / 'zzz.py', '.py') == ''
  assert nearest.path_hint(tmp_path / 'no' / 'such' / 'place.py', '.py') == ''


@pytest.fixture(scope='module', name='folder')
def _folder(tmp_path_factory):
  """As a project looks: a corpus, a run that has ended and one that has not."""
  folder = tmp_path_factory.mktemp('project')
  (folder / 'configs').symlink_to(small.ROOT / 'configs')
  mutations.write_corpus(folder / 'runs' / 'talks')
  for name in ('first', 'second'):
    (folder / 'runs' / name / 'study').mkdir(parents=True)
    config = json.dumps({'corpus': 'runs/talks'})
    (folder / 'runs' / name / 'config.json').write_text(config)
  (folder / 'runs' / 'first' / 'predictions.parquet').touch()
  (folder / 'runs' / 'first' / 'study' / 'study.json').touch()
  (folder / 'crema-d').mkdir()
  (folder / 'table.csv').write_text('id,label\na,b\n')
  return folder


_TRAIN = 'train --config=configs/mixed_signals.py --workdir=new '
_PREDICT = 'predict --output=p.parquet --corpus=runs/talks '


@pytest.mark.parametrize(
  ('call', 'meant'),
  [
    ('help evalute', 'did you mean evaluate?'),
    ('train --confg=configs/mixed_signals.py', 'did you mean --config?'),
    ('train --config=mixed_signals.py', 'mean configs/mixed_signals.py?'),
    ('train --config=configs/mixd_signals.py', 'configs/mixed_signals.py?'),
    ('train --config=config/mixed_signals.py', 'configs/mixed_signals.py?'),
    (
      'train configs/mixed_signals.py',
      'did you mean --config=configs/mixed_signals.py?',
    ),
    (
      'train --workdir=new --config=configs/mixed_signals.py:gated_atention',
      'did you mean gated_attention?',
    ),
    ('train --workdir=new --config.num_epochs=3', 'needs --config=FILE'),
    (_TRAIN + '--num_epochs=3', 'did you mean --config.num_epochs?'),
    (_TRAIN + '--num_epoch=3', 'did you mean --config.num_epochs?'),
    (_TRAIN + '--corpus=runs/talks', 'did you mean --config.corpus?'),
    (_TRAIN + 'runs/talks', 'mean --config.corpus=runs/talks?'),
    (_TRAIN + '--config.num_epoch=3', 'did you mean num_epochs?'),
    (_TRAIN + '--config.corpus=runs/tlaks', 'did you mean runs/talks?'),
    (_TRAIN + '--config.corpus=runs', 'did you mean runs/talks?'),
    (_TRAIN + '--config.corpus=runs/talks/features', 'mean runs/talks?'),
    (_TRAIN + '--config.corpus=runs/first', 'a run, for --workdir'),
    (
      _TRAIN + '--config.corpus=crema-d',
      'empathy prepare --importer=crema_d --source=crema-d --output=CORPUS',
    ),
    (_TRAIN + '--config.corpus=runs/talks --config.views=vidoe', 'mean video?'),
    (_TRAIN + '--config.corpus=runs/talks --config.keep=bset', 'mean best?'),
    (_TRAIN + '--config.corpus=runs/talks --config.loss=focl', 'mean focal?'),
    (_TRAIN + '--config.seed=x', "'x'"),
    ('prepare --importer=crema-d --output=x', 'did you mean crema_d?'),
    ('prepare folder --source=talks', 'did you mean --importer=folder?'),
    ('prepare --importer=folder --source=configz --output=x', 'mean configs?'),
    ('prepare --importer=folder --source=runs/talks --output=x', 'already'),
    ('prepare --importer=folder --source=table.csv --output=x', 'it is in'),
    ('prepare --importer=simulated --output=x --num_clip=9', '--num_clips?'),
    ('prepare --importer=simulated --num_clips=ten', 'is not an integer'),
    ('evaluate runs/first', 'did you mean --workdir=runs/first?'),
    ('evaluate runs/talks', 'did you mean --corpus=runs/talks?'),
    ('evaluate table.csv', 'did you mean --predictions=table.csv?'),
    ('evaluate --workdir=runs/frist', 'did you mean runs/first?'),
    ('evaluate --workdir=runs/first/study', 'did you mean runs/first?'),
    ('evaluate --workdir=runs/talks', 'a corpus folder, for --corpus'),
    ('evaluate --workdir=runs/second', 'empathy train --config=FILE --workdir'),
    ('evaluate --workdir=runs/first --lenient=so', 'is not true or false'),
    ('evaluate --compare runs/first runs/first', 'mean runs/first/study?'),
    (
      'evaluate --corpus=runs/talks --predictions=runs/first/predictons.csv',
      'runs/first/predictons.csv: no such file',
    ),
    ('evaluate --corpus=runs/talks --predictions=runs/first', 'is a folder'),
    (_PREDICT + '--workdir=runs/frist', 'did you mean runs/first?'),
    (_PREDICT + 'runs/first', 'did you mean --workdir=runs/first?'),
    ('extract --config=configs/mixed_signals.py --corpus=runs/talks', 'empty'),
    ('demo --num_clips=3', '--num_clips: 3 is not'),
    ('demo --output=runs/talks', 'runs/talks: holds other things than a demo'),
    (
      'train --config=configs --workdir=new',
      'a folder of baseline_features.py',
    ),
    ('train --config=runs/first/config.json', 'expected a Python file'),
    ('train --config= --workdir=new', '--config=: no such config file'),
    ('train --config=configs/mixed_signals.py --workdir=', 'is empty'),
    (_TRAIN + 'config.num_epochs=3', "'config.num_epochs=3' is not a flag"),
    ('train workdir=new', 'did you mean --workdir=new?'),
    ('evaluate --workdir=runs/first/predictions.parquet', 'mean runs/first?'),
    (
      'evaluate --predictions=runs/first/predictions.parquet',
      'did you mean --workdir=runs/first?',
    ),
    ('evaluate --predictions=table.csv', 'expected --corpus=CORPUS beside'),
    ('predict --workdir=runs/first/study --corpus=x --output=x.parquet', 'mea'),
    ('prepare --importer=folder --out=x', 'did you mean --output?'),
  ],
)
def test_a_wrong_call_names_the_likeliest_right_one(run, folder, call, meant):
  before = sorted(folder.iterdir())
  done = run(*call.split(), cwd=folder)
  assert (done.status, done.out) == (2, ''), done
  assert done.err.startswith('error: ')
  assert meant in done.err
  assert len(done.err.splitlines()) == 1
  assert sorted(folder.iterdir()) == before


def test_a_help_that_nobody_reads_to_its_end_is_no_fault():
  with subprocess.Popen(
    [sys.executable, '-m', 'empathy', 'train', '--help'],
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    env=os.environ | {'PYTHONPATH': str(small.ROOT)},
  ) as process:
    process.stdout.close()
    assert process.stderr.read() == b''
    assert process.wait() == 0
