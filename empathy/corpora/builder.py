"""The corpus as a TensorFlow Datasets builder, without TensorFlow.

For pipelines of others: training reads the corpus folder itself, since in TFDS'
files it would take a second for every few thousand clips, and several times the
memory. TFDS caches what it prepared by version, so the data folder should be
named after the corpus' content: an edited corpus is then prepared afresh.
"""

import pathlib
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import shuffle

from empathy.corpora import corpus as corpora

# `all` is a reserved name of TFDS, and folds are the trainer's affair.
SPLIT = 'clips'


class EmpathyCorpus(tfds.core.GeneratorBasedBuilder):
  """Clips of a corpus folder: ids, groups, labels, votes and features."""

  VERSION = tfds.core.Version('1.0.0')
  # Where the class is written leads TFDS to its metadata; there is none.
  pkg_dir_path = pathlib.Path(__file__).parent

  def __init__(self, *, corpus: corpora.Corpus, **kwargs):
    """Makes a builder for one corpus.

    Args:
      corpus: with the features that are wanted.
      **kwargs: those of `tfds.core.GeneratorBasedBuilder`.
    """
    self._corpus = corpus
    super().__init__(file_format='array_record', **kwargs)

  def download_and_prepare(self, **kwargs) -> None:
    """Writes the records; nothing is downloaded."""
    # Beyond a gigabyte TFDS would sort them on disk, by TensorFlow.
    shuffle.MAX_MEM_BUFFER_SIZE = sys.maxsize
    super().download_and_prepare(**kwargs)

  def _info(self) -> tfds.core.DatasetInfo:
    num_classes = len(self._corpus.classes)
    features = {
      'id': tfds.features.Text(),
      'group': tfds.features.Text(),
      'label': tfds.features.ClassLabel(names=list(self._corpus.classes)),
      'split': tfds.features.Text(),
      'fold': tfds.features.Scalar(np.int32),
      'votes': tfds.features.Tensor(shape=(num_classes,), dtype=np.int64),
    }
    if self._corpus.scores is not None:
      features['score'] = tfds.features.Scalar(np.float64)
    for modality, values in self._corpus.features.items():
      features[f'features/{modality}'] = tfds.features.Tensor(
        shape=(None, values.values.shape[1]),
        dtype=np.float32,
        encoding=tfds.features.Encoding.BYTES,
      )
    return self.dataset_info_from_configs(
      features=tfds.features.FeaturesDict(features),
      description=f'The corpus {self._corpus.info["name"]}.',
    )

  def _split_generators(self, dl_manager):
    del dl_manager  # Nothing is downloaded: the corpus folder is read.
    return {SPLIT: self._generate_examples()}

  def _generate_examples(self) -> Iterator[tuple[str, dict[str, Any]]]:
    corpus = self._corpus
    votes = corpus.vote_counts(corpora.full_condition(corpus.conditions))
    # A clip without a modality has a sequence of length 0, and one with
    # fold-wise features those of the folds one after another.
    pieces = {}
    for modality, features in corpus.features.items():
      empty = np.zeros((0, features.values.shape[1]), np.float32)
      found = [[empty] for _ in corpus.ids]
      for fold in range(features.num_folds):
        some = features.of_fold(fold)
        length = some.length
        if length is None:
          length = np.ones(len(some.clip), np.int64)
        rows = np.split(some.values, np.cumsum(length)[:-1])
        for clip, row in zip(some.clip.tolist(), rows, strict=True):
          found[clip].append(row)
      pieces[modality] = [np.concatenate(rows) for rows in found]
    for row, clip in enumerate(corpus.ids.tolist()):
      example = {
        'id': clip,
        'group': str(corpus.groups[row]),
        'label': corpus.labels[row],
        'split': '' if corpus.split is None else str(corpus.split[row]),
        'fold': -1 if corpus.fold is None else corpus.fold[row],
        'votes': votes[row],
      }
      if corpus.scores is not None:
        example['score'] = corpus.scores[row]
      for modality in corpus.features:
        example[f'features/{modality}'] = pieces[modality][row]
      yield clip, example
