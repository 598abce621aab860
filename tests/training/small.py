"""Small corpora and configs for the tests of training."""

import dataclasses
import importlib.util
import pathlib

import jax
import ml_collections
import numpy as np
import orbax.checkpoint as ocp
import pyarrow.parquet as pq

from empathy.corpora import corpus as corpora
from empathy.corpora import simulate

ROOT = pathlib.Path(__file__).parents[2]


def config(
  corpus: pathlib.Path, fusion: str = 'gated_attention', **overrides
) -> ml_collections.ConfigDict:
  """The default experiment, small: narrow layers, few epochs."""
  path = ROOT / 'configs' / 'mixed_signals.py'
  spec = importlib.util.spec_from_file_location('mixed_signals', path)
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  result = module.get_config(fusion)
  for name, value in {
    'width': 8,
    'attention_width': 6,
    'hidden': (8,),
  }.items():
    if name in result.model:
      result.model[name] = value
  result.update(
    corpus=str(corpus), num_epochs=3, batch_size=16, num_seeds=2, num_folds=3
  )
  with result.ignore_type():  # A number in place of a tuple of one.
    result.update(overrides)
  return result.lock()


def write_corpus(path: pathlib.Path, **changes) -> corpora.Corpus:
  """Writes a simulated corpus of 90 clips, with `changes` to the corpus."""
  parameters = simulate.Parameters(num_clips=90, num_groups=12, width=10)
  corpus, _ = simulate.simulate(parameters, seed=3)
  corpus = dataclasses.replace(corpus, **changes)
  corpora.write(corpus, path)
  return corpora.read(path, features=None)


def forget_summaries(corpus: corpora.Corpus) -> None:
  """Removes what is beside the features of a corpus folder for `evaluate`."""
  for path in (corpus.path / 'features').glob('*.summary.parquet'):
    path.unlink()


def assert_has_summaries(corpus: corpora.Corpus) -> None:
  """Makes sure that `evaluate` need not read the features of a corpus."""
  features = corpus.path / 'features'
  names = {path.name.split('.')[0] for path in features.glob('*.npz')}
  summed = {path.name for path in features.glob('*.summary.parquet')}
  assert names
  assert summed == {f'{name}.summary.parquet' for name in names}
  presence = corpora.with_presence(corpus).presence
  for name, found in corpora.read(corpus.path, None).features.items():
    assert np.flatnonzero(presence[name]).tolist() == sorted(set(found.clip))


def reordered(corpus: corpora.Corpus, order: np.ndarray) -> corpora.Corpus:
  """The same clips with the `order[i]`-th in place i; entries stay."""
  place = np.argsort(order)
  return dataclasses.replace(
    corpus,
    ids=corpus.ids[order],
    groups=corpus.groups[order],
    labels=corpus.labels[order],
    votes=dataclasses.replace(corpus.votes, clip=place[corpus.votes.clip]),
    features={
      modality: dataclasses.replace(found, clip=place[found.clip])
      for modality, found in corpus.features.items()
    },
  )


def sequences(features: corpora.Features, seed: int = 0) -> corpora.Features:
  """Makes each pooled feature a noisy sequence of 1 to 5 steps."""
  rng = np.random.default_rng(seed)
  length = rng.integers(1, 6, len(features.clip))
  values = np.repeat(features.values, length, axis=0)
  noise = rng.normal(size=values.shape).astype(np.float32)
  return corpora.Features(features.clip, values + 0.1 * noise, length)


def without(features: corpora.Features, clips) -> corpora.Features:
  """Pooled features, without those of some clips."""
  keep = ~np.isin(features.clip, clips)
  return corpora.Features(features.clip[keep], features.values[keep])


def read_saved(folder: pathlib.Path):
  """A checkpoint as Orbax reads it without being told what it holds."""
  parts = sorted(folder.iterdir(), key=lambda part: int(part.name))
  with ocp.PyTreeCheckpointer() as checkpointer:
    trees = [checkpointer.restore(part.absolute()) for part in parts]
  return jax.tree.map(lambda *x: np.concatenate(x), *trees)


def read_table(path: pathlib.Path):
  """The predictions table of a run."""
  return pq.read_table(path / 'predictions.parquet')
