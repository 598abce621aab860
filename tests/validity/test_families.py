"""What a clip is comes through encoders of each kind of input."""

import families
import numpy as np
import pytest


def _corpus(folder, kind, **size):
  modality, _ = families.encoder(kind, folder / 'look')
  return families.corpus(folder, modality, **size)


@pytest.mark.parametrize('kind', ['distilbert', 'whisper', 'vit'])
def test_features_tell_what_clips_of_other_speakers_are(tmp_path, kind):
  path = _corpus(tmp_path, kind, num_clips=96, num_groups=12)
  _, x = families.extract(kind, path, tmp_path)
  made = families.corpora.read(path)
  held_out = np.arange(96) % 12 < 4
  # Ridge regression, from which the nearest class is read.
  x = (x - x[~held_out].mean(0)) / (x[~held_out].std(0) + 1e-6)
  y = np.eye(4)[made.labels] - 0.25
  seen, target = x[~held_out], y[~held_out]
  weights = np.linalg.solve(
    seen.T @ seen + 10 * np.eye(x.shape[1]), seen.T @ target
  )
  said = (x[held_out] @ weights).argmax(1)
  # Chance is 25 %, and of 32 clips 60 % are 4.5 standard errors above it.
  assert np.mean(said == made.labels[held_out]) >= 0.6


@pytest.mark.long
def test_a_head_learns_it(tmp_path):
  path = _corpus(tmp_path, 'wavlm')
  width, right = families.accuracy('wavlm', path, tmp_path)
  assert width == 32
  assert right >= 0.6
