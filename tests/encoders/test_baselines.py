import made_media
import numpy as np
import pytest
from sklearn.feature_extraction import text

from empathy.encoders import baselines, media


def pitch_of(samples):
  share, mean, _, *quantiles = baselines.voice_statistics(samples, 16_000)[-6:]
  return share, 60 * 2 ** float(mean), [60 * 2 ** float(q) for q in quantiles]


@pytest.mark.parametrize('hertz', [80, 123.4, 220, 441])
def test_the_pitch_of_a_voice_is_found(hertz):
  time = np.arange(16_000) / 16_000
  harmonics = sum(np.sin(2 * np.pi * k * hertz * time) / k for k in range(1, 8))
  share, pitch, _ = pitch_of(harmonics)
  assert share == 1
  assert pitch == pytest.approx(hertz, rel=0.01)


def test_a_voice_without_its_fundamental_has_its_pitch():
  time = np.arange(16_000) / 16_000
  share, pitch, _ = pitch_of(
    sum(np.sin(2 * np.pi * k * 150 * time) for k in range(2, 6))
  )
  assert share == 1
  assert pitch == pytest.approx(150, rel=0.01)


def test_noise_has_no_pitch():
  noise = np.random.default_rng(0).normal(size=16_000)
  share, _, _ = pitch_of(noise)
  assert share < 0.05


def test_quantiles_of_the_pitch():
  low, high = (made_media.tone(h, 1.0)[:, 0] for h in (100, 200))
  share, _, (first, _, last) = pitch_of(np.concatenate([low, high]))
  assert share > 0.95
  assert first == pytest.approx(100, rel=0.01)
  assert last == pytest.approx(200, rel=0.01)


def test_a_tone_is_in_its_band():
  # 40 triangles evenly spaced in mel: their middles by HTK's formula.
  mels = np.linspace(0, 2595 * np.log10(1 + 8_000 / 700), 42)[1:-1]
  middles = 700 * (10 ** (mels / 2595) - 1)
  for band in (5, 20, 35):
    samples = made_media.tone(middles[band], 1.0)[:, 0]
    means = baselines.voice_statistics(samples, 16_000)[:40]
    assert means.argmax() == band


def test_loudness_follows_the_level():
  samples = made_media.tone(300, 1.0)[:, 0]
  loud, quiet = (
    baselines.voice_statistics(samples * factor, 16_000)[40]
    for factor in (1.0, 0.1)
  )
  assert loud - quiet == pytest.approx(20, abs=0.1)


@pytest.mark.parametrize('length', [400, 401, 800, 16_000])
def test_short_sounds_have_finite_statistics(length):
  samples = np.random.default_rng(0).normal(size=length)
  features = baselines.voice_statistics(samples, 16_000)
  assert features.shape == (170,)
  assert features.dtype == np.float32
  assert np.isfinite(features).all()


def test_words_are_counted_as_scikit_learn_does():
  sentence = 'I see, I see: it was hard, was it not?'
  features = baselines.hashed_ngrams(sentence)
  assert features.shape == (1024,)
  counts = (
    text.CountVectorizer(ngram_range=(1, 2), token_pattern=r'\b\w+\b')
    .fit([sentence])
    .vocabulary_
  )
  assert np.count_nonzero(features[:512]) <= len(counts)
  assert np.linalg.norm(features[:512]) == pytest.approx(1, abs=1e-6)
  assert np.linalg.norm(features[512:]) == pytest.approx(1, abs=1e-6)
  same = baselines.hashed_ngrams(sentence.upper())
  np.testing.assert_array_equal(features, same)
  other = baselines.hashed_ngrams('We see; we see: it was hard, was it not!')
  assert 0.3 < features @ other / 2 < 0.95


def test_no_words_are_named():
  with pytest.raises(media.MediaError, match='no words'):
    baselines.hashed_ngrams('  ')


def test_a_still_film_has_no_motion():
  frames = np.full((16, 30, 50, 3), 51, np.uint8)
  features = baselines.frame_statistics(frames)
  assert features.shape == (336,)
  np.testing.assert_allclose(features[:64], 0.2, atol=1e-6)
  np.testing.assert_allclose(features[64:256], 0, atol=1e-6)
  np.testing.assert_allclose(features[256:259], 0.2, atol=1e-6)
  np.testing.assert_allclose(features[259:], 0, atol=1e-6)


def test_motion_is_where_it_is():
  frames = np.zeros((4, 80, 80, 3), np.uint8)
  frames[1::2, 10:20, 30:40] = 255  # The square in row 1, column 3.
  features = baselines.frame_statistics(frames)
  motion = features[128:192].reshape(8, 8)
  assert motion[1, 3] == pytest.approx(1, abs=1e-6)
  assert motion.sum() == pytest.approx(1, abs=1e-6)
  assert features[-64:].reshape(8, 8)[1, 3] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize('shape', [(1, 1, 1), (1, 5, 300), (2, 9, 7)])
def test_small_pictures_have_finite_statistics(shape):
  frames = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
  assert np.isfinite(baselines.frame_statistics(frames)).all()


def test_egemaps_are_those_of_the_reference_corpus(shared):
  pytest.importorskip('opensmile')
  with np.load(shared / 'corpora/ravdess/features/audio.npz') as reference:
    ids, rows = reference['id'].tolist(), reference['features']
  for name in ('03-02-01-01-02', '05-02-01-01-02'):
    path = shared / 'media' / f'ravdess_03-01-{name}.wav'
    sound = media.read_sound(path, None, seconds=None, normalise=False)
    features = baselines.egemaps(sound.samples, sound.rate)
    assert features.shape == (88,)
    # Mean pitch in semitones; the reference is of 48 kHz, this is of 16.
    expected = rows[ids.index(f'01-01-{name}')]
    assert features[0] == pytest.approx(expected[0], rel=0.02)
    assert features[2] == pytest.approx(expected[2], rel=0.05)


def test_egemaps_of_too_short_a_sound():
  pytest.importorskip('opensmile')
  try:
    features = baselines.egemaps(made_media.tone(200, 0.025)[:, 0], 16_000)
  except media.MediaError:
    return
  assert np.isfinite(features).all()
