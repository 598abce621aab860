"""The binary: what it is given, what it says, and published figures."""

import json
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from empathy.corpora import corpus as corpus_lib

sys.path.insert(0, str(pathlib.Path(__file__).parent / 'evaluation'))

import made

_SHARED = pathlib.Path(__file__).parents[2] / 'shared/corpora'


@pytest.fixture(scope='module', autouse=True)
def _serve(server):
  """Imports once what all calls need."""
  global _server
  _server = server


def _run(*flags, cwd=None):
  done = _server.run('evaluate', *flags, cwd=cwd or pathlib.Path.cwd())
  return subprocess.CompletedProcess(flags, done.status, done.out, done.err)


def _study(folder):
  return json.loads((folder / 'study.json').read_text())


@pytest.fixture(scope='module', name='workdir')
def _workdir(tmp_path_factory):
  folder = tmp_path_factory.mktemp('run')
  corpus, predictions = made.study_input(60, 6, 2)
  corpus_lib.write(corpus, folder / 'corpus')
  (folder / 'config.json').write_text(
    json.dumps({'corpus': str(folder / 'corpus'), 'seed': 0})
  )
  pq.write_table(
    made.table(corpus, predictions), folder / 'predictions.parquet'
  )
  return folder


def test_a_workdir_is_enough(workdir):
  done = _run(f'--workdir={workdir}')
  assert done.returncode == 0, done.stderr
  assert str(workdir / 'study/report.html') in done.stdout
  assert ' s to evaluate' in done.stdout
  assert done.stderr == ''
  study = _study(workdir / 'study')
  assert 'views.full_minus_best_single.accuracy' in study['statistics']
  *verdicts, last = done.stdout.splitlines()
  assert last.startswith('report: ')
  assert max(map(len, verdicts)) <= 80
  (indent,) = {len(x) - len(x.lstrip()) for x in verdicts if x[0] == ' '}
  words = ('Yes', 'No', 'Not settled', 'Not asked')
  assert {
    x[:indent].split(maxsplit=1)[0]: x[:indent].split(maxsplit=1)[1].strip()
    in words
    for x in verdicts
    if x[0] != ' '
  } == dict.fromkeys(
    (
      *('Views', 'Disagreement', 'Ambiguity'),
      *('Dominance', 'Humans', 'Diagnosis'),
    ),
    True,
  )
  assert (workdir / 'study/report.html').read_text().startswith('<!')


def test_predictions_and_corpus_go_to_study_here(workdir, tmp_path):
  done = _run(
    f'--predictions={workdir / "predictions.parquet"}',
    f'--corpus={workdir / "corpus"}',
    cwd=tmp_path,
  )
  assert done.returncode == 0, done.stderr
  assert _study(tmp_path / 'study')['info']['predictions'] == 360


@pytest.mark.parametrize(
  ('flags', 'says'),
  [
    ((), 'expected --workdir=DIR, or --corpus=CORPUS'),
    (('--predictions=p.csv',), '--corpus=CORPUS'),
    (('--workdir={0}', '--corpus={0}/corpus'), '--corpus does not go with'),
    (('--workdir={0}', '--predictions=x'), '--predictions does not go with'),
    (('--workdir={0}/nowhere',), 'config.json: no such file'),
    (('--corpus={0}/nowhere',), 'no such corpus folder'),
    (
      ('--corpus={0}/corpus', '--predictions={0}/nowhere.csv'),
      'nowhere.csv: no such file',
    ),
    (('--corpus={0}/corpus', '--output={0}'), 'holds other things'),
    (('--corpus={0}/corpus', '--output={0}/config.json'), 'is a file'),
    (('--workdirs={0}',), 'workdirs'),
    (('study',), 'is not a flag'),
    (('--compare', 'a'), 'the folders of two studies; got 1'),
    (('--compare', 'a', 'b', 'c'), 'the folders of two studies; got 3'),
    (('--compare', 'a', 'b'), 'expected the folder of a study'),
    (('--labels', 'a', 'b'), 'expected the folder of a study'),
    (('--labels', 'a', 'b', '--corpus=c'), '--corpus does not go with --la'),
    (('--compare', 'a', 'b', '--corpus=c'), '--corpus does not go with --co'),
    (('--merge', '{0}/config.json'), 'is not a whole tally'),
    (('--merge', 'a', '--workdir={0}'), '--workdir does not go with --merge'),
    (('--corpus={0}/corpus', '--tally=t.npz'), '--tally needs --predictions'),
    (('--workdir={0}', '--beam='), '--workdir does not go with --beam'),
    (('--workdir={0}', '--tally=t', '--output=o'), '--output does not go with'),
    (('--corpus={0}/corpus', '--survey=s'), '--survey needs --predictions'),
    (('--workdir={0}', '--survey=s', '--merge=t'), '--workdir does not go'),
    (('--workdir={0}', '--tally=t', '{0}/config.json'), 'not a whole survey'),
  ],
)
def test_a_wrong_call_is_one_line(workdir, tmp_path, flags, says):
  done = _run(*(flag.format(workdir) for flag in flags), cwd=tmp_path)
  assert done.returncode == 2
  assert says in done.stderr
  assert len(done.stderr.splitlines()) == 1
  assert done.stdout == ''
  assert list(tmp_path.iterdir()) == []


def test_a_corpus_without_votes_needs_predictions(workdir, tmp_path):
  corpus = corpus_lib.read(workdir / 'corpus')
  groups = np.unique(corpus.groups, return_inverse=True)[1]
  bare = made.corpus(groups, corpus.labels, corpus.classes)
  corpus_lib.write(bare, tmp_path / 'bare')
  done = _run(f'--corpus={tmp_path / "bare"}', cwd=tmp_path)
  assert done.returncode == 2
  assert 'nothing to evaluate' in done.stderr
  assert not (tmp_path / 'study').exists()


@pytest.mark.parametrize('text', ['{', '[]', '{"corpus": 3}'])
def test_a_wrong_config(tmp_path, text):
  (tmp_path / 'config.json').write_text(text)
  done = _run(f'--workdir={tmp_path}')
  assert done.returncode == 2
  assert 'config.json' in done.stderr
  assert len(done.stderr.splitlines()) == 1


def test_evaluation_imports_no_training_code():
  script = (
    'import sys, empathy.evaluate, empathy.evaluation.commands; '
    'print(sorted({name.split(".")[0] for name in sys.modules} & '
    '{"jax", "flax", "orbax", "tensorflow", "torch", "pandas", "sklearn"}), '
    '[name for name in sys.modules if name.startswith("empathy.training")])'
  )
  done = subprocess.run(
    [sys.executable, '-c', script], capture_output=True, text=True, check=True
  )
  assert done.stdout.strip() == '[] []'


def _published(tmp_path, name):
  corpus = _SHARED / 'ravdess'
  if not corpus.exists():
    pytest.skip(f'{corpus} is not there')
  done = _run(
    f'--predictions={corpus / name}', f'--corpus={corpus}', cwd=tmp_path
  )
  assert done.returncode == 0, done.stderr
  statistics = _study(tmp_path / 'study')['statistics']
  return {name: one['estimate'] for name, one in statistics.items()}


def test_published_figures_come_out(tmp_path):
  found = _published(tmp_path, 'published_predictions.csv')
  for view, expected in (
    ('audio', 0.8182),
    ('video', 0.6022),
    ('audio+video', 0.8670),
  ):
    assert round(found[f'views.{view}.accuracy_fold_mean'], 4) == expected
  assert round(found['disagreement.audio_vs_full.rate'], 3) == 0.103


def test_published_figures_of_the_other_video_model_come_out(tmp_path):
  found = _published(tmp_path, 'published_predictions_bilstm.csv')
  assert round(found['views.video.accuracy_fold_mean'], 4) == 0.6213
  assert round(found['disagreement.video_vs_full.rate'], 3) == 0.376


def test_leaking_folds_are_said_at_once(workdir, tmp_path):
  table = pq.read_table(workdir / 'predictions.parquet')
  place = table.column_names.index('fold')
  for name, folds, says in (
    ('known', np.arange(len(table)) % 3, 'data check group_leakage: '),
    ('unknown', np.zeros(len(table), int), 'data check folds: Folds unknown'),
  ):
    path = tmp_path / f'{name}.parquet'
    pq.write_table(table.set_column(place, 'fold', pa.array(folds)), path)
    done = _run(
      f'--predictions={path}',
      f'--corpus={workdir / "corpus"}',
      f'--output={tmp_path / name}',
    )
    assert done.returncode == 0
    assert says in done.stderr


def test_humans_alone(tmp_path):
  corpus = _SHARED / 'crema_d'
  if not corpus.exists():
    pytest.skip(f'{corpus} is not there')
  done = _run(f'--corpus={corpus}', f'--output={tmp_path / "out"}')
  assert done.returncode == 0, done.stderr
  statistics = _study(tmp_path / 'out')['statistics']
  found = [
    round(statistics[f'humans.{condition}.accuracy']['estimate'], 3)
    for condition in ('audio', 'video', 'audio+video')
  ]
  assert found == [0.400, 0.574, 0.631]


def test_two_studies_are_compared(workdir, tmp_path):
  done = _run(
    f'--predictions={workdir / "predictions.parquet"}',
    f'--corpus={workdir / "corpus"}',
    f'--output={tmp_path / "a"}',
  )
  assert done.returncode == 0, done.stderr
  done = _run('--compare', 'a', 'a', '--output=both', cwd=tmp_path)
  assert done.returncode == 0, done.stderr
  assert 'both/report.html' in done.stdout
  told = json.loads((tmp_path / 'both/comparison.json').read_text())
  found = told['statistics']['views.text.accuracy']
  # The members are taken for others; had they been, they would have differed.
  assert found['difference']['estimate'] == 0
  assert {path.name for path in (tmp_path / 'both').iterdir()} == {
    'comparison.json',
    'report.html',
    'tables',
  }
  # Two studies of one corpus may be of two labels, named by their folders.
  shutil.copytree(tmp_path / 'a', tmp_path / 'b')
  done = _run('--labels', 'a', 'b', '--output=all', cwd=tmp_path)
  assert done.returncode == 0, done.stderr
  assert 'all/report.html' in done.stdout
  told = json.loads((tmp_path / 'all/labels.json').read_text())
  assert told['studies'] == {'a': 'a', 'b': 'b'}
  page = (tmp_path / 'all/report.html').read_text()
  assert '<a href="../a/report.html">' in page


def test_a_pipeline_gives_the_study_of_memory(workdir, tmp_path):
  pytest.importorskip('apache_beam', reason='needs the extra beam')
  flags = (
    f'--corpus={workdir}/corpus',
    f'--predictions={workdir}/*.parquet',
  )
  done = _run(*flags, '--output=a', '--beam=', cwd=tmp_path)
  assert done.returncode == 0, done.stderr
  assert done.stdout.startswith('report: a/report.html')
  done = _run(f'--workdir={workdir}', '--output=b', cwd=tmp_path)
  assert done.returncode == 0, done.stderr
  found, expected = (
    _study(tmp_path / name)['statistics'] for name in ('a', 'b')
  )
  for name, figures in expected.items():
    assert found[name]['estimate'] == pytest.approx(
      figures['estimate'], abs=1e-10
    )
  names = {path.name for path in tmp_path.rglob('*')}
  assert {'signals.csv', 'part-0-of-1.parquet'} <= names
  assert sorted(path.name for path in tmp_path.iterdir()) == ['a', 'b']


def test_what_a_pipeline_finds_wrong_is_one_line(workdir, tmp_path):
  pytest.importorskip('apache_beam', reason='needs the extra beam')
  table = pq.read_table(workdir / 'predictions.parquet')
  ids = table['id'].to_pylist()
  place = table.column_names.index('id')
  table = table.set_column(place, 'id', pa.array(['nobody', *ids[1:]]))
  pq.write_table(table, tmp_path / 'p.parquet')
  done = _run(
    f'--corpus={workdir}/corpus',
    '--predictions=p.parquet',
    '--beam=',
    cwd=tmp_path,
  )
  assert done.returncode == 2
  assert "p.parquet: row 1: column 'id': 'nobody' is not" in done.stderr
  assert len(done.stderr.splitlines()) == 1
  assert [path.name for path in tmp_path.iterdir()] == ['p.parquet']


def test_tallies_give_a_study(workdir, tmp_path):
  for flags, says in (
    (('--survey=s',), 'survey: s'),
    (('--tally=t.npz', 's'), 'tally: t.npz'),
    (('--tally=alone.npz',), 'tally: alone.npz'),
  ):
    done = _run(f'--workdir={workdir}', *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(says)
  for tally in ('alone.npz', 't.npz'):
    done = _run('--merge', tally, '--output=merged', cwd=tmp_path)
    assert done.returncode == 0, done.stderr
  study = _study(tmp_path / 'merged')
  signals = pq.read_table(tmp_path / 'merged/signals/part-0-of-1.parquet')
  assert len(signals) == study['info']['num_clips']
  assert study['info']['predictions'] == 360
  assert 'views.full_minus_best_single.accuracy' in study['statistics']


def test_what_a_judge_wrote_is_taken_by_choice(tmp_path):
  corpus, _ = made.study_input(30, 6, 1)
  corpus_lib.write(corpus, tmp_path / 'corpus')
  said = [corpus.classes[i] for i in corpus.labels]
  said[4] = 'I cannot tell'
  rows = [f'{i},text,{s}' for i, s in zip(corpus.ids, said, strict=True)]
  (tmp_path / 'judge.csv').write_text('\n'.join(['id,view,label', *rows]))
  flags = [
    f'--predictions={tmp_path / "judge.csv"}',
    f'--corpus={tmp_path / "corpus"}',
    f'--output={tmp_path / "study"}',
  ]
  done = _run(*flags)
  assert done.returncode == 2
  assert done.stderr.splitlines()[-1].endswith(
    "judge.csv:6: column 'label': 'I cannot tell' is no class of the corpus, "
    'class0, class1, class2; leave the cell empty where there is no answer, or '
    'take it so: --lenient'
  )
  assert not (tmp_path / 'study').exists()
  done = _run(*flags, '--lenient')
  assert done.returncode == 0, done.stderr
  assert '(1 time: line 6): took these as no answer' in done.stderr
  found = _study(tmp_path / 'study')['statistics']
  assert found['views.text.answered']['estimate'] == 29 / 30
  assert found['views.text.accuracy']['estimate'] == 1
