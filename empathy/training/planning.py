"""What a run does, made of its config and corpus before it begins."""

import dataclasses
import logging
import pathlib
from collections.abc import Mapping, Sequence

import ml_collections
import numpy as np

from empathy import errors, remote
from empathy.corpora import corpus as corpora
from empathy.corpora import dawid_skene
from empathy.models import losses
from empathy.training import (
  chunks,
  configuration,
  layered,
  members,
  normalisation,
  parallel,
  step,
  stream,
  workdir,
)

_log = logging.getLogger('empathy')


@dataclasses.dataclass(frozen=True)
class Plan:
  """What a run does.

  Attributes:
    corpus: sorted by id; its features as members have them.
    fold_of: (N,) int32, the fold that holds each clip out; -1 for none.
    parts: the clips of each fold's parts.
    data: the corpus as arrays.
    program: what all members share.
    layout: of the members on the devices.
    names: of all members.
    members: all of them, as arrays.
    groups: of members that have a network in common.
    chunks: of members that train at the same time.
  """

  corpus: corpora.Corpus
  fold_of: np.ndarray
  parts: Mapping[int, members.Parts]
  data: step.Data
  program: step.Program
  layout: parallel.Layout
  names: Sequence[members.Name]
  members: step.Member
  groups: Sequence[chunks.Group]
  chunks: Sequence[chunks.Chunk]

  @property
  def held_out(self) -> dict[int, np.ndarray]:
    """The clips that each fold holds out, by number."""
    return {
      fold: np.flatnonzero(part.held_out) for fold, part in self.parts.items()
    }


def read(
  config: ml_collections.ConfigDict, path: pathlib.Path
) -> corpora.Corpus:
  """Reads the corpus of a run, with the features that its views need.

  Their values stay in the files, which the processes of a machine so have in
  memory once.

  Args:
    config: of the run.
    path: the workdir.

  Returns:
    The corpus, sorted by id, so that nothing depends on the order of its files.

  Raises:
    InputError: the corpus is at fault, or it and the workdir are not apart.
  """
  folder = remote.here(config.corpus, remote.CORPUS)
  corpus = corpora.sorted_by_id(corpora.read(folder, label=config.label))
  if parallel.is_main():
    workdir.check_apart(path, corpus.path)
  views = members.views(config.views, corpus.modalities)
  used = sorted({m for view in views for m in view}, key=corpora.modality_order)
  corpus = corpora.with_features(corpus, used, mapped=True)
  layered.check(corpus, config.model)
  if parallel.is_main():
    normalisation.name_dead_columns(corpus)
  return corpus


def make(
  config: ml_collections.ConfigDict,
  corpus: corpora.Corpus,
  records: str | None = None,
  begun: Sequence[chunks.Group] = (),
) -> Plan:
  """Makes the members of a run and their chunks.

  Args:
    config: of the run.
    corpus: as `read` gives it.
    records: the folder that has the features, if they stay on disk.
    begun: the groups of the run that is there, if one is.

  Raises:
    InputError: the config does not fit the corpus or the devices.
  """
  fold_of, parts = members.folds(corpus, config.num_folds, config.seed)
  members.check_features(corpus, fold_of, len(parts))
  source, features = None, corpus.features
  if records is not None:
    features = stream.without_values(features)
    source = stream.Source(pathlib.Path(records), len(corpus.ids), features)
  else:
    corpus = _as_members_see(config, corpus)
    features = corpus.features
  votes = corpus.vote_counts(corpora.full_condition(corpus.conditions))
  data, max_length = members.data(
    features,
    corpus.labels,
    _targets(config, corpus, votes),
    losses.clip_weights(votes, config.weights),
    corpus.scores,
  )
  names, everyone = members.make(
    corpus,
    data,
    members.views(config.views, corpus.modalities),
    range(config.seed, config.seed + config.num_seeds),
    parts,
    configuration.settings(config),
  )
  layout = _layout(config)
  program = dataclasses.replace(
    configuration.make_program(
      config,
      corpus.classes,
      tuple(corpus.features),
      max_length,
      layout,
      () if corpus.values is None else tuple(corpus.values.tolist()),
    ),
    source=source,
  )
  # A run that began on other devices keeps its chunks, which are checkpoints.
  groups = begun or chunks.groups(
    program, layout, data, names, everyone, config.members_per_device
  )
  _check_fits(config, layout, groups)
  return Plan(
    corpus=corpus,
    fold_of=fold_of,
    parts=parts,
    data=data,
    program=program,
    layout=layout,
    names=names,
    members=everyone,
    groups=groups,
    chunks=chunks.divided(groups, program, names),
  )


def _as_members_see(
  config: ml_collections.ConfigDict, corpus: corpora.Corpus
) -> corpora.Corpus:
  """The corpus with its features normalised, if the config says so."""
  features = normalisation.normalised(
    corpus.features, corpus.groups, config.normalise
  )
  if parallel.all_devices()[0].platform == 'cpu':
    features = {
      modality: dataclasses.replace(
        feature, values=parallel.aligned(feature.values)
      )
      for modality, feature in features.items()
    }
  return dataclasses.replace(corpus, features=features)


def _targets(
  config: ml_collections.ConfigDict, corpus: corpora.Corpus, votes: np.ndarray
) -> np.ndarray:
  """What members learn: (N, C) float32 distributions over the classes."""
  if config.targets != 'scores':
    if config.targets == 'dawid_skene':
      votes = dawid_skene.posterior(corpus)
    return losses.target_distributions(corpus.labels, votes, config.targets)
  if corpus.values is None:
    raise errors.InputError(
      "config.targets: 'scores', but the label has neither values nor a scale"
    )
  return losses.score_distributions(corpus.scores, corpus.values, config.sigma)


def _layout(config: ml_collections.ConfigDict) -> parallel.Layout:
  layout = parallel.Layout(
    config.parallel,
    parallel.all_devices(),
    config.matmul_precision,
  )
  if config.parallel == 'batch' and config.batch_size % len(layout.devices):
    raise errors.InputError(
      f'config.batch_size: {config.batch_size} clips do not divide among '
      f'{len(layout.devices)} devices'
    )
  return layout


def _check_fits(
  config: ml_collections.ConfigDict,
  layout: parallel.Layout,
  groups: Sequence[chunks.Group],
) -> None:
  """Warns if devices hold more than they shall."""
  size = max(group.size for group in groups)
  held = layout.held(size)
  if held > config.members_per_device:
    _log.warning(
      'the run began in chunks of %d members: each device holds %d of them '
      'now, more than members_per_device',
      size,
      held,
    )
