"""Training on scores: what is selected by, and labels by name."""

import dataclasses
import json

import jax.numpy as jnp
import numpy as np
import pyarrow.parquet as pq
import pytest
import small

from empathy import errors
from empathy.corpora import corpus as corpora
from empathy.corpora import simulate
from empathy.training import configuration, inference, loop, metrics


def concordance(x, y):
  """Lin's coefficient, from its definition."""
  both = 2 * np.mean((x - x.mean()) * (y - y.mean()))
  return both / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)


@pytest.fixture(scope='module', name='folder')
def _folder(tmp_path_factory):
  """A corpus of ratings and of a binary label, with text and video."""
  parameters = simulate.Parameters(
    num_clips=150,
    num_groups=12,
    width=24,
    num_values=5,
    feature_noise=0.1,
    speaker_effect=0.0,
  )
  made, _ = simulate.simulate(parameters, seed=3)
  features = {m: made.features[m] for m in ('text', 'video')}
  keys = {'modalities': list(features), 'conditions': []}
  info = dict(made.info) | keys
  rated = dataclasses.replace(made, info=info, votes=None, features=features)
  fold = (np.unique(made.groups, return_inverse=True)[1] % 3).astype(np.int32)
  rated = dataclasses.replace(rated, fold=fold)
  binary = dataclasses.replace(
    rated,
    info={k: v for k, v in info.items() if k not in ('values', 'ordered')}
    | {'classes': ['low', 'high']},
    labels=(rated.scores > 3).astype(np.int32),
    scores=None,
  )
  path = tmp_path_factory.mktemp('corpora') / 'corpus'
  corpora.write({'felt': rated, 'high': binary}, path)
  return path


def config(folder, **overrides):
  fields = {
    'label': 'felt',
    'targets': 'scores',
    'views': ('full',),
    'num_epochs': 4,
    'num_seeds': 1,
    'peak_learning_rate': 0.03,
  }
  return small.config(folder, 'concat', **(fields | overrides))


@pytest.fixture(scope='module', name='run')
def _run(folder, tmp_path_factory):
  path = tmp_path_factory.mktemp('runs') / 'run'
  loop.train(config(folder, l2=(1e-3, 3.0)), path)
  return path


def test_the_best_epoch_is_that_of_the_best_concordance(run):
  best = {}
  for line in map(json.loads, (run / 'metrics.jsonl').read_text().splitlines()):
    assert 0 <= line['val/mae'] < 3
    key = (line['fold'], line['setting']['l2'])
    best.setdefault(key, []).append(line['val/ccc'])
  for entry in json.loads((run / 'members.json').read_text())['members'][0]:
    found = best[entry['fold'], entry['setting']['l2']]
    assert entry['best_epoch'] == int(np.argmax(found))
    assert entry['val_ccc'] == pytest.approx(max(found))
    assert entry['chosen'] == (
      max(found) == max(max(best[entry['fold'], l2]) for l2 in (1e-3, 3.0))
    )
  table = (run / 'sweep.csv').read_text().splitlines()
  assert table[0] == 'view,fold,l2,val_ccc,val_loss,failed_seeds,chosen'


def expected_scores(table, corpus):
  rows = table.to_pylist()
  names = [f'prob_{name}' for name in corpus.classes]
  return {
    row['id']: np.dot([row[name] for name in names], corpus.values)
    for row in rows
    if row['given'] == row['view']
  }


def test_the_expected_score_is_predicted(run, folder):
  corpus = corpora.read(folder, label='felt')
  found = expected_scores(pq.read_table(run / 'predictions.parquet'), corpus)
  assert list(found) == sorted(corpus.ids)
  x = np.array([found[clip] for clip in corpus.ids])
  assert np.corrcoef(x, corpus.scores)[0, 1] > 0.4
  # New clips, with another label and with none of that name.
  other = inference.predict(run, folder)
  np.testing.assert_allclose(
    list(expected_scores(other, corpus).values()), x, atol=1e-5
  )


def test_the_workdir_remembers_the_label(run, server, tmp_path):
  config_ = json.loads((run / 'config.json').read_text())['config']
  assert config_['label'] == 'felt'
  flags = f'--workdir={run}', '--output=study'
  done = server.run('evaluate', *flags, cwd=tmp_path)
  assert done.status == 0, done.err
  found = json.loads((tmp_path / 'study' / 'study.json').read_text())
  assert any(name.startswith('scores.') for name in found['statistics'])
  done = server.run('evaluate', *flags, '--label=high', cwd=tmp_path)
  assert done.status == 2
  assert "--label: 'high', but the run in" in done.err


def test_a_metric_of_agreement_is_that_of_its_definition():
  random = np.random.default_rng(0)
  x, y = random.normal(4, 1, 40), random.normal(3, 2, 40)
  real = np.arange(40) < 31
  found = _agreement(x, y, real)
  want = concordance(x[:31], y[:31])
  assert found['ccc'] == pytest.approx(want, rel=1e-5)
  mae = np.abs(x - y)[:31].mean()
  assert found['mae'] == pytest.approx(mae, rel=1e-5)
  # By hand: 1, 2, 3 against 2, 3, 4 agree but for a shift of one.
  three, all_of_them = np.array([1.0, 2.0, 3.0]), np.ones(3, bool)
  found = _agreement(three, three + 1, all_of_them)
  assert found['ccc'] == pytest.approx((4 / 3) / (4 / 3 + 1))
  assert _agreement(np.ones(3), np.ones(3), all_of_them)['ccc'] == 0


def _agreement(x, y, real):
  """The metrics of expected scores x, by two classes far enough away."""
  share = (x + 9) / 18
  rows = metrics.Rows(
    logits=jnp.log(jnp.array([1 - share, share])).T,
    losses=jnp.zeros(len(x)),
    labels=jnp.zeros(len(x), jnp.int32),
    real=jnp.array(real),
    scores=jnp.array(y, jnp.float32),
    values=jnp.array([-9.0, 9.0]),
  )
  return metrics.measure(metrics.used('ccc', True), rows)


def test_scores_need_values_and_a_label_a_name(folder, tmp_path):
  with pytest.raises(errors.InputError, match='neither values nor a scale'):
    loop.train(config(folder, label='high'), tmp_path / 'run')
  with pytest.raises(errors.InputError, match=r'has 2 labels: felt, high'):
    loop.train(config(folder, label=''), tmp_path / 'run')
  with pytest.raises(errors.InputError, match="'joy' is not one of"):
    loop.train(config(folder, label='joy'), tmp_path / 'run')
  assert not (tmp_path / 'run').exists()
  for sigma in (0, -1.0, 'wide', float('nan')):
    wrong = config(folder).unlock()
    with wrong.ignore_type():
      wrong.sigma = sigma
    with pytest.raises(errors.InputError, match=r'config\.sigma: '):
      configuration.check(wrong)
