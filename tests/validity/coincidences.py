"""Is it learned when things happen, where what happens says nothing?

  python tests/validity/coincidences.py [--clips=2000] [--folds=5] [--seeds=3]

Makes a corpus of sequences, voice and face, with one event in each: at the same
time, or not. Trains fusions on it by their shipped settings, and prints the
accuracy on held-out clips of speakers that none was trained on. Those that are
shown what is pooled over time can know no more than chance.
"""

import argparse
import importlib.util
import pathlib
import sys
import tempfile

import numpy as np
import pyarrow.parquet as pq

from empathy.corpora import corpus as corpora
from empathy.training import loop, parallel

# By fusion: the config, with a variant.
SETTINGS = {
  'timed_evidence': ('gated_evidence', 'timed_evidence'),
  'gated_evidence': ('gated_evidence',),
  'concat': ('mixed_signals', 'concat'),
  'gated_attention': ('mixed_signals', 'gated_attention'),
}
_CONFIGS = pathlib.Path(__file__).parents[2] / 'configs'


def corpus(
  num_clips: int = 2000,
  num_groups: int = 40,
  width: int = 6,
  modalities: tuple[str, ...] = ('audio', 'video'),
  size: float = 4.0,
  apart: float = 0.15,
  seed: int = 0,
) -> corpora.Corpus:
  """Clips with one event in each modality: at the same time, or not.

  A clip takes 1 to 3 seconds, with 10 steps of the first modality a second and
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
  seconds = rng.uniform(1, 3, num_clips)
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


def accuracy(
  path: pathlib.Path, name: str, workdir: pathlib.Path, **changes
) -> float:
  """Share of held-out clips that a fusion of all modalities gets right.

  Args:
    path: the corpus folder.
    name: a key of `SETTINGS`.
    workdir: of the run.
    **changes: to the config.
  """
  file, *variant = SETTINGS[name]
  spec = importlib.util.spec_from_file_location(file, _CONFIGS / f'{file}.py')
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  config = module.get_config(*variant)
  config.update(corpus=str(path), views=('full',), num_seeds=1)
  config.update(changes)
  loop.train(config, workdir)
  table = pq.read_table(workdir / 'predictions.parquet').to_pandas()
  table = table[table.given == table['view']]
  made = corpora.read(path)
  label = dict(zip(made.ids.tolist(), made.labels.tolist(), strict=True))
  said = table[[f'prob_{x}' for x in made.classes]].to_numpy().argmax(axis=1)
  return float(np.mean(said == table.id.map(label).to_numpy()))


def main() -> None:
  """Prints the accuracy of each fusion."""
  parser = argparse.ArgumentParser()
  parser.add_argument('--clips', type=int, default=2000)
  parser.add_argument('--folds', type=int, default=5)
  parser.add_argument('--seeds', type=int, default=3)
  flags = parser.parse_args()
  parallel.use_cpu_cores()
  sizes = {'num_folds': flags.folds, 'num_seeds': flags.seeds}
  with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder)
    corpora.write(corpus(flags.clips), path / 'corpus')
    for name in SETTINGS:
      found = accuracy(path / 'corpus', name, path / name, **sizes)
      print(f'{name}: {found:.1%}', flush=True)


if __name__ == '__main__':
  sys.exit(main())
