"""Sound as log-mel spectra, and what its encoders make of it."""

import jax
import jax.numpy as jnp
import made_media
import numpy as np
import pytest
import rounding
import small_encoders
import transformers

from empathy import errors
from empathy.encoders import extractors, inputs, media, transformer
from empathy.encoders.architectures import wav2vec2_bert
from empathy.training import parallel

_RATE = 16_000


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  path = tmp_path_factory.mktemp('spectra')
  for kind in ('whisper', 'w2v-bert'):
    small_encoders.write(kind, path / kind)
  return path


def _clip(folder, length):
  """A sound of so many samples; whatever its length, it begins likewise."""
  noise = np.random.default_rng(0).normal(size=(40_000, 1))[:length]
  tone = made_media.tone(150, 3)[:length]
  path = folder / f'{length}.wav'
  made_media.write_sound(path, (0.3 * noise + tone).astype(np.float32))
  return inputs.Clip(str(length), str(path))


def _make(folder, kind, seconds=np.inf, **settings):
  return extractors.make(
    'audio',
    {'encoder': str(folder / kind)} | settings,
    seconds,
    4,
    parallel.spread,
  )


def _features(folder, kind, clips, **settings):
  extractor = _make(folder, kind, **settings)
  return extractor.compute([extractor.load(clip).rows for clip in clips])


def _encoder(folder, kind):
  return extractors.load(
    'audio',
    extractors.complete('audio', {'encoder': str(folder / kind)}),
  )


def _log_mel(samples, window, mels, rate=_RATE):
  """A log-mel spectrum as Whisper's makers describe it, in float64.

  A window of 25 ms every 10 ms, mirrored at the ends, the square of its Fourier
  transform in triangles that are even below 1000 Hz and geometric above, each
  of area one, then the logarithm, down to 8 below the largest.
  """
  samples = np.pad(np.float64(samples), (0, window - len(samples)))
  samples = np.pad(samples, 200, mode='reflect')
  count = window // 160
  at = np.arange(400)
  hann = np.sin(np.pi * at / 400) ** 2
  cut = samples[160 * np.arange(count)[:, None] + at] * hann
  turns = np.exp(-2j * np.pi * np.outer(np.arange(201), at) / 400)
  power = np.abs(cut @ turns.T) ** 2
  ends = 15 + 27 * np.log(8000 / 1000) / np.log(6.4)
  marks = np.linspace(0, ends, mels + 2)
  marks = np.where(
    marks < 15, marks * 200 / 3, 1000 * np.exp((marks - 15) * np.log(6.4) / 27)
  )
  hertz = np.arange(201) * rate / 400
  left, middle, right = (marks[i : mels + i, None] for i in range(3))
  triangles = (
    np.minimum(
      (hertz - left) / (middle - left), (right - hertz) / (right - middle)
    ).clip(0)
    * 2
    / (right - left)
  )
  logarithm = np.log10(np.maximum(triangles @ power.T, 1e-10))
  return (np.maximum(logarithm, logarithm.max() - 8) + 4) / 4


def test_windows_are_of_one_length_and_followed_by_silence(folder):
  extractor = _make(folder, 'whisper')
  for length, sizes in (
    (400, [400]),
    (16_000, [16_000]),
    (16_001, [8_320, 7_681]),  # Of whole states, 320 samples each.
    (33_000, [11_200, 11_200, 10_600]),
  ):
    clip = _clip(folder, length)
    samples = media.read_sound(clip.source, normalise=False).samples
    loaded = extractor.load(clip)
    assert len(samples) == length
    assert len(loaded.rows) == len(sizes)
    assert not loaded.is_cut
    first = 0
    for row, size in zip(loaded.rows, sizes, strict=True):
      assert row['attention_mask'].shape == (100,)
      assert row['attention_mask'].sum() == -(-size // 160)
      np.testing.assert_allclose(
        row['input_features'],
        _log_mel(samples[first : first + size], _RATE, 6),
        atol=2e-5,
      )
      first += size


@pytest.mark.parametrize('pooling', ['mean', 'max', 'last', 'none'])
def test_silence_behind_a_sound_does_not_count(folder, pooling):
  lengths = (3_000, 33_000)
  clips = [_clip(folder, length) for length in lengths]
  encoder = _encoder(folder, 'whisper')
  extractor = _make(folder, 'whisper', pooling=pooling, batch_size=2)
  rows = [extractor.load(clip).rows for clip in clips]
  for clip, found in zip(rows, extractor.compute(rows), strict=True):
    states, bounds = [], []
    for row in clip:
      arrays = {'input_features': row['input_features'][None]}
      real = -(-int(row['attention_mask'].sum()) // 2)
      assert real < 50
      states.append(np.asarray(encoder(**arrays).last_hidden_state[0])[:real])
      bounds.append(rounding.of_encoder(encoder, **arrays))
    together = np.concatenate(states)
    wanted = {
      'mean': together.mean(0),
      'max': together.max(0),
      'last': np.mean([x[-1] for x in states], 0),
      'none': together,
    }[pooling]
    np.testing.assert_allclose(found, wanted, atol=2 * max(bounds), rtol=0)
    assert np.abs(np.diff(together, axis=0)).max() > 0.01


def test_spectra_of_two_frames_a_state(folder):
  """As their own processor makes them; what is less than a state is left."""
  extractor = _make(folder, 'w2v-bert', pooling='none')
  theirs = transformers.SeamlessM4TFeatureExtractor.from_pretrained(
    folder / 'w2v-bert'
  )
  encoder = _encoder(folder, 'w2v-bert')
  clips = [_clip(folder, length) for length in (560, 5_200)]
  rows = [extractor.load(clip).rows for clip in clips]
  assert [len(some[0]['attention_mask']) for some in rows] == [1, 15]
  for clip, (row,), features in zip(
    clips, rows, extractor.compute(rows), strict=True
  ):
    samples = media.read_sound(clip.source, normalise=False).samples
    found = theirs(samples, sampling_rate=_RATE, return_tensors='np')
    count = found['attention_mask'].sum()
    np.testing.assert_array_equal(
      row['input_features'], np.float32(found['input_features'][0, :count])
    )
    # The padding that Transformers adds changes nothing.
    arrays = {name: np.asarray(x) for name, x in found.items()}
    arrays['input_features'] = np.float32(arrays['input_features'])
    states = np.asarray(encoder(**arrays).last_hidden_state)[0, :count]
    bound = rounding.of_encoder(encoder, **arrays)
    np.testing.assert_allclose(features, states, atol=2 * bound, rtol=0)


@pytest.mark.parametrize('kind', ['whisper', 'w2v-bert'])
def test_settings_of_sound(folder, kind):
  clip = _clip(folder, 33_000)
  plain = _make(folder, kind).load(clip)
  scaled = _make(folder, kind, scale_peak=True).load(clip)
  short = _make(folder, kind, seconds=0.8).load(clip)
  assert not plain.is_cut
  assert short.is_cut
  lengths = [
    sum(row['attention_mask'].sum() for row in loaded.rows)
    for loaded in (short, plain)
  ]
  assert lengths == ([80, 207] if kind == 'whisper' else [39, 102])
  change = scaled.rows[0]['input_features'] - plain.rows[0]['input_features']
  # A scaled sound is as much louder everywhere, until each mel is normalised.
  assert (np.abs(change).max() > 0.01) == (kind == 'whisper')


def test_sound_of_less_than_a_state_is_named(folder):
  with pytest.raises(media.MediaError, match='has 559 samples at'):
    _make(folder, 'w2v-bert').load(_clip(folder, 559))


@pytest.mark.parametrize(
  ('kind', 'processor', 'message'),
  [
    (
      'whisper',
      transformers.WhisperFeatureExtractor(feature_size=6),
      r'of shape \(6, 3000\), but the encoder takes \(6, 100\)',
    ),
    (
      'w2v-bert',
      transformers.SeamlessM4TFeatureExtractor(),
      r'of shape \(160,\), but the encoder takes \(12,\)',
    ),
    ('whisper', None, 'has no settings of its sound'),
  ],
)
def test_spectra_of_another_shape_are_named(tmp_path, kind, processor, message):
  small_encoders.write(kind, tmp_path / kind)
  (tmp_path / kind / 'preprocessor_config.json').unlink()
  if processor:
    processor.save_pretrained(tmp_path / kind)
  with pytest.raises(errors.InputError, match=message) as raised:
    _make(tmp_path, kind)
  assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize('first', [0, 3, 7])
def test_scores_of_distances_are_those_of_keys(first):
  random = np.random.default_rng(0)
  for left, right, size, length in (
    (4, 2, 3, 10),
    (0, 9, 1, 8),
    (20, 20, 5, 9),
  ):
    scores = random.normal(size=(2, size, left + 1 + right)).astype(np.float32)
    query, key = np.mgrid[first : first + size, :length]
    at = np.clip(key - query, -left, right) + left
    np.testing.assert_array_equal(
      jax.jit(wav2vec2_bert.of_keys, static_argnums=(1, 3))(
        scores, left, first, length
      ),
      scores[:, np.arange(size)[:, None], at],
    )


@pytest.mark.long  # What all such biases share is held in test_transformer.
def test_long_sound_attends_block_by_block(monkeypatch):
  random = np.random.default_rng(0)
  settings = transformer.Settings(2, 8, 'gelu', 1e-5)
  module = wav2vec2_bert.Attention(settings, 4, 2)
  x = jnp.asarray(random.normal(size=(2, 23, 8)), jnp.float32)
  mask = np.arange(23) < np.array([[23], [11]])
  bias = transformer.mask_to_bias(mask)
  params = module.init(jax.random.key(0), x, None, True)
  params = jax.tree.map(
    lambda p: random.normal(size=p.shape).astype(np.float32), params
  )

  def found():
    """What a batch becomes, and the gradient of a mean of it."""

    @jax.jit
    def attend(params, x):
      return module.apply(params, x, bias, True)

    weights = np.random.default_rng(1).normal(size=(2, 23, 8))

    @jax.jit
    @jax.grad
    def gradient(params):
      return (module.apply(params, x, bias, True) * weights).sum()

    return attend, gradient

  attend, gradient = found()
  at_once, bound = attend(params, x), rounding.bounds(attend, params, x)
  slope, steep = gradient(params), rounding.of_gradients(gradient, params)
  monkeypatch.setattr(transformer, 'BLOCK', 8)
  attend, gradient = found()
  assert rounding.excess(attend(params, x), at_once, bound) <= 1
  assert rounding.excess(gradient(params), slope, steep) <= 1
  # As devices do that have the memory for longer parts.
  monkeypatch.setattr(transformer, 'LONG', 10)
  monkeypatch.setattr(
    jax.lax, 'platform_dependent', lambda *x, cpu, default: default(*x)
  )
  attend, _ = found()
  assert rounding.excess(attend(params, x), at_once, bound) <= 1
