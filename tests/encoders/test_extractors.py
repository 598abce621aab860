import importlib.util
import itertools
import json

import jax
import made_media
import numpy as np
import PIL.Image
import precisions
import pytest
import rounding
import sentencepiece
import small_encoders
import transformers

from empathy import encoders, errors
from empathy.encoders import extractors, inputs, media
from empathy.training import parallel

# One of each kind of input.
_OF_INPUTS = (
  *('bert', 'siglip_text', 'qwen3'),
  *('wav2vec2', 'whisper', 'w2v-bert'),
  *('videomae', 'vit'),
)
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
  return extractor, extractor.compute([extractor.load(c).rows for c in clips])


def checkpoint(kind, folder):
  return small_encoders.write(kind, folder / kind), str(folder / kind)


@pytest.fixture(scope='module')
def sounds(folder):
  """Of odd lengths; of 1, 14 and 15 frames."""
  clips = []
  random = np.random.default_rng(0)
  for i, length in enumerate((560, 4_765, 4_999)):
    path = folder / f'{i}.wav'
    samples = random.normal(size=(length, 1)) + made_media.tone(150, 2)[:length]
    made_media.write_sound(path, samples.astype(np.float32))
    clips.append(inputs.Clip(str(i), str(path)))
  return clips


def normalised(clip):
  """What Transformers' processor makes of a sound, in float64."""
  samples = media.read_sound(clip.source).samples.astype(np.float64)
  values = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
  return values.astype(np.float32)[None]


def tokens(kind):
  """The sentences as a checkpoint's tokenizer has them."""
  words, found = small_encoders.WORDS, []
  for sentence in SENTENCES:
    plain = sentence.lower().replace(',', ' , ').replace('?', ' ? ').split()
    ids = [1] + [words.index(w) + 3 if w in words else 2 for w in plain]
    found.append(np.array([ids]))
  return found


def expected_states(kind, encoder):
  return [encoder(input_ids=ids) for ids in tokens(kind)]


def test_roberta_equals_each_clip_alone(folder):
  """The second is longer than it has positions: it becomes two windows."""
  encoder, name = checkpoint('roberta', folder)
  clips = [inputs.Clip(str(i), s) for i, s in enumerate(SENTENCES)]
  _, mean = extract('text', clips, encoder=name, pooling='mean')
  _, sequence = extract('text', clips, encoder=name, pooling='none')
  see = small_encoders.WORDS.index('see') + 3
  short, _ = tokens('roberta')
  windows = [[short], [np.array([[1, *[see] * n]]) for n in (9, 8)]]
  bound = rounding.of_encoder(encoder, input_ids=windows[1][0])
  near = {'atol': bound, 'rtol': 0}
  for i, window in enumerate(windows):
    states = [encoder(input_ids=x).last_hidden_state[0] for x in window]
    every = np.concatenate(states)
    np.testing.assert_allclose(sequence[i], every, **near)
    np.testing.assert_allclose(mean[i], every.mean(0), **near)


def test_every_layer_equals_each_clip_alone(folder):
  encoder, name = checkpoint('bert', folder)
  clips = [inputs.Clip(str(i), s) for i, s in enumerate(SENTENCES)]
  expected = expected_states('bert', encoder)
  _, first = extract('text', clips, encoder=name)
  _, layers = extract('text', clips, encoder=name, pooling='mean', layer='all')
  # As a command line gives it.
  extractor, middle = extract(
    'text', clips, encoder=name, layer='-2', batch_size=1
  )
  assert extractor.record['layer'] == -2
  bounds = [rounding.of_encoder(encoder, input_ids=x) for x in tokens('bert')]
  for i, output in enumerate(expected):
    states = np.asarray(output.last_hidden_state[0])
    close = {'atol': bounds[i], 'rtol': 0}
    np.testing.assert_allclose(first[i], states[0], **close)
    hidden = np.stack([state[0] for state in output.hidden_states])
    np.testing.assert_allclose(layers[i], hidden.mean(1), **close)
    np.testing.assert_allclose(middle[i], hidden[-2, 0], **close)


@pytest.mark.parametrize(
  'kind',
  [
    *('wav2vec2', 'hubert'),
    pytest.param('wavlm', marks=pytest.mark.long),
    pytest.param('data2vec_audio', marks=pytest.mark.long),
  ],
)
def test_sound_equals_each_clip_alone(folder, sounds, kind):
  """However a clip is padded, and where the convolutions normalise in time."""
  encoder, name = checkpoint(kind, folder)
  _, sequence = extract('audio', sounds, encoder=name, pooling='none')
  for i, clip in enumerate(sounds[:2]):
    arrays = {'input_values': normalised(clip)}
    states = np.asarray(encoder(**arrays).last_hidden_state[0])
    bound = rounding.of_encoder(encoder, **arrays)
    np.testing.assert_allclose(sequence[i], states, atol=bound, rtol=0)


@pytest.mark.parametrize(
  'kind',
  [
    *('videomae', 'vivit', 'vjepa2'),
    pytest.param('timesformer', marks=pytest.mark.long),
  ],
)
def test_film_equals_each_clip_alone(folder, kind):
  encoder, name = checkpoint(kind, folder)
  clips, expected = [], []
  for i, size in enumerate(((48, 64), (64, 48), (16, 16))):
    path = made_media.write_film(folder / f'{i}.mp4', 5 + i, size=size)
    clips.append(inputs.Clip(str(i), str(path)))
    frames = []
    for frame in media.read_pictures(path, 4).frames:
      # The shorter side to 8, the middle, and the statistics of ImageNet. Of
      # V-JEPA 2 to 256 / 224 as much, whatever is asked for.
      short = 9 if kind == 'vjepa2' else 8
      width, height = (int(short * s / min(size)) for s in size[::-1])
      small = PIL.Image.fromarray(frame).resize(
        (width, height), PIL.Image.Resampling.BILINEAR
      )
      top, left = (height - 8) // 2, (width - 8) // 2
      array = np.asarray(small, np.float64)[top : top + 8, left : left + 8]
      mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
      array = array / 127.5 - 1 if kind == 'vivit' else array / 255
      frames.append(((array - mean) / std).transpose(2, 0, 1))
    (key,) = encoders.example(encoder.config)
    arrays = {key: np.array(frames, np.float32)[None]}
    bound = rounding.of_encoder(encoder, **arrays)
    expected.append((encoder(**arrays).last_hidden_state, bound))
  _, sequence = extract('video', clips, encoder=name, pooling='none')
  for i, (states, bound) in enumerate(expected):
    np.testing.assert_allclose(sequence[i], states[0], atol=bound, rtol=0)


@pytest.fixture(scope='module')
def films(folder):
  paths = [folder / f'film{i}.mp4' for i in range(3)]
  for i, path in enumerate(paths):
    made_media.write_film(path, 5 + i, size=(16, 24))
  return [inputs.Clip(path.name, str(path)) for path in paths]


def _bound(encoder, item):
  """How far rounding may take any state of a clip."""
  return rounding.of_encoder(
    encoder, **{name: np.asarray(x)[None] for name, x in item.items()}
  )


@pytest.mark.parametrize(
  'kind',
  [
    pytest.param(kind, marks=() if kind in _OF_INPUTS else pytest.mark.long)
    for kind in small_encoders.KINDS
  ],
)
def test_features_are_of_their_clip(folder, sounds, films, kind):
  """Whatever other clips there are, and in whatever order."""
  encoder, name = checkpoint(kind, folder)
  modality = encoders.modality(encoder.config)
  words = ('i see', 'it was', 'the kids')  # Of one length: one batch.
  texts = [inputs.Clip(text, text) for text in words]
  clips = {'text': texts, 'audio': sounds, 'video': films}[modality]
  extractor, together = extract(
    modality, clips, encoder=name, pooling='mean', batch_size=2
  )
  assert [x.shape for x in together] == [(encoder.config.hidden_size,)] * 3
  items = [extractor.load(clip).rows for clip in clips]
  others = {
    'backwards': extractor.compute(items[::-1])[::-1],
    'alone': [extractor.compute([item])[0] for item in items],
  }
  near = {'atol': _bound(encoder, items[-1][0]), 'rtol': 0}
  for how, found in others.items():
    np.testing.assert_allclose(found, together, **near, err_msg=how)
  for one, other in ((0, 1), (0, 2), (1, 2)):  # Or mixing would not show.
    assert np.abs(together[one] - together[other]).max() > 1e-4


def test_frames_that_do_not_see_each_other(folder, films):
  """A frame has the states that it has alone, and all of them count."""
  encoder, name = checkpoint('timesformer_space', folder)
  extractor, mean = extract('video', films, encoder=name, batch_size=2)
  _, every = extract('video', films, encoder=name, pooling='states')
  for i, clip in enumerate(films):
    pixels = extractor.load(clip).rows[0]['pixel_values']
    states = np.concatenate(
      [
        encoder(pixel_values=frame[None, None]).last_hidden_state
        for frame in pixels
      ]
    )
    assert states.shape == (4, 1 + 4, 8)
    near = {'atol': _bound(encoder, extractor.load(clip).rows[0]), 'rtol': 0}
    np.testing.assert_allclose(mean[i], states[:, 0].mean(0), **near)
    np.testing.assert_allclose(every[i], states.reshape(20, 8), **near)


def test_deberta_as_it_is_published(folder):
  """With `spm.model` and no other tokenizer."""
  encoder, name = checkpoint('deberta', folder)
  clip = inputs.Clip('a', 'see the kids by it')
  _, (found,) = extract('text', [clip], encoder=name, pooling='none')
  pieces = sentencepiece.SentencePieceProcessor(
    model_file=f'{name}/spm.model'
  ).encode(clip.source)
  ids = np.array([[1, *pieces, 2]])  # [CLS] and [SEP].
  wanted = encoder(input_ids=ids).last_hidden_state[0]
  bound = rounding.of_encoder(encoder, input_ids=ids)
  np.testing.assert_allclose(found, wanted, atol=bound, rtol=0)


def test_a_decoder_is_pooled_by_its_last_token(folder):
  encoder, name = checkpoint('qwen3', folder)
  clips = [inputs.Clip(text, text) for text in ('see it', 'the kids by it')]
  extractor, found = extract('text', clips, encoder=name)
  assert extractor.record['pooling'] == 'last'
  for clip, features in zip(clips, found, strict=True):
    words = [small_encoders.WORDS.index(w) + 3 for w in clip.source.split()]
    ids = np.array([words])
    bound = rounding.of_encoder(encoder, input_ids=ids)
    wanted = encoder(input_ids=ids).last_hidden_state[0, -1]
    np.testing.assert_allclose(features, wanted, atol=bound, rtol=0)
  for kind in ('qwen3', 'clip_text'):
    _, name = checkpoint(kind, folder)
    with pytest.raises(errors.InputError, match='first token sees no other'):
      extract('text', clips, encoder=name, pooling='first')
  _, name = checkpoint('siglip_text', folder)  # It sees all of a text.
  _, (one, other) = extract('text', clips, encoder=name, pooling='first')
  assert np.abs(one - other).max() > 0.01


def test_what_is_rounded_anyway_is_held_rounded(folder):
  """Half of the memory, and the same features."""
  _, name = checkpoint('qwen3', folder)
  arrays = {'input_ids': np.array([[3, 4, 5]])}
  one, half = (
    encoders.load(name, 'bfloat16', is_frozen=is_frozen)
    for is_frozen in (False, True)
  )
  for found, wanted in zip(
    half(**arrays).hidden_states, one(**arrays).hidden_states, strict=True
  ):
    np.testing.assert_array_equal(found, wanted)
  sizes = [
    sum(x.nbytes for x in jax.tree.leaves(encoder.params))
    for encoder in (half, one)
  ]
  assert sizes[0] < 0.6 * sizes[1]
  exact = encoders.load(name, is_frozen=True)
  assert {x.dtype.name for x in jax.tree.leaves(exact.params)} == {'float32'}


def test_a_missing_sentencepiece_is_named(tmp_path, monkeypatch):
  small_encoders.write('deberta', tmp_path / 'deberta')

  def fail(name):
    raise ImportError('`tiktoken` is required to read a tokenizer')

  monkeypatch.setattr(transformers.AutoTokenizer, 'from_pretrained', fail)
  with pytest.raises(errors.InputError, match=r'has no tokenizer .*tiktoken'):
    extract('text', [], encoder=str(tmp_path / 'deberta'))
  monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
  message = r"sentencepiece is missing.*pip install 'empathy\[media\]'"
  with pytest.raises(errors.InputError, match=message):
    extract('text', [], encoder=str(tmp_path / 'deberta'))


def test_words_without_an_embedding_are_named(tmp_path):
  small_encoders.write('bert', tmp_path, vocab_size=12)
  message = "tokenizer has 'door' as number 12, but the encoder has 12 embed"
  with pytest.raises(errors.InputError, match=message):
    extract('text', [], encoder=str(tmp_path))


def _windows(extractor, text):
  loaded = extractor.load(inputs.Clip('a', text))
  assert not loaded.is_cut
  return [row['input_ids'].tolist() for row in loaded.rows]


def test_long_texts_are_windows_of_what_the_encoder_has_positions_for(tmp_path):
  for kind, most in (('bert', 700), ('roberta', 699)):
    folder = tmp_path / kind
    small_encoders.write(kind, folder, max_position_embeddings=700)
    extractor, _ = extract('text', [], encoder=str(folder))
    for words in (0, 1, most - 1, most, 2 * most - 2, 2 * most - 1, 5_000):
      found = _windows(extractor, 'see ' * words)
      assert len(found) == max(-(-words // (most - 1)), 1)
      sizes = [len(window) - 1 for window in found]
      assert sum(sizes) == words
      assert max(sizes) - min(sizes) <= 1
      assert all(window[0] == 1 for window in found)


def test_each_window_has_what_the_tokenizer_adds_and_the_prefix(tmp_path):
  """Of pieces of words, by a tokenizer without a file of Transformers' own."""
  small_encoders.write('deberta', tmp_path)
  pieces = sentencepiece.SentencePieceProcessor(
    model_file=str(tmp_path / 'spm.model')
  )
  text = ' '.join(small_encoders.WORDS * 5)
  for prefix in ('', 'by it: ', 'by i'):
    extractor, _ = extract('text', [], encoder=str(tmp_path), prefix=prefix)
    assert extractor.record.get('prefix', '') == prefix
    found = _windows(extractor, text)
    ids = pieces.encode(prefix + text)
    alone = pieces.encode(prefix)
    front = next(i for i, x in enumerate([*alone, -1]) if ids[i] != x)
    assert len(found) > 2
    assert {(x[0], *x[1 : 1 + front], x[-1]) for x in found} == {
      (1, *ids[:front], 2)
    }
    inner = [x[1 + front : -1] for x in found]
    assert list(itertools.chain(*inner)) == ids[front:]
    assert max(map(len, found)) <= 20
    lengths = set(map(len, inner))
    assert max(lengths) - min(lengths) <= 1
  with pytest.raises(errors.InputError, match=r'prefix: .* has \d+ tokens'):
    extract('text', [], encoder=str(tmp_path), prefix='by ' * 30)


def test_frames_that_do_not_fit_are_named_before_any_is_decoded(tmp_path):
  name = str(tmp_path)
  small_encoders.write('videomae', tmp_path)
  message = f'config.num_frames: is 16, but {name} takes 4 frames'
  with pytest.raises(errors.InputError, match=message):
    extract('video', [], num_frames=16, encoder=name)
  path = tmp_path / 'preprocessor_config.json'
  other = str(tmp_path / 'other')
  small_encoders.write('vjepa2', tmp_path / 'other')
  message = f'num_frames: is 15, but {other} takes a multiple of 2 frames'
  with pytest.raises(errors.InputError, match=message):
    extract('video', [], num_frames=15, encoder=other)
  settings = json.loads(path.read_text())
  for changes in ({'crop_size': {'height': 6, 'width': 8}}, {'size': 6}):
    path.write_text(json.dumps(settings | {'do_center_crop': False} | changes))
    with pytest.raises(errors.InputError, match='make them of shape'):
      extract('video', [], encoder=name)


def test_sound_is_scaled_as_its_processor_says(tmp_path, sounds):
  small_encoders.write('hubert', tmp_path)
  transformers.Wav2Vec2FeatureExtractor(do_normalize=False).save_pretrained(
    tmp_path
  )
  clip = sounds[1]
  samples = media.read_sound(clip.source, normalise=False).samples
  assert np.abs(samples).max() > 1.5
  for settings, wanted in (
    ({}, samples),
    ({'scale_peak': True}, samples / np.abs(samples).max()),
  ):
    extractor, _ = extract('audio', [], encoder=str(tmp_path), **settings)
    found = extractor.load(clip).rows[0]['input_values']
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    assert extractor.record['scale_peak'] == bool(settings)


@pytest.mark.parametrize('kind', ['hubert', 'deberta', 'timesformer'])
def test_products_are_of_full_precision(folder, kind):
  encoder, _ = checkpoint(kind, folder)
  example = encoders.example(encoder.config)
  states = jax.make_jaxpr(
    lambda params, batch: extractors._states(
      encoder.module, 'last', 'mean', params, batch
    )
  )(encoder.params, example)
  found = precisions.of(states.jaxpr)
  assert len(found) >= 2 * (4 + 2)
  assert set(found) == {(jax.lax.Precision.HIGHEST,) * 2}


def test_bfloat16_is_near(folder):
  _, name = checkpoint('bert', folder)
  clips = [inputs.Clip('a', SENTENCES[0])]
  _, exact = extract('text', clips, encoder=name)
  _, near = extract('text', clips, encoder=name, dtype='bfloat16')
  assert near[0].dtype == np.float32
  difference = np.abs(np.stack(exact) - np.stack(near))
  assert 0 < difference.max() < 0.3


def test_the_record_tells_checkpoints_apart(tmp_path):
  records = []
  for place, seed in (('a', 0), ('b', 0), ('c', 1)):
    small_encoders.write('bert', tmp_path / place / 'bert', seed)
    extractor, _ = extract('text', [], encoder=str(tmp_path / place / 'bert'))
    records.append(extractor.record)
  assert records[0] == records[1]
  assert records[0] != records[2]
  assert len(records[0]['sha256']) == 64


@pytest.mark.parametrize(
  ('modality', 'kind', 'file', 'setting'),
  [
    ('text', 'bert', 'tokenizer_config.json', {'model_max_length': 9}),
    ('audio', 'hubert', 'preprocessor_config.json', {'do_normalize': False}),
    (
      'video',
      'timesformer',
      'preprocessor_config.json',
      {'rescale_factor': 1.0},
    ),
  ],
)
def test_the_record_tells_how_inputs_are_prepared(
  modality, kind, file, setting, tmp_path
):
  small_encoders.write(kind, tmp_path)
  path = tmp_path / file
  records = []
  for settings in (json.loads(path.read_text()), setting):
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))
    (tmp_path / 'README.md').write_text(str(settings))  # It does not count.
    extractor, _ = extract(modality, [], encoder=str(tmp_path))
    records.append(extractor.record)
  assert {k for k in records[0] if records[0][k] != records[1][k]} == {
    'inputs_sha256'
  }


def test_the_pooling_by_default(folder):
  for modality, kind, wanted in (
    ('text', 'bert', 'first'),
    ('audio', 'hubert', 'mean'),
    ('video', 'timesformer', 'mean'),
  ):
    _, name = checkpoint(kind, folder)
    extractor, _ = extract(modality, [], encoder=name)
    assert extractor.record['pooling'] == wanted


def test_few_lengths_and_little_padding():
  sizes = np.arange(1, 160_001)
  padded = np.array([inputs.bucket(int(size)) for size in sizes])
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
    (
      'text',
      {'encoder': bert, 'pooling': 'sum'},
      "'sum' is not one of own, first",
    ),
    ('text', {'encoder': bert, 'prefix': 1}, 'text.prefix: 1 is no text'),
    ('text', {'encoder': bert, 'dtype': 'int8'}, "'int8' is not one of"),
    ('text', {'encoder': bert, 'layer': 3}, 'none of the 3 hidden states'),
    ('text', {'encoder': bert, 'layer': '-4'}, 'none of the 3 hidden states'),
    ('text', {'encoder': bert, 'layer': 'top'}, "'top' is not 'last'"),
    ('text', {'encoder': bert, 'layer': '1.5'}, "'1.5' is not 'last'"),
    (
      'text',
      {'encoder': bert, 'scale_peak': True},
      'text.scale_peak: there is no such field',
    ),
    (
      'audio',
      {'encoder': bert, 'scale_peak': 'yes'},
      "audio.scale_peak: 'yes' is not True or False",
    ),
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
