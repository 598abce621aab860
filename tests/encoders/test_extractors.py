import made_media
import numpy as np
import PIL.Image
import pytest
import small_encoders

from empathy import errors
from empathy.encoders import extractors, media
from empathy.training import parallel

SENTENCES = (
  'it was hard, was it not?',
  'see see see see see see see see see see see see see see see see see',
)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  return tmp_path_factory.mktemp('extractors')


def extract(modality, clips, seconds=10.0, num_frames=4, **settings):
  extractor = extractors.make(
    modality, settings, seconds, num_frames, parallel.spread
  )
  return extractor, extractor.compute([extractor.load(c).item for c in clips])


def checkpoint(kind, folder):
  return small_encoders.write(kind, folder / kind), str(folder / kind)


@pytest.fixture(scope='module')
def sounds(folder):
  """Of odd lengths; of 1, 14 and 15 frames."""
  clips = []
  random = np.random.default_rng(0)
  for i, length in enumerate((400, 4_765, 4_999)):
    path = folder / f'{i}.wav'
    samples = random.normal(size=(length, 1)) + made_media.tone(150, 2)[:length]
    made_media.write_sound(path, samples.astype(np.float32))
    clips.append(extractors.Clip(str(i), str(path)))
  return clips


def normalised(clip):
  """What Transformers' processor makes of a sound, in float64."""
  samples = media.read_sound(clip.source).samples.astype(np.float64)
  values = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
  return values.astype(np.float32)[None]


def expected_states(kind, encoder):
  words, expected = small_encoders.WORDS, []
  for sentence in SENTENCES:
    plain = sentence.lower().replace(',', ' , ').replace('?', ' ? ').split()
    ids = [1] + [words.index(w) + 3 if w in words else 2 for w in plain]
    # Positions 0 to 11; RoBERTa's begin behind that of padding.
    ids = ids[:11] if kind == 'roberta' else ids
    expected.append(encoder(input_ids=np.array([ids])))
  return expected


def test_roberta_equals_each_clip_alone(folder):
  encoder, name = checkpoint('roberta', folder)
  clips = [extractors.Clip(str(i), s) for i, s in enumerate(SENTENCES)]
  _, mean = extract('text', clips, encoder=name, pooling='mean')
  for got, output in zip(
    mean, expected_states('roberta', encoder), strict=True
  ):
    states = np.asarray(output.last_hidden_state[0])
    np.testing.assert_allclose(got, states.mean(0), atol=2e-6, rtol=1e-5)


def test_every_layer_and_pooling_equals_each_clip_alone(folder):
  encoder, name = checkpoint('bert', folder)
  clips = [extractors.Clip(str(i), s) for i, s in enumerate(SENTENCES)]
  expected = expected_states('bert', encoder)
  _, first = extract('text', clips, encoder=name)
  _, mean = extract('text', clips, encoder=name, pooling='mean')
  _, sequence = extract('text', clips, encoder=name, pooling='none')
  _, layers = extract('text', clips, encoder=name, pooling='mean', layer='all')
  _, middle = extract('text', clips, encoder=name, layer=-2, batch_size=1)
  for i, output in enumerate(expected):
    states = np.asarray(output.last_hidden_state[0])
    close = {'atol': 2e-6, 'rtol': 1e-5}
    np.testing.assert_allclose(first[i], states[0], **close)
    np.testing.assert_allclose(mean[i], states.mean(0), **close)
    np.testing.assert_allclose(sequence[i], states, **close)
    hidden = np.stack([state[0] for state in output.hidden_states])
    np.testing.assert_allclose(layers[i], hidden.mean(1), **close)
    np.testing.assert_allclose(middle[i], hidden[-2, 0], **close)


@pytest.mark.parametrize('kind', ['wav2vec2', 'hubert'])
def test_sound_equals_each_clip_alone(folder, sounds, kind):
  """However a clip is padded, and where the convolutions normalise in time."""
  encoder, name = checkpoint(kind, folder)
  _, sequence = extract('audio', sounds, encoder=name, pooling='none')
  for i, clip in enumerate(sounds):
    output = encoder(input_values=normalised(clip))
    states = np.asarray(output.last_hidden_state[0])
    np.testing.assert_allclose(sequence[i], states, atol=2e-5)


@pytest.mark.parametrize('kind', ['videomae', 'timesformer'])
def test_film_equals_each_clip_alone(folder, kind):
  encoder, name = checkpoint(kind, folder)
  clips, expected = [], []
  for i, size in enumerate(((48, 64), (64, 48), (16, 16))):
    path = made_media.write_film(folder / f'{i}.mp4', 5 + i, size=size)
    clips.append(extractors.Clip(str(i), str(path)))
    frames = []
    for frame in media.read_pictures(path, 4).frames:
      # The shorter side to 8, the middle, and the statistics of ImageNet.
      width, height = (round(8 * s / min(size)) for s in size[::-1])
      small = PIL.Image.fromarray(frame).resize(
        (width, height), PIL.Image.Resampling.BILINEAR
      )
      top, left = (height - 8) // 2, (width - 8) // 2
      array = np.asarray(small, np.float64)[top : top + 8, left : left + 8]
      mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
      frames.append(((array / 255 - mean) / std).transpose(2, 0, 1))
    expected.append(
      encoder(pixel_values=np.array(frames, np.float32)[None]).last_hidden_state
    )
  _, sequence = extract('video', clips, encoder=name, pooling='none')
  for i, states in enumerate(expected):
    np.testing.assert_allclose(sequence[i], states[0], atol=1e-4)


def test_bfloat16_is_near(folder, sounds):
  _, name = checkpoint('hubert', folder)
  sounds = sounds[:1]
  _, exact = extract('audio', sounds, encoder=name)
  _, near = extract('audio', sounds, encoder=name, dtype='bfloat16')
  assert near[0].dtype == np.float32
  difference = np.abs(np.stack(exact) - np.stack(near))
  assert 0 < difference.max() < 0.3


def test_a_feature_does_not_depend_on_the_others(folder, sounds):
  _, name = checkpoint('wav2vec2', folder)
  _, together = extract('audio', sounds, encoder=name)
  _, backwards = extract('audio', sounds[::-1], encoder=name)
  for one, other in zip(together, backwards[::-1], strict=True):
    np.testing.assert_array_equal(one, other)


def test_the_record_tells_checkpoints_apart(tmp_path):
  records = []
  for place, seed in (('a', 0), ('b', 0), ('c', 1)):
    small_encoders.write('bert', tmp_path / place / 'bert', seed)
    extractor, _ = extract('text', [], encoder=str(tmp_path / place / 'bert'))
    records.append(extractor.record)
  assert records[0] == records[1]
  assert records[0] != records[2]
  assert len(records[0]['sha256']) == 64


def test_few_lengths_and_little_padding():
  sizes = np.arange(1, 160_001)
  padded = np.array([extractors.bucket(int(size)) for size in sizes])
  assert (padded >= sizes).all()
  assert (padded[16:] < 1.25 * sizes[16:]).all()
  assert (padded[16_000:] / sizes[16_000:]).mean() < 1.1
  assert len(set(padded[16_000:].tolist())) <= 15
  assert (np.diff(padded) >= 0).all()


def test_wrong_settings_are_named(folder):
  _, bert = checkpoint('bert', folder)
  for modality, settings, message in (
    ('text', {}, 'config.features.text.encoder: is missing'),
    ('text', {'encoder': bert, 'pool': 1}, 'text.pool: there is no such field'),
    ('text', {'encoder': 'egemaps'}, 'encoder: egemaps is for audio'),
    (
      'text',
      {'encoder': 'hashed_ngrams', 'pooling': 'mean'},
      'text.pooling: is for checkpoints',
    ),
    ('text', {'encoder': bert, 'pooling': 'max'}, "'max' is not one of first"),
    ('text', {'encoder': bert, 'dtype': 'int8'}, "'int8' is not one of"),
    ('text', {'encoder': bert, 'layer': 3}, 'none of the 3 hidden states'),
    ('text', {'encoder': bert, 'layer': 'top'}, "'top' is not 'last'"),
    (
      'text',
      {'encoder': bert, 'layer': 'all', 'pooling': 'none'},
      'cannot go with all layers',
    ),
    ('text', {'encoder': bert, 'batch_size': 0}, '0 is not 1 or more'),
    ('audio', {'encoder': bert}, 'is an encoder of text'),
  ):
    with pytest.raises(errors.InputError, match=message) as raised:
      extract(modality, [], **settings)
    assert len(str(raised.value).splitlines()) == 1


def test_a_checkpoint_without_its_processor_is_named(tmp_path):
  for kind, modality, file in (
    ('bert', 'text', 'tokenizer.json'),
    ('hubert', 'audio', 'preprocessor_config.json'),
    ('videomae', 'video', 'preprocessor_config.json'),
  ):
    small_encoders.write(kind, tmp_path / kind)
    for name in ('tokenizer.json', 'tokenizer_config.json'):
      (tmp_path / kind / name).unlink(missing_ok=True)
    (tmp_path / kind / 'preprocessor_config.json').unlink(missing_ok=True)
    with pytest.raises(errors.InputError, match=file):
      extract(modality, [], encoder=str(tmp_path / kind))
