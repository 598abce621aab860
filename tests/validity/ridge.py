"""Are scores predicted as well as by ridge regression on the same features?

  python tests/validity/ridge.py --corpus=CORPUS --label=empathy

Trains `configs/empathic_reactions.py` on a corpus with scores and features, and
scikit-learn's ridge regression on the training and validation clips of the same
folds, its penalty chosen by leave-one-out error. Of the scores that either
expects of held-out clips prints Pearson's r and the concordance; ends with 1 if
the model's r is more than .01 below.
"""

import argparse
import importlib.util
import pathlib
import sys
import tempfile

import numpy as np
import pyarrow.parquet as pq
import threadpoolctl
from sklearn import linear_model

from empathy.corpora import corpus as corpora
from empathy.training import loop, members

MARGIN = 0.01
_CONFIG = pathlib.Path(__file__).parents[2] / 'configs/empathic_reactions.py'


def compare(
  path: pathlib.Path, label: str, workdir: pathlib.Path
) -> dict[str, tuple[float, float]]:
  """Pearson's r and the concordance of the model and of ridge regression.

  Args:
    path: the corpus folder, with features.
    label: one of several; '' where there is one.
    workdir: of the run.
  """
  spec = importlib.util.spec_from_file_location('config', _CONFIG)
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  config = module.get_config()
  config.update(corpus=str(path), label=label)
  loop.train(config, workdir)
  corpus = corpora.read(path, None, label=label)
  _, parts = members.folds(corpus, config.num_folds, config.seed)
  return {
    name: agreement(found, corpus.scores)
    for name, found in (
      ('model', _expected(workdir / 'predictions.parquet', corpus)),
      ('ridge', _by_ridge(corpus, parts)),
    )
  }


def agreement(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
  """Pearson's r and Lin's coefficient of concordance."""
  (var_x, both), (_, var_y) = np.cov(x, y, bias=True)
  shift = (x.mean() - y.mean()) ** 2
  return both / np.sqrt(var_x * var_y), 2 * both / (var_x + var_y + shift)


def _expected(path: pathlib.Path, corpus: corpora.Corpus) -> np.ndarray:
  """Expected scores of held-out clips, the mean over seeds."""
  table = pq.read_table(path).to_pydict()
  row = {clip: row for row, clip in enumerate(corpus.ids.tolist())}
  full = corpora.view_name(corpus.modalities)
  shown = np.array(
    [
      v == g == full
      for v, g in zip(*map(table.get, ('view', 'given')), strict=True)
    ]
  )
  probabilities = np.stack([table[f'prob_{c}'] for c in corpus.classes], axis=1)
  rows = np.array([row[clip] for clip in table['id']])[shown]
  total = np.bincount(rows, (probabilities @ corpus.values)[shown])
  return total / np.bincount(rows)


def _by_ridge(corpus: corpora.Corpus, parts: dict) -> np.ndarray:
  found = np.empty(len(corpus.ids))
  values = np.zeros((len(found), 0))
  for modality in corpus.modalities:
    feature = corpus.features[modality]
    own = np.zeros((len(found), feature.values.shape[1]))
    own[feature.clip] = feature.values
    values = np.concatenate([values, own], axis=1)
  for part in parts.values():
    known = part.train | part.val
    mean, scale = values[known].mean(axis=0), values[known].std(axis=0) + 1e-6
    model = linear_model.RidgeCV(np.logspace(0, 5, 16))
    with threadpoolctl.threadpool_limits(1):
      model.fit((values[known] - mean) / scale, corpus.scores[known])
    held = part.held_out
    found[held] = model.predict((values[held] - mean) / scale)
  return found


def main() -> int:
  """Compares, and prints."""
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  parser.add_argument('--corpus', type=pathlib.Path, required=True)
  parser.add_argument('--label', action='append')
  given = parser.parse_args()
  is_below = False
  for label in given.label or ['']:
    with tempfile.TemporaryDirectory() as folder:
      found = compare(given.corpus, label, pathlib.Path(folder) / 'run')
    for name, (pearson, concordance) in found.items():
      print(
        f'{label or "score"}  {name}: Pearson {pearson:.4f}, '
        f'concordance {concordance:.4f}'
      )
    is_below |= found['model'][0] < found['ridge'][0] - MARGIN
  return int(is_below)


if __name__ == '__main__':
  sys.exit(main())
