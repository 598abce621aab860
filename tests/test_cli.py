"""Wrong calls of the binaries that train and predict: one line, status 2."""

import os
import subprocess
import sys

import mutations
import pytest
import small

_CONFIGS = small.ROOT / 'configs'
_CONFIG = f'--config={_CONFIGS / "mixed_signals.py"}'
_WORKDIR = '--workdir=run'
_CORPUS = '--config.corpus={corpus}'
_WHOLE = (_CONFIG, _WORKDIR, _CORPUS)


@pytest.fixture(scope='module', name='run')
def _run(server):
  return server.run


@pytest.fixture(scope='module', name='corpus')
def _corpus(tmp_path_factory):
  path = tmp_path_factory.mktemp('corpus') / 'corpus'
  mutations.write_corpus(path)
  return path


def _assert_one_line(done, says):
  assert done.status == 2, done
  assert done.out == ''
  assert done.err.startswith('error: ')
  assert says in done.err
  assert len(done.err.splitlines()) == 1, done.err


@pytest.mark.parametrize(
  ('flags', 'says'),
  [
    ((), '--config=..., --workdir=...'),
    ((_WORKDIR,), 'expected --config=...'),
    ((_CONFIG,), 'expected --workdir=...'),
    ((*_WHOLE, 'more'), "'more' is not a flag"),
    ((*_WHOLE, '--wokdir=run'), 'wokdir'),
    ((*_WHOLE, '--config.num_epoch=3'), "there is no field 'num_epoch'"),
    (
      (*_WHOLE, '--config.model.widht=3'),
      "error: config.model.widht: there is no field 'widht'",
    ),
    ((*_WHOLE, '--config.num_epochs=many'), "'many'"),
    ((*_WHOLE, '--config.num_epochs=2.5'), 'config.num_epochs'),
    ((*_WHOLE, '--config.num_epochs=0'), 'config.num_epochs: 0'),
    ((*_WHOLE, '--config.l2=little'), "config.l2: 'little' is not a number"),
    ((*_WHOLE, '--config.l2=0.1,,0.2'), '0.1,,0.2'),
    ((*_WHOLE, '--config.l2=0.1,-2'), 'config.l2: -2 is not 0 or more'),
    (
      (*_WHOLE, '--config.l2=0.1,0.1'),
      'config.l2: 0.1 is there more than once',
    ),
    ((*_WHOLE, '--config.seed=-1'), 'config.seed'),
    ((*_WHOLE, '--config.seed=3000000000'), 'config.seed'),
    ((*_WHOLE, '--config.model.width=0'), 'config.model.width: 0'),
    ((*_WHOLE, '--config.model.dropout=1.5'), 'config.model.dropout: 1.5'),
    ((*_WHOLE, '--config.model.fusion=glue'), 'config.model.fusion'),
    ((*_WHOLE, '--config.model.fusion=concat'), 'concat has no such field'),
    ((*_WHOLE, '--config.targets=wishes'), 'config.targets'),
    ((*_WHOLE, '--config.loss=focl'), "'focl' is not one of cross_entropy, fo"),
    ((*_WHOLE, '--config.loss=focal(g=1)'), "unexpected keyword argument 'g'"),
    ((*_WHOLE, '--config.optimizer=optax:adamm'), "no attribute 'adamm'"),
    ((*_WHOLE, '--config.schedule=one_bike'), 'config.schedule'),
    ((*_WHOLE, '--config.select=ccc'), 'config.select: ccc needs a label with'),
    ((*_WHOLE, '--config.model.pooling=sum'), 'config.model.pooling'),
    ((*_WHOLE, '--config.views=text+smell'), "'text+smell'"),
    ((*_WHOLE, '--config.corpus=nowhere'), 'nowhere: no such corpus folder'),
    ((_CONFIG, _WORKDIR), 'give --config.corpus=CORPUS'),
    (('--config=nowhere.py', _WORKDIR), 'nowhere.py: no such config file'),
    (('--config=nowhere.py:concat', _WORKDIR), 'no such config file'),
    (('--config={corpus}', _WORKDIR), 'no such config file'),
    (('--config=nowhere.py',), 'nowhere.py: no such config file'),
    (('--config={corpus}/clips.csv', _WORKDIR), 'clips.csv: '),
    (
      (f'--config={_CONFIGS}/empathic_reactions.py:concat', _WORKDIR),
      "empathic_reactions.py: has no variants, hence no 'concat'",
    ),
    (
      (f'--config={_CONFIGS}/why_the_gate_loses.py:foo', _WORKDIR),
      "why_the_gate_loses.py: there is no variant 'foo'; expected paper, sum, ",
    ),
    ((_CONFIG, '--workdir={corpus}/clips.csv', _CORPUS), 'clips.csv'),
  ],
)
def test_train(run, corpus, tmp_path, flags, says):
  flags = [flag.replace('{corpus}', str(corpus)) for flag in flags]
  _assert_one_line(run('train', *flags, cwd=tmp_path), says)
  assert list(tmp_path.iterdir()) == []


_OWN = """
from flax import linen as nn
from empathy.models import fusion, layers

class Kernel(nn.Module):
  num_classes: int
  modalities: tuple[str, ...]
  bandwidth: float = 0.5
  last_dropout: float = 0.1
  axis_name: str | None = None

  @nn.compact
  def __call__(self, features, present, rows, train):
    x = layers.Dense(self.num_classes)(features['text']) * self.bandwidth
    return fusion.Output(layers.Dropout(self.last_dropout)(x, train))
"""


def test_fields_of_ones_own_fusion_are_set_on_the_command_line(
  run, corpus, tmp_path
):
  (tmp_path / 'my_kernel.py').write_text(_OWN)
  flags = (
    f'--config={_CONFIGS / "mixed_signals.py"}:my_kernel.Kernel',
    _WORKDIR,
  )

  def told(*more):
    done = run('train', *flags, *more, cwd=tmp_path)
    _assert_one_line(done, '')
    return done.err

  # With all else in order, the corpus is what is missed.
  given = '--config.model.bandwidth=2', '--config.model.last_dropout=0,0.5'
  assert 'config.corpus: is empty' in told(*given)
  for field, wrong, says in (
    ('bandwidth', 'wide', "'wide'"),
    ('last_dropout', '1.5', '1.5 is not 0 or more and below 1'),
    ('width', '3', "there is no field 'width'"),
  ):
    more = f'--config.model.{field}={wrong}'
    assert says in told(more, f'--config.corpus={corpus}')
  assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize(
  ('text', 'says'),
  [
    ('def get_config(:', 'wrong.py: invalid syntax'),
    ('import no_such_module', 'wrong.py: No module named'),
    ('x = 1', "no attribute 'get_config'"),
    ('def get_config():\n  return None.x', "no attribute 'x'"),
    (
      'def get_config():\n  return int("x")',
      'wrong.py: invalid literal for int',
    ),
    ('def get_config():\n  return {}[1]', 'wrong.py: 1'),
  ],
)
def test_a_config_file_that_is_wrong(run, tmp_path, text, says):
  (tmp_path / 'wrong.py').write_text(text)
  flags = ('--config=wrong.py', _WORKDIR)
  _assert_one_line(run('train', *flags, cwd=tmp_path), says)
  assert [path.name for path in tmp_path.iterdir()] == ['wrong.py']


def test_all_faults_of_a_config_are_told(run, tmp_path):
  (tmp_path / 'short.py').write_text(
    'import ml_collections\n'
    'def get_config():\n'
    "  return ml_collections.ConfigDict({'epochs': 3, 'seed': 'one'})\n"
  )
  done = run('train', '--config=short.py', _WORKDIR, cwd=tmp_path)
  assert done.status == 2
  assert 'config.epochs: there is no such field' in done.err
  assert "config.seed: 'one' is not of the type int" in done.err
  assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize(
  ('flags', 'says'),
  [
    ((), '--workdir=..., --corpus=..., --output=...'),
    (('--workdir=run', '--corpus={corpus}'), 'expected --output=...'),
    (('--workdir=run', '--corpus=c', '--output=p.csv'), 'p.csv'),
    (('--workdir=run', '--corpus=c', '--output=p.parquet', 'x'), "'x'"),
    (
      ('--workdir=run', '--corpus={corpus}', '--output=p.parquet'),
      'run/config.json: no such file',
    ),
  ],
)
def test_predict(run, corpus, tmp_path, flags, says):
  flags = [flag.replace('{corpus}', str(corpus)) for flag in flags]
  _assert_one_line(run('predict', *flags, cwd=tmp_path), says)
  assert list(tmp_path.iterdir()) == []


def test_a_variant_that_is_not_there(run, tmp_path):
  (tmp_path / 'mine.py').write_text(
    "def get_config(name):\n  return {'a': 1}[name]\n"
  )
  done = run('train', '--config=mine.py:b', _WORKDIR, cwd=tmp_path)
  _assert_one_line(done, "mine.py: there is no variant 'b'")


# Each path that a binary takes and that has to be on this machine.
_PATHS = {
  'prepare': ('source', 'output'),
  'extract_features': ('config.features.text.encoder',),
  'finetune': ('workdir',),
  'predict': ('output',),
  'evaluate': ('predictions', 'output', 'compare', 'tally', 'merge'),
}


@pytest.mark.parametrize(
  ('verb', 'flag'),
  [(verb, flag) for verb, names in _PATHS.items() for flag in names],
)
def test_a_bucket_is_refused_where_it_cannot_be_used(run, tmp_path, verb, flag):
  given = {}
  if verb in ('extract_features', 'finetune'):
    given['config'] = _CONFIGS / 'mixed_signals_media.py'
  if verb not in ('prepare', 'evaluate'):  # What they ask for.
    given |= {'corpus': 'x'}
  if verb == 'predict':
    given |= {'workdir': 'x', 'output': 'x'}
  given[flag] = 's3://bucket/there'
  flags = [f'--{name}={value}' for name, value in given.items()]
  _assert_one_line(
    run(verb, *flags, cwd=tmp_path),
    f'--{flag}: s3://bucket/there: is in a bucket',
  )
  assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
  ('name', 'value', 'says'),
  [
    ('JAX_PLATFORMS', 'cuda', 'JAX_PLATFORMS=cuda: '),
    ('JAX_PLATFORMS', 'gpux', 'JAX_PLATFORMS=gpux: Unable to init'),
    (
      'XLA_FLAGS',
      '--xla_no_such=1',
      'Unknown flag in XLA_FLAGS: --xla_no_such',
    ),
  ],
)
def test_devices_and_flags_that_are_not_there(tmp_path, name, value, says):
  done = subprocess.run(
    [
      *(sys.executable, '-m', 'empathy.train'),
      *(_CONFIG, '--workdir=x', '--config.corpus=y'),
    ],
    env=os.environ | {name: value, 'PYTHONPATH': str(small.ROOT)},
    capture_output=True,
    text=True,
    cwd=tmp_path,
    check=False,
  )
  assert (done.returncode, done.stdout) == (2, '')
  assert done.stderr.startswith(f'error: {says}')
  assert len(done.stderr.splitlines()) == 1


def test_a_defect_shows_its_traceback(run, tmp_path):
  (tmp_path / 'defect.py').write_text('def get_config():\n  return 1 / 0\n')
  done = run('train', '--config=defect.py', _WORKDIR, cwd=tmp_path)
  assert done.status == 1
  assert 'ZeroDivisionError' in done.err


def test_a_process_of_its_own_says_the_same(run, tmp_path):
  flags = (_CONFIG, _WORKDIR, '--config.corpus=nowhere')
  alone = subprocess.run(
    [sys.executable, '-m', 'empathy.train', *flags],
    capture_output=True,
    text=True,
    cwd=tmp_path,
  )
  done = run('train', *flags, cwd=tmp_path)
  assert (alone.returncode, alone.stdout, alone.stderr) == (
    done.status,
    done.out,
    done.err,
  )
