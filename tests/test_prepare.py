import csv
import os
import pathlib
import subprocess
import sys

import pytest

from empathy import prepare
from empathy.corpora import corpus as corpus_lib

SMALL = ('--num_clips=40', '--num_groups=5', '--width=6')


def run(*flags, cwd):
  return subprocess.run(
    [sys.executable, '-m', 'empathy.prepare', *flags],
    cwd=cwd,
    capture_output=True,
    text=True,
    env={**os.environ, 'PYTHONPATH': str(pathlib.Path(__file__).parents[1])},
    check=False,
  )


def contents(folder):
  return {
    path.relative_to(folder): path.read_bytes()
    for path in folder.rglob('*')
    if path.is_file()
  }


def test_simulated_corpus_is_written_twice_the_same(tmp_path):
  for name in ('one', 'two'):
    done = run(
      '--importer=simulated',
      f'--output={name}',
      '--seed=5',
      *SMALL,
      cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert '40 clips of 5 groups' in done.stderr
  assert contents(tmp_path / 'one') == contents(tmp_path / 'two')
  corpus = corpus_lib.read(tmp_path / 'one', None)
  assert corpus.info['seed'] == 5
  assert corpus.info['parameters']['width'] == 6
  assert set(corpus.features) == {'text', 'audio', 'video'}
  with open(tmp_path / 'one' / 'truth.csv', newline='') as file:
    truth = list(csv.DictReader(file))
  assert [row['id'] for row in truth] == corpus.ids.tolist()
  assert {'state', 'culprit', 'weak', 'expected_empathetic'} <= set(truth[0])


@pytest.mark.parametrize(
  ('flags', 'message'),
  [
    ((), 'expected --importer=..., --output=...'),
    (('--importer=simulated',), 'expected --output=...'),
    (
      ('--importer=nope', '--output=out'),
      "--importer: 'nope' is not one of simulated, crema_d, ",
    ),
    (('--importer=../x', '--output=out'), 'is not one of simulated'),
    (
      ('--importer=crema_d', '--output=out'),
      'expected --source=..., ',
    ),
    (
      ('--importer=crema_d', '--source=none', '--output=out'),
      '--source: none: no such folder',
    ),
    (
      ('--importer=crema_d', '--source=.', '--output=out'),
      'SentenceFilenames.csv: no such file',
    ),
    (
      ('--importer=crema_d', '--source=.', '--output=out', '--width=9'),
      '--width: describes the simulator',
    ),
    (
      ('--importer=crema_d', '--source=.', '--output=out', '--seed=9'),
      '--seed: describes the simulator',
    ),
    (
      ('--importer=simulated', '--source=.', '--output=out'),
      '--source: the simulator has no source',
    ),
    (('--importer=simulated', '--output=there'), 'there: exists already'),
    (
      ('--importer=simulated', '--output=out', '--width=wide'),
      "'wide' is",
    ),
    (('--importer=simulated', '--output=out', '--seed=-1'), '--seed'),
    (('--importer=simulated', '--output=out', '--nope=1'), 'nope'),
    (
      ('--importer=simulated', '--output=out', '--conflict=2'),
      'conflict: 2.0: expected a share from 0 to 1',
    ),
    (
      ('--importer=simulated', '--output=out', '--classes=one'),
      'classes: ',
    ),
  ],
)
def test_wrong_flags_are_named_and_nothing_is_written(tmp_path, flags, message):
  (tmp_path / 'there').mkdir()
  done = run(*flags, cwd=tmp_path)
  assert done.returncode == 2, done.stderr
  assert done.stderr.startswith('error: ')
  assert message in done.stderr
  assert [path.name for path in tmp_path.iterdir()] == ['there']


def test_a_broken_write_leaves_nothing(tmp_path):
  corpus, truth = prepare.simulate.simulate(
    prepare.simulate.Parameters(num_clips=10, num_groups=2, width=2), 0
  )
  truth['state'] = truth['state'][:-1]
  with pytest.raises(ValueError, match='zip'):
    prepare.write(corpus, tmp_path / 'out', truth)
  assert list(tmp_path.iterdir()) == []


def test_importers_are_the_files_of_their_package():
  folder = pathlib.Path(prepare.importers.__file__).parent
  files = {path.stem for path in folder.glob('*.py')} - {'__init__'}
  assert set(prepare.known_importers()) == files


def test_the_example_folder_is_read_as_it_is(server, tmp_path):
  assert server.run('prepare', '--template=mine', cwd=tmp_path).status == 0
  done = server.run(
    'prepare',
    '--importer=folder',
    '--source=mine',
    '--output=corpora/mine',
    cwd=tmp_path,
  )
  assert done.status == 0, done.err
  assert done.err.count('\n') == 2, done.err  # The group, and what there is.
  corpus = corpus_lib.read(tmp_path / 'corpora' / 'mine')
  assert corpus.modalities == ('text', 'audio')
  assert corpus.conditions == ('text', 'text+audio')
  assert corpus.groups.tolist() == ['Ann', 'Ann', 'Ben', 'Ben', 'Cy', 'Cy']
  expected = [[5, 1], [4, 2], [0, 6], [5, 1], [1, 5], [0, 6]]
  assert corpus.vote_counts().tolist() == expected
  # The corpus may move with its media.
  assert corpus.metadata['audio'][0] == '../../mine/media/ann_1.wav'
  for path in corpus.metadata['audio'].tolist():
    assert (corpus.path / path).is_file()
  text = (tmp_path / 'mine' / 'README.txt').read_text()
  assert all(len(line) < 80 for line in text.splitlines())
  for name in ('clips', 'votes'):
    header = (tmp_path / 'mine' / f'{name}.csv').read_text().splitlines()[0]
    assert all(f'  {column} ' in text for column in header.split(','))
  done = server.run(
    'evaluate', '--corpus=corpora/mine', '--output=study', cwd=tmp_path
  )
  assert done.status == 0, done.err


@pytest.mark.parametrize(
  ('flags', 'message'),
  [
    (('--template=there',), '--template: there: exists already'),
    (('--template=new', '--output=x'), '--output does not go with --template'),
    (
      ('--importer=ravdess', '--source=.', '--output=out', '--scale=1,7'),
      '--scale: not for the importer ravdess',
    ),
    (
      ('--importer=votes', '--source=.', '--output=out', '--scale=7,1'),
      "--scale: '7,1': expected two numbers, the lower first, as 1,7 or",
    ),
    (
      ('--importer=votes', '--source=.', '--output=out', '--columns=item'),
      "--columns: 'item': expected NAME=COLUMN, NAME once of item, annotator",
    ),
    (
      ('--importer=votes', '--source=.', '--output=out', '--columns=item=a|b'),
      "--columns: 'item=a|b': expected one column",
    ),
    (
      ('--importer=votes', '--source=none.csv', '--output=out'),
      '--source: none.csv: no such folder, nor a .csv or',
    ),
    (
      ('--importer=votes', '--source=there.xlsx', '--output=out'),
      '--source: there.xlsx: is no folder, nor a .csv or .tsv or .jsonl or '
      '.ndjson file; save it as CSV',
    ),
    (
      ('--importer=votes', '--source=there', '--output=out'),
      'there: holds no table; expected .csv, .tsv, .jsonl',
    ),
  ],
)
def test_wrong_flags_of_tables_are_named(server, tmp_path, flags, message):
  (tmp_path / 'there').mkdir()
  (tmp_path / 'there.xlsx').write_bytes(b'PK')
  done = server.run('prepare', *flags, cwd=tmp_path)
  assert done.status == 2
  assert message in done.err
  assert done.err.count('\n') == 1
  assert {path.stem for path in tmp_path.iterdir()} == {'there'}
