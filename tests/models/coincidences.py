"""A made corpus whose label lies in when things happen, not in what."""

import numpy as np

from empathy.corpora import corpus as corpora


def corpus(
  num_clips: int = 1200,
  num_groups: int = 40,
  width: int = 8,
  modalities: tuple[str, ...] = ('audio', 'video'),
  size: float = 3.0,
  apart: float = 0.15,
  seed: int = 0,
) -> corpora.Corpus:
  """Clips with one event in each modality: at the same time, or not.

  A clip takes 2 to 6 seconds, with 10 steps of the first modality a second and
  6 of others. All is noise of deviation 1 and an offset of the speaker's,
  but for an event, the same in all clips: 3 tenths of a second with `size`
  more in one direction of the features. In half of the clips all events are at
  one time; in the others each is `apart` of the clip away from the one before,
  or more, where the end of a clip is followed by its beginning. So when an
  event happens is uniform in both classes, in each modality.

  Args:
    num_clips: how many, equally many of both classes.
    num_groups: speakers.
    width: of features.
    modalities: their names.
    size: of an event, in deviations of the noise.
    apart: the least distance of two events, of a clip.
    seed: of everything.
  """
  rng = np.random.default_rng(seed)
  labels = rng.permutation(np.arange(num_clips) % 2).astype(np.int32)
  speaker = np.arange(num_clips) % num_groups
  seconds = rng.uniform(2, 6, num_clips)
  at = rng.uniform(0, 1, num_clips)
  features = {}
  for index, modality in enumerate(modalities):
    length = np.round(seconds * (10 if index == 0 else 6)).astype(np.int64)
    clip = np.repeat(np.arange(num_clips), length)
    first = np.repeat(np.cumsum(length) - length, length)
    time = (np.arange(length.sum()) - first + 0.5) / length[clip]
    direction = rng.normal(size=width)
    direction *= size / np.linalg.norm(direction)
    offset = rng.normal(size=(num_groups, width))
    values = rng.normal(size=(length.sum(), width)) + offset[speaker[clip]]
    event = np.exp(-(((time - at[clip]) * seconds[clip] / 0.15) ** 2))
    values += event[:, None] * direction
    features[modality] = corpora.Features(
      np.arange(num_clips), values.astype(np.float32), length
    )
    away = rng.uniform(apart, 1 - apart, num_clips)
    at = np.where(labels == 1, at, (at + away) % 1)
  return corpora.Corpus(
    info={
      'name': 'coincidences',
      'classes': ['apart', 'together'],
      'modalities': list(modalities),
      'conditions': [],
      'license': 'none',
      'source': 'made by a test',
    },
    ids=np.array([f'clip{i:05}' for i in range(num_clips)]),
    groups=np.array([f'speaker{i:03}' for i in speaker]),
    labels=labels,
    features=features,
  )
