"""Every command and every program of the README runs, on something small."""

import importlib
import os
import pathlib
import re
import shlex
import subprocess
import sys

import jax
import made_media
import numpy as np
import pandas as pd
import pytest
import small_encoders

ROOT = pathlib.Path(__file__).parents[1]
BLOCK = re.compile(r'^```(\w+)\n(.*?)^```', re.MULTILINE | re.DOTALL)
SMALL = {
  'empathy.prepare': ['--num_clips=90', '--num_groups=12', '--width=8'],
  'empathy.train': [
    '--config.num_epochs=1',
    '--config.num_seeds=2',
    '--config.num_folds=3',
  ],
}


ENCODERS = 'empathy/encoders/README.md'


def _blocks(language: str, page: str = 'README.md') -> list[str]:
  text = (ROOT / page).read_text(encoding='utf-8')
  return [body for kind, body in BLOCK.findall(text) if kind == language]


def _commands(page: str = 'README.md') -> list[list[str]]:
  lines = '\n'.join(_blocks('bash', page)).splitlines()
  return [
    words for words in (shlex.split(x, comments=True) for x in lines) if words
  ]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  """A folder like a checkout, in which the commands are typed."""
  path = tmp_path_factory.mktemp('checkout')
  for name in ('configs', 'launch', 'setup.py'):
    (path / name).symlink_to(ROOT / name)
  for program in _blocks('python'):
    name = re.match(r'# (\w+\.py)', program).group(1)
    (path / name).write_text(program, encoding='utf-8')
  talks = path / 'talks'
  talks.mkdir()
  sound = made_media.tone(150, 1)
  made_media.write_film(talks / 'a.mp4', 25, 25, sound=sound)
  made_media.write_sound(talks / 'b.wav', sound)
  (talks / 'clips.csv').write_text(
    'file,label,transcript\na.mp4,kind,I see\nb.wav,cold,Well\n'
  )
  (path / 'ratings.csv').write_text(
    'item;annotator;empathy;distress\n'
    'a;Ann;3,5;1\na;Bob;5;2\nb;Ann;1;6\nb;Bob;2;6,5\n'
  )
  return path


def _run(words, folder):
  paths = [str(ROOT), *(p for p in sys.path if p)]
  return subprocess.run(
    words,
    cwd=folder,
    env=os.environ | {'PYTHONPATH': os.pathsep.join(paths)},
    capture_output=True,
    text=True,
    check=False,
  )


def _is_variant(words):
  """Whether a command trains, but not the run that other commands take up."""
  return words[2:3] == ['empathy.train'] and '--workdir=runs/first' not in words


def test_commands_and_programs_run(server, folder):
  commands = [words for words in _commands() if not _is_variant(words)]
  assert _run_all(commands, server, folder) == {
    f'empathy.{name}'
    for name in (
      *('prepare', 'finetune', 'extract_features'),
      *('train', 'evaluate', 'predict'),
    )
  }
  result = _run([sys.executable, 'my_statistic.py'], folder)
  assert result.returncode == 0, result.stderr[-2000:]
  assert re.search(r'estimate=.*0\.\d+.*low=.*high=', result.stdout)
  result = _run([sys.executable, 'my_judge.py'], folder)
  assert result.returncode == 0, result.stderr[-2000:]
  assert (folder / 'runs/judged_here/report.html').exists()
  result = _run([sys.executable, 'my_pipeline.py'], folder)
  assert result.returncode == 0, result.stderr[-2000:]
  assert re.search(r'\n\S+ [01] \(1, \d+\)\n$', result.stdout)


def test_a_fusion_of_sequences_minds_their_ends(folder, monkeypatch):
  monkeypatch.syspath_prepend(folder)
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


def test_commands_of_encoders_run(server, folder):
  # A folder comes before a name on the Hub.
  for name, kind, changes in (
    ('roberta-base', 'roberta', {}),
    ('MCG-NJU/videomae-base', 'videomae', {'num_frames': 16}),
    ('microsoft/wavlm-base-plus', 'wavlm', {}),
  ):
    small_encoders.write(kind, folder / name, **changes)
  seen = _run_all(_commands(ENCODERS), server, folder)
  assert seen == {'empathy.prepare', 'empathy.extract_features'}
  made = folder / 'runs/voices/features'
  assert {path.stem for path in made.glob('*.npz')} == {
    'text',
    'audio',
    'video',
  }


@pytest.mark.long
def test_other_trainings_run(server, folder):
  commands = [words for words in _commands() if _is_variant(words)]
  assert len(commands) > 3
  _run_all(commands, server, folder)


def _run_all(commands, server, folder):
  """Runs commands on something small; returns their modules."""
  seen = set()
  for words in commands:
    if words[0] == 'bash':
      result = _run([*words, '--dry-run'], folder)
    elif words[1].endswith('.py'):
      result = _run([sys.executable, *words[1:]], folder)
    else:
      assert words[:2] == ['python', '-m']
      module, arguments = words[2], words[3:]
      seen.add(module)
      if '--config=configs/mixed_signals_media.py' in arguments:
        continue  # Needs checkpoints: test_finetune.py runs them on tiny ones.
      crema_d = ROOT.parent / 'shared' / 'raw' / 'crema_d'
      if any('crema_d' in argument for argument in arguments):
        if not crema_d.is_dir():
          continue
        arguments = [x.replace('=CREMA-D', f'={crema_d}') for x in arguments]
      elif '--importer=simulated' in arguments:
        arguments = arguments + SMALL[module]
      elif '--predictions=judge.csv' in arguments:
        _write_answers(folder)
      if module == 'empathy.train':
        arguments = arguments + SMALL[module]
        if '--config=configs/mixed_signals.py' in arguments:
          arguments = [*arguments, '--config.model.hidden=(8,)']
      verb = module.removeprefix('empathy.')
      done = server.run(verb, *arguments, cwd=folder)
      assert done.status == 0, (words, done.err[-2000:])
      continue
    assert result.returncode == 0, (words, result.stderr[-2000:])
  return seen


def _write_answers(folder):
  """A judge's answers on the corpus that README simulates."""
  clips = pd.read_csv(folder / 'runs/simulated/clips.csv', dtype=str)
  answers = clips[['id']].assign(view='text+audio+video', label=clips.label)
  answers.loc[:8, 'label'] = ''
  answers.to_csv(folder / 'judge.csv', index=False)


@pytest.mark.parametrize('page', ['README.md', ENCODERS])
def test_links_lead_somewhere(page):
  text = (ROOT / page).read_text(encoding='utf-8')
  links = re.findall(r'\]\((?!http)([^)#]+)', text)
  links += re.findall(r'src="([^"]+)"', text)
  assert len(links) > 2
  for link in links:
    assert (ROOT / page).parent.joinpath(link).exists(), link


def test_the_encoder_runs(folder):
  program = (folder / 'my_states.py').read_text()
  assert "'roberta-base'" in program
  checkpoint = ROOT / 'tests' / 'encoders' / 'goldens' / 'roberta'
  program = program.replace("'roberta-base'", repr(str(checkpoint)))
  (folder / 'my_states.py').write_text(program)
  result = _run([sys.executable, 'my_states.py'], folder)
  assert result.stdout == '3 (1, 3, 8)\n', result.stderr[-2000:]
