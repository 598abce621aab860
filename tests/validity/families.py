"""Do features of each family of encoders tell what a clip is?

  python tests/validity/families.py [KIND ...]
  python tests/validity/families.py --media=FOLDER [--crop=face] [KIND ...]

Makes a corpus of four classes, which differ in a word, a tone and where a film
is bright, and a small encoder of each family, of random weights. Extracts
features as a user does, by the encoder's own pooling, trains a unimodal head on
them, and prints the share of clips of speakers that it was not trained on that
it gets right: chance is 25 %. Encoders have learned nothing, so that it tells
whether content comes through all of them: loader, mask, states and pooling.

With `--media` it prints what each makes of the files of a folder.
"""

import argparse
import itertools
import math
import pathlib
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

_TESTS = pathlib.Path(__file__).parents[1]
sys.path[:0] = [str(_TESTS), str(_TESTS / 'encoders')]
import coincidences  # noqa: E402
import made_media  # noqa: E402
import small_encoders  # noqa: E402

from empathy import encoders  # noqa: E402
from empathy.corpora import corpus as corpora  # noqa: E402
from empathy.encoders import extraction, extractors, inputs, media  # noqa: E402
from empathy.training import configuration, parallel  # noqa: E402

KINDS = (*small_encoders.KINDS, *small_encoders.OTHERS)
_CUES = ('hard', 'kids', 'talk', 'door')
_TONES = (300, 650, 1_400, 3_000)  # Hz.
_SIDE = 48  # Pixels of a film.
_FILES = {'audio': ('.wav', '.mp4'), 'video': ('.mp4',)}
_SENTENCES = ('i see it was hard', 'the kids talk by the door', 'i talk')
# What makes an encoder wide, whatever its family calls it.
_WIDTHS = (
  *('hidden_size', 'd_model', 'dim', 'conv_dim'),
  *('intermediate_size', 'encoder_ffn_dim', 'hidden_dim'),
)


def corpus(
  folder: pathlib.Path,
  modality: str,
  num_clips: int = 240,
  num_groups: int = 24,
  seed: int = 0,
) -> pathlib.Path:
  """Writes a corpus of one modality, with its media, and returns its folder.

  Speakers differ in what says nothing: in words that they like, in how loud
  they and their rooms are and a little in pitch, and in how bright a film is.

  Args:
    folder: in which the corpus' own will be.
    modality: text, audio or video.
    num_clips: how many, equally many of each class.
    num_groups: speakers.
    seed: of everything.
  """
  rng = np.random.default_rng(seed)
  labels = rng.permutation(np.arange(num_clips) % 4).astype(np.int32)
  speakers = np.arange(num_clips) % num_groups
  others = [word for word in small_encoders.WORDS if word not in _CUES]
  liked = [rng.permutation(others)[:4] for _ in range(num_groups)]
  traits = rng.uniform(-1, 1, (num_groups, 3))
  path = folder / modality
  (folder / 'media').mkdir(exist_ok=True)
  sources = []
  for i, (label, speaker) in enumerate(zip(labels, speakers, strict=True)):
    loud, noisy, high = traits[speaker]
    file = folder / 'media' / f'{i}.wav'
    if modality == 'text':
      words = [_CUES[label], *rng.choice(liked[speaker], rng.integers(2, 5))]
      sources.append(' '.join(rng.permutation(words)))
      continue
    if modality == 'audio':
      sound = made_media.tone(
        _TONES[label] * 2 ** (high / 6), rng.uniform(0.4, 0.9)
      )
      noise = rng.normal(0, 0.05 * 2**noisy, sound.shape)
      made_media.write_sound(file, np.float32(2**loud * (sound + noise) / 4))
    else:
      picture = rng.normal(90 + 20 * loud, 15, (_SIDE, _SIDE, 3))
      size = rng.integers(16, 22)
      y, x = rng.integers(0, 3, 2) + np.array(divmod(label, 2)) * (45 - size)
      picture[y : y + size, x : x + size] += 90 + 20 * noisy
      file = file.with_suffix('.mp4')
      made_media.write_film(
        file,
        num_frames=6,
        size=(_SIDE, _SIDE),
        picture=picture.clip(0, 255).astype(np.uint8),
      )
    sources.append(f'../media/{file.name}')
  column = 'transcript' if modality == 'text' else modality
  made = corpora.Corpus(
    info={
      'name': 'families',
      'classes': list('abcd'),
      'modalities': [modality],
      'conditions': [],
      'license': 'none',
      'source': 'made by a test',
    },
    ids=np.array([f'clip{i:05}' for i in range(num_clips)]),
    groups=np.array([f'speaker{i:03}' for i in speakers]),
    labels=labels,
    metadata={column: np.array(sources)},
  )
  corpora.write(made, path)
  return path


def encoder(kind: str, folder: pathlib.Path) -> tuple[str, dict[str, Any]]:
  """Writes one of random weights, and returns its modality and settings."""
  settings = (small_encoders.KINDS | small_encoders.OTHERS)[kind]
  # Four times as wide as those of other tests: random maps keep more then.
  wider = {
    key: (4 * value[0],) * len(value) if key == 'conv_dim' else 4 * value
    for key, value in settings.items()
    if key in _WIDTHS and value is not None
  }
  made = small_encoders.write(kind, folder / kind, is_mild=True, **wider)
  modality = encoders.modality(made.config)
  return modality, {'encoder': str(folder / kind), 'batch_size': 32}


def extract(
  kind: str, path: pathlib.Path, folder: pathlib.Path
) -> tuple[str, np.ndarray]:
  """Leaves features of an encoder in the corpus of its modality.

  Args:
    kind: one of `KINDS`.
    path: the corpus, whose other features go.
    folder: in which the encoder is made.

  Returns:
    The modality, and the features, (N, D).
  """
  modality, settings = encoder(kind, folder)
  features = path / 'features' / f'{modality}.npz'
  for old in features.parent.glob('*'):
    old.unlink()
  config = {
    'features': {modality: settings},
    'seconds': math.inf,
    'num_frames': 4,
    'faults': 'fatal',
  }
  plan, extractor = extraction.prepare(path, modality, config, parallel.spread)
  extraction.extract(plan, extractor)
  extraction.finish(plan, corpora.read(path))
  extraction.remove_parts(plan)
  with np.load(features) as found:
    return modality, found['features']


def accuracy(
  kind: str, path: pathlib.Path, folder: pathlib.Path
) -> tuple[int, float]:
  """How wide features are, and the share of held-out clips that they tell."""
  modality, values = extract(kind, path, folder)
  right = coincidences.accuracy(
    path,
    'gated_attention',
    folder / f'{kind}.run',
    views=(modality,),
    num_folds=3,
    num_epochs=30,
    batch_size=16,
  )
  return values.shape[1], right


def describe(
  kind: str, files: Sequence[pathlib.Path], folder: pathlib.Path, crop: str
) -> list[str]:
  """What an encoder makes of real files, both halves of each: a line each."""
  modality, settings = encoder(kind, folder)
  if modality == 'video':
    settings['crop'] = crop
  clips = [inputs.Clip(text, text) for text in _SENTENCES]
  if modality != 'text':
    clips = []
    for file in files:
      if file.suffix in _FILES[modality]:
        half = media.seconds_of(str(file)) / 2
        clips.append(inputs.Clip(f'{file.name}, 1', str(file), 0.0, half))
        clips.append(inputs.Clip(f'{file.name}, 2', str(file), half))
  began = time.monotonic()
  extractor = extractors.make(modality, settings, math.inf, 4, parallel.spread)
  lines, rows = [], {}
  for clip in clips:
    try:
      rows[clip.id] = extractor.load(clip).rows
    except media.MediaError as error:
      lines.append(f'{kind}: {clip.id}: {error}')
  values = extractor.compute(list(rows.values()))
  seconds = time.monotonic() - began
  for name, value in zip(rows, values, strict=True):
    assert np.isfinite(value).all(), (kind, name)
    size = np.linalg.norm(value)
    lines.append(f'{kind}: {name}: {value.shape}, of length {size:.2f}')
  apart = [
    np.linalg.norm(a - b) / max(np.linalg.norm(a), np.linalg.norm(b))
    for a, b in itertools.combinations(values, 2)
  ]
  lines.append(
    f'{kind}: {seconds:.1f} s; two clips differ by {min(apart):.1%} to '
    f'{max(apart):.1%} of their length'
  )
  return lines


def main() -> None:
  """Prints a line for each family, or for what it makes of each file."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('kinds', nargs='*', metavar='KIND')
  parser.add_argument('--media', type=pathlib.Path)
  parser.add_argument('--crop', default='none')
  flags = parser.parse_args()
  configuration.use_compilation_cache()
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    if flags.media:
      files = sorted(flags.media.iterdir())
      for kind in flags.kinds or KINDS:
        lines = describe(kind, files, folder, flags.crop)
        print('\n'.join(lines), flush=True)
      return
    paths = {m: corpus(folder, m) for m in ('text', 'audio', 'video')}
    for kind in flags.kinds or KINDS:
      modality, _ = encoder(kind, folder / 'look')
      began = time.monotonic()
      width, right = accuracy(kind, paths[modality], folder)
      print(
        f'{kind}: {modality}, {width} wide, {right:.1%} '
        f'({time.monotonic() - began:.0f} s)',
        flush=True,
      )


if __name__ == '__main__':
  sys.exit(main())
