"""The corpus as a TensorFlow Datasets builder, without TensorFlow.

Training reads clips through this builder, from `array_record` files that hold
one record a clip. TFDS caches what it prepared by version, so the data folder
is named after the corpus' content: an edited corpus is prepared afresh.
"""

import contextlib
import dataclasses
import io
import os
import pathlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import shuffle

from empathy.corpora import corpus as corpora

# `all` is a reserved name of TFDS, and folds are the trainer's affair.
SPLIT = 'clips'


@dataclasses.dataclass(frozen=True)
class Dataset:
  """What training needs of a corpus; arrays over clips are sorted by id.

  Attributes:
    ids: (N,) str.
    groups: (N,) str.
    labels: (N,) int32, `corpus.UNLABELLED` where there is none.
    split: (N,) str, or None.
    fold: (N,) int32, or None.
    votes: (N, C) int64, votes in the condition that speaks for the clip.
    features: by modality, without `seen`; `Features.clip` indexes the sorted
      clips.
    info: the content of `corpus.json`.
  """

  ids: np.ndarray
  groups: np.ndarray
  labels: np.ndarray
  split: np.ndarray | None
  fold: np.ndarray | None
  votes: np.ndarray
  features: Mapping[str, corpora.Features]
  info: Mapping[str, Any]


class EmpathyCorpus(tfds.core.GeneratorBasedBuilder):
  """Clips of a corpus folder: ids, groups, labels, votes and features."""

  VERSION = tfds.core.Version('1.0.0')
  # Where the class is written leads TFDS to its metadata; there is none.
  pkg_dir_path = pathlib.Path(__file__).parent

  def __init__(self, *, corpus: corpora.Corpus, **kwargs):
    """Makes a builder for one corpus.

    Args:
      corpus: with the features that training shall see.
      **kwargs: those of `tfds.core.GeneratorBasedBuilder`.
    """
    self._corpus = corpus
    super().__init__(file_format='array_record', **kwargs)

  def _info(self) -> tfds.core.DatasetInfo:
    num_classes = len(self._corpus.classes)
    features = {
      'id': tfds.features.Text(),
      'group': tfds.features.Text(),
      'label': tfds.features.Scalar(np.int32),
      'split': tfds.features.Text(),
      'fold': tfds.features.Scalar(np.int32),
      'votes': tfds.features.Tensor(shape=(num_classes,), dtype=np.int64),
    }
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
      for modality in corpus.features:
        example[f'features/{modality}'] = pieces[modality][row]
      yield clip, example


def load(corpus: corpora.Corpus, data_dir: str | os.PathLike) -> Dataset:
  """Prepares `corpus` below `data_dir`, once, and reads it back.

  Args:
    corpus: read from a folder, with the features that training shall see.
    data_dir: where TFDS keeps what it prepared.

  Returns:
    The clips, sorted by id: the order in the files is a hash of the id.
  """
  modalities = sorted(corpus.features, key=corpora.modality_order)
  key = f'{corpora.fingerprint(corpus.path)[:16]}-{"-".join(modalities)}'
  builder = EmpathyCorpus(
    corpus=corpus, data_dir=os.fspath(pathlib.Path(data_dir) / key)
  )
  tfds.disable_progress_bar()
  # Beyond a gigabyte TFDS would sort records on disk, by TensorFlow.
  shuffle.MAX_MEM_BUFFER_SIZE = sys.maxsize
  # What TFDS prints speaks of a download, and there is none.
  with contextlib.redirect_stdout(io.StringIO()):
    builder.download_and_prepare()
  source = builder.as_data_source(split=SPLIT)
  # Asked for at once, records are read in parallel.
  examples = source.__getitems__(range(len(source)))
  examples.sort(key=lambda example: example['id'])

  def column(name: str) -> np.ndarray:
    return np.array([example[name] for example in examples])

  def text(name: str) -> np.ndarray:
    return np.char.decode(column(name), 'utf-8')

  features = {}
  for modality in modalities:
    rows = [example[f'features/{modality}'] for example in examples]
    length = np.array([len(row) for row in rows], np.int64)
    clip = np.flatnonzero(length).astype(np.int32)
    read = corpus.features[modality]
    fold = None
    if read.fold is not None:
      fold = np.tile(np.arange(read.num_folds, dtype=np.int32), len(clip))
      clip = np.repeat(clip, read.num_folds)
    features[modality] = corpora.Features(
      clip=clip,
      values=np.concatenate(rows),
      length=None if read.length is None else length[clip] // read.num_folds,
      fold=fold,
    )
  return Dataset(
    ids=text('id'),
    groups=text('group'),
    labels=column('label').astype(np.int32),
    split=None if corpus.split is None else text('split'),
    fold=None if corpus.fold is None else column('fold').astype(np.int32),
    votes=column('votes'),
    features=features,
    info=corpus.info,
  )
