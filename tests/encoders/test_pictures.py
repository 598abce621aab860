"""Encoders of single pictures: frames, their times, towers and processors."""

import functools
import json

import jax
import made_media
import numpy as np
import PIL.Image
import pytest
import rounding
import small_encoders

from empathy import encoders, errors
from empathy.corpora import corpus as corpora
from empathy.encoders import (
  extraction,
  extractors,
  inputs,
  media,
  patches,
  pooling,
)
from empathy.training import finetune_recipe, finetune_step, parallel

_PATHS = ('a.mp4', 'b.mp4')


@pytest.fixture(scope='module')
def films(tmp_path_factory):
  """Clips: of 6 and of 7 pictures, each 0.1 s, wide and high."""
  folder = tmp_path_factory.mktemp('films')
  return [
    inputs.Clip(
      name,
      str(made_media.write_film(folder / name, 6 + i, 10, size=size)),
    )
    for i, (name, size) in enumerate(
      zip(_PATHS, ((48, 64), (64, 48)), strict=True)
    )
  ]


def _small(picture, size, resample, mean, std):
  """A picture (H, W, 3) uint8 as an encoder takes it, (1, 1, 3, h, w)."""
  picture = PIL.Image.fromarray(picture).resize(size[::-1], resample)
  values = (np.asarray(picture, np.float64) / 255 - mean) / std
  return values.transpose(2, 0, 1)[None, None].astype(np.float32)


def _of_dinov2(picture):
  """The shorter side to 10, the middle 8 x 8, and ImageNet's statistics."""
  high, wide = picture.shape[:2]
  size = (10, 13) if high < wide else (13, 10)
  mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
  found = _small(picture, size, PIL.Image.Resampling.BICUBIC, mean, std)
  top, left = ((side - 8) // 2 for side in size)
  return found[..., top : top + 8, left : left + 8]


def _of_siglip(picture):
  return _small(picture, (8, 16), PIL.Image.Resampling.BILINEAR, 0.5, 0.5)


@pytest.mark.parametrize(
  ('kind', 'prepare'),
  [('dinov2', _of_dinov2), ('siglip_vision_model', _of_siglip)],
)
def test_a_film_is_its_frames_each_alone(films, tmp_path, kind, prepare):
  encoder = small_encoders.write(kind, tmp_path)
  alone = []
  for clip in films:
    pixels = [prepare(x) for x in media.read_pictures(clip.source, 5).frames]
    alone.append([encoder(pixel_values=x) for x in pixels])
    together = encoder(pixel_values=np.concatenate(pixels, 1))
  near = {'atol': rounding.of_encoder(encoder, pixel_values=pixels[0])}

  def frames(clip, name):
    return np.array([getattr(output, name)[0] for output in alone[clip]])

  # The model, given all frames of a clip at once, keeps them apart.
  last = frames(1, 'last_hidden_state')
  np.testing.assert_allclose(
    together.last_hidden_state[0], last.reshape(-1, 8), rtol=0, **near
  )
  np.testing.assert_allclose(
    together.pooled[0], frames(1, 'pooled')[:, 0], rtol=0, **near
  )

  def extract(**settings):
    settings = {'encoder': str(tmp_path), 'batch_size': 3} | settings
    extractor = extractors.make('video', settings, 10, 5, parallel.spread)
    loaded = [extractor.load(clip).rows for clip in films]
    return extractor.compute(loaded)

  def hidden(clip):
    """Of each frame and layer what stands for it, (frames, layers, D)."""
    states = np.array([output.hidden_states for output in alone[clip]])[:, :, 0]
    is_first = kind == 'dinov2'
    return states[:, :, 0] if is_first else states.mean(2)

  ways = (
    ({}, lambda clip: frames(clip, 'pooled')[:, 0].mean(0)),
    ({'pooling': 'first'}, lambda clip: frames(clip, 'pooled')[0, 0]),
    (
      {'pooling': 'states'},
      lambda clip: frames(clip, 'last_hidden_state').reshape(-1, 8),
    ),
    ({'layer': 'all'}, lambda clip: hidden(clip).mean(0)),
    ({'layer': 1, 'pooling': 'none'}, lambda clip: hidden(clip)[:, 1]),
  )
  # Of the other kind what is another there.
  for settings, wanted in ways if kind == 'dinov2' else ways[::4]:
    for clip, found in enumerate(extract(**settings)):
      np.testing.assert_allclose(
        found, wanted(clip), rtol=0, **near, err_msg=str((settings, clip))
      )


def test_frames_are_joined_to_a_clip():
  frames = [np.array([1.0, 5.0]), np.array([6.0, 2.0]), np.array([2.0, 2.0])]
  for how, wanted in (
    ('first', [1, 5]),
    ('last', [2, 2]),
    ('max', [6, 5]),
    ('mean', [3, 3]),
    ('pooled', [3, 3]),
  ):
    found = pooling.join(frames, [0, 0, 0], inputs.Own(how), is_sequence=True)
    np.testing.assert_array_equal(found, wanted)
  windows = pooling.join(frames, [1, 2, 3], inputs.Own('first'))
  np.testing.assert_array_equal(windows, [3, 3])


def test_frames_are_few_at_a_time_however_many_a_clip_has(films, tmp_path):
  small_encoders.write('siglip_vision_model', tmp_path)
  shapes = set()

  def spread(function, constants):
    run = parallel.spread(function, constants)

    def noted(batch):
      shapes.add(batch['pixel_values'].shape)
      return run(batch)

    noted.num_devices = run.num_devices
    return noted

  settings = {'encoder': str(tmp_path), 'batch_size': 4, 'pooling': 'none'}
  extractor = extractors.make('video', settings, 10, 21, spread)
  (found,) = extractor.compute([extractor.load(films[0]).rows])
  assert found.shape == (21, 8)
  devices = parallel.spread(lambda c, b: b, {}).num_devices
  assert shapes == {(4 * devices, 1, 3, 8, 16)}


def test_the_more_a_film_takes_the_fewer_wait(tmp_path):
  # Of 518 x 518, which would be 200 MB a clip.
  small_encoders.write('dinov2', tmp_path, image_size=518, patch_size=14)
  sizes = [
    extractors._clips_in_a_part(
      'video', encoders.load(tmp_path).config, num_frames
    )
    for num_frames in (1, 16, 64, 1_000)
  ]
  assert sizes == [32, 10, 2, 1]


def test_training_starts_from_the_states_of_frames(films, tmp_path):
  """Though pictures have fewer patches than the encoder was trained with."""
  encoder = small_encoders.write('dinov2', tmp_path)

  def extract(**settings):
    settings = {'encoder': str(tmp_path)} | settings
    extractor = extractors.make('video', settings, 10, 5, parallel.spread)
    found = extractor.compute([extractor.load(clip).rows for clip in films])
    return np.stack(found)

  (example,) = encoders.example(encoder.config).values()
  program = finetune_step.Program(
    module=encoder.module,
    num_layers=2,
    layer='last',
    pooling='mean',
    num_classes=8,
    input_name='pixel_values',
    input_shape=example.shape[2:],
    recipe=finetune_recipe.read({'trained_layers': 1}),
  )
  states = extract(layer=1, pooling='states')
  batch = finetune_step.Batch(states, np.ones((2, 5), bool), None, None)
  params = {'kernel': np.eye(8, dtype=np.float32), 'bias': np.zeros(8)}
  trained, frozen = finetune_step.split(program, encoder.params['params'])
  forward = jax.jit(functools.partial(finetune_step.forward, program))
  learned = {'encoder': trained, 'classifier': params}
  logits = forward(learned, frozen, batch)
  near = rounding.of_encoder(encoder, pixel_values=np.ones((1, 1, 3, 8, 8)))
  np.testing.assert_allclose(logits, extract(), rtol=0, atol=near)


@pytest.mark.parametrize(
  ('settings', 'wanted'),
  [
    ({'pooling': 'none'}, [0, 0.25, 0.5, 0, 0.3, 0.6]),
    ({'pooling': 'states'}, np.repeat([0, 0.25, 0.5, 0, 0.3, 0.6], 8)),
    ({'layer': 'all'}, None),  # Layers have no time.
  ],
)
def test_times_of_frames_are_kept(films, tmp_path, settings, wanted):
  small_encoders.write('siglip_vision_model', tmp_path / 'encoder')
  info = {
    'name': 'made',
    'classes': ['a', 'b'],
    'modalities': ['video'],
    'conditions': [],
    'license': 'none',
    'source': 'a test',
  }
  path = tmp_path / 'corpus'
  corpora.write(
    corpora.Corpus(
      info,
      ids=np.array(_PATHS[::-1]),  # Not as they are computed.
      groups=np.array(_PATHS),
      labels=np.arange(2),
      metadata={'video': np.array([clip.source for clip in films[::-1]])},
    ),
    path,
  )
  config = {
    'features': {'video': {'encoder': str(tmp_path / 'encoder')} | settings},
    'seconds': 10.0,
    'num_frames': 3,
    'faults': 'fatal',
  }
  plan, extractor = extraction.prepare(path, 'video', config, parallel.spread)
  extraction.extract(plan, extractor)
  extraction.finish(plan, corpora.read(path))
  features = corpora.read(path, ['video']).features['video']
  if wanted is None:
    assert features.time is None
    return
  order = np.repeat(features.clip, features.length)
  # Clips of 0.6 and 0.7 s, whose last pictures come 0.1 s before that.
  found = np.concatenate([features.time[order == clip] for clip in (1, 0)])
  np.testing.assert_allclose(found, wanted, atol=1e-3)


def test_positions_of_other_grids_are_interpolated():
  """Against numbers worked by hand; PyTorch itself is in `test_parity`."""
  # Twice as many: the fourth lies at 1.25, that far from 0, 0.25 from 1, 0.75
  # from 2 and 1.75 from 3; there the kernel of a = -0.75 is so large.
  weights = patches.bicubic(4, 8, smooth=False)
  np.testing.assert_allclose(weights[3] * 256, [-27, 225, 67, -9])
  # The first at -0.25, and what lies before the first is as that.
  np.testing.assert_allclose(weights[0] * 256, [-9 + 67 + 225, -27, 0, 0])
  # By the other kernel what is linear stays so, away from the ends.
  found = patches.bicubic(9, 18, smooth=True) @ np.arange(9.0)
  wanted = (np.arange(18) + 0.5) / 2 - 0.5
  np.testing.assert_allclose(found[4:-4], wanted[4:-4], atol=1e-5)
  for smooth in (False, True):
    np.testing.assert_array_equal(patches.bicubic(5, 5, smooth), np.eye(5))
  # Half as many: as they lie, or each over twice as wide a kernel.
  spike = np.zeros(12)
  spike[5] = 1
  assert np.count_nonzero(patches.bicubic(12, 6, False) @ spike) == 4 // 2
  assert np.count_nonzero(patches.bicubic(12, 6, True) @ spike) == 4


def _write_towers(folder):
  """A checkpoint of two towers, of which only that of pictures is an encoder.

  Its config is as of old: what counts of a tower is there a second time.
  """
  encoder = small_encoders.write('clip_vision_model', folder)
  inner = json.loads((folder / 'config.json').read_text())
  inner.pop('model_type')
  config = {
    'model_type': 'clip',
    'text_config': {'hidden_size': 4},
    'vision_config': inner | {'hidden_size': 16},
    'vision_config_dict': inner,
    'text_config_dict': None,
  }
  (folder / 'config.json').write_text(json.dumps(config))
  return encoder


def test_of_two_towers_one_is_chosen(tmp_path):
  encoder = _write_towers(tmp_path)
  found = encoders.load(tmp_path, modality='video')
  assert found.config == encoder.config
  for modality in (None, 'audio'):
    with pytest.raises(errors.InputError) as caught:
      encoders.load(tmp_path, modality=modality)
    assert str(caught.value) == (
      f'{tmp_path}/config.json: has an encoder of text and one of pictures: '
      f"expected as modality 'text' or 'video', got {modality!r}"
    )
  path = tmp_path / 'config.json'
  config = json.loads(path.read_text()) | {'model_type': 'siglip2'}
  path.write_text(json.dumps(config))
  message = r"model_type is 'siglip2_vision_model': expected one of .*siglip_v"
  with pytest.raises(errors.InputError, match=message):
    encoders.load(tmp_path, modality='video')


def test_processors_that_do_not_fit_are_named(tmp_path):
  small_encoders.write('clip_vision_model', tmp_path)
  path = tmp_path / 'preprocessor_config.json'
  settings = json.loads(path.read_text())
  for changes, message in (
    ({'do_center_crop': False}, r'of several shapes, such as \(3, 8, 10\) and'),
    (
      {'crop_size': 3},
      r'of shape \(3, 3, 3\), but .*\(3, 4 or more, 4 or more',
    ),
    ({'size': {'depth': 3}}, 'settings of its pictures|makes no pictures'),
    ({'feature_extractor_type': 'Other'}, 'settings of its pictures .*Unrecog'),
  ):
    path.write_text(json.dumps(settings | changes))
    with pytest.raises(errors.InputError, match=message) as caught:
      extractors.make(
        'video', {'encoder': str(tmp_path)}, 10, 4, parallel.spread
      )
    assert len(str(caught.value).splitlines()) == 1
