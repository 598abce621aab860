"""The clip explorer: its rows against a small corpus, and it in a browser."""

import dataclasses
import functools
import json
import pathlib
import re
import shutil
import subprocess
from unittest import mock

import browser
import made
import numpy as np
import pytest

from empathy.evaluation import explorer, listing, report
from empathy.evaluation import plan as plan_lib
from empathy.evaluation import study as study_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.sections import clips as clips_lib

_EVIL = (
  '<script>alert(1)</script> </script><img src=x onerror="document.title=1">'
  ' <!-- \u2028 & "it" \\'
)


def _small(folder=None, **metadata):
  """Four clips, two views of two seeds and two conditions, written by hand."""
  corpus = made.corpus(
    groups=[0, 0, 1, 1],
    labels=[0, 1, 2, -1],
    votes={
      'text': np.array([[3, 1, 0], [0, 2, 2], [0, 0, 0], [1, 1, 1]]),
      'text+audio': np.array([[4, 0, 0], [1, 3, 0], [2, 0, 3], [0, 0, 0]]),
    },
    metadata={name: np.array(values) for name, values in metadata.items()},
    path=folder,
  )
  nan = [np.nan] * 3
  predictions = made.predictions(
    {
      # The third clip has no text.
      'text': np.array(
        [
          [[0.6, 0.4, 0.0], [0.1, 0.1, 0.8], nan, [0.2, 0.6, 0.2]],
          [[0.4, 0.6, 0.0], [0.1, 0.3, 0.6], nan, [0.4, 0.4, 0.2]],
        ]
      ),
      'text+audio': np.array(
        [
          [[0.9, 0.1, 0.0], [0.2, 0.5, 0.3], [0.4, 0.4, 0.2], [0.2, 0.6, 0.2]],
          [[0.7, 0.1, 0.2], [0.2, 0.5, 0.3], [0.4, 0.4, 0.2], [0.0, 0.6, 0.4]],
        ]
      ),
    },
    folds=np.zeros(4, int),
  )
  return corpus, predictions


@functools.cache
def _built():
  """A whole study of a few clips."""
  return study_lib.build(*made.study_input(60, 6, 2))


def _signals(**columns):
  """Columns of `signals.csv` in an order of their own."""
  return {
    'id': np.array(['clip1', 'clip3', 'clip0', 'clip2']),
    'rank': np.arange(1, 5),
    'group': np.array(['group000', 'group001', 'group000', 'group001']),
    **columns,
  }


def test_rows_of_a_small_corpus():
  corpus, predictions = _small(transcript=['a', 'b', 'c', 'd'])
  signals = _signals(
    entropy=np.array([0.9, 0.5, np.nan, 0.1]),
    votes=np.array([4, 0, 4, 5]),
    votes_contested=np.array([0, np.nan, 0, 1]),
    gold_text_transition=np.array(['wrong to right', '', '', '']),
  )
  rows = explorer.rows(corpus, predictions, signals)
  assert rows.ids.tolist() == ['clip1', 'clip3', 'clip0', 'clip2']
  assert rows.groups.tolist() == signals['group'].tolist()
  assert rows.labels.tolist() == [1, -1, 0, 2]
  assert rows.transcripts.tolist() == ['b', 'd', 'a', 'c']
  # Equal means go to the first class; who predicts nothing says nothing.
  assert rows.predicted['text'].tolist() == [2, 1, 0, -1]
  assert rows.predicted['text+audio'].tolist() == [1, 1, 0, 0]
  np.testing.assert_allclose(
    rows.probabilities['text'],
    [[0.1, 0.2, 0.7], [0.3, 0.5, 0.2], [0.5, 0.5, 0], [np.nan] * 3],
  )
  assert rows.votes['text'].tolist() == [
    [0, 2, 2],
    [1, 1, 1],
    [3, 1, 0],
    [0, 0, 0],
  ]
  assert rows.pluralities['text'].tolist() == [1, 0, 0, -1]
  assert rows.pluralities['text+audio'].tolist() == [1, -1, 0, 2]
  assert rows.contested.tolist() == [False, False, False, True]
  assert list(rows.signals) == ['entropy']
  np.testing.assert_array_equal(rows.signals['entropy'], signals['entropy'])
  assert rows.media == {}
  assert rows.num_ranked == 4


def test_no_more_rows_than_a_page_can_hold():
  corpus, predictions = _small()
  with mock.patch.object(explorer, 'MOST', 3):
    rows = explorer.rows(corpus, predictions, _signals())
  assert rows.ids.tolist() == ['clip1', 'clip3', 'clip0']
  assert rows.num_ranked == 4
  study = study_lib.build(corpus, predictions)
  assert 'The 3 clips most in doubt of 4;' in clips_lib._order(study, rows)


def test_rows_of_humans_alone():
  corpus, _ = _small()
  rows = explorer.rows(corpus, None, _signals())
  assert rows.predicted == {}
  assert rows.pluralities['text+audio'].tolist() == [1, -1, 0, 2]


def _data(corpus, predictions, folder):
  """What the page holds, read back from the page."""
  study = study_lib.build(corpus, predictions)
  page = report.render(study, folder)
  found = re.search('id="clip-data">(.*?)</script>', page, re.S)
  return study, json.loads(found[1])


def test_page_holds_what_the_clips_are(tmp_path):
  corpus, predictions = made.study_input(60, 6, 2)
  texts = np.array([f'said {i % 7} {_EVIL}' for i in range(60)])
  corpus = dataclasses.replace(corpus, metadata={'transcript': texts})
  study, data = _data(corpus, predictions, tmp_path)
  assert data['id'] == study.signals['id'].tolist()
  row = [corpus.ids.tolist().index(clip) for clip in data['id']]
  names, places = data['group']['names'], data['group']['places']
  assert [names[i] for i in places] == corpus.groups[row].tolist()
  names, places = data['transcript']['names'], data['transcript']['places']
  assert len(names) == 7
  assert [names[i] for i in places] == texts[row].tolist()
  assert data['label'] == corpus.labels[row].tolist()
  assert [view['name'] for view in data['views']] == list(predictions.views)
  assert data['views'][data['full']]['name'] == 'text+audio'
  for view in data['views']:
    mean = predictions.probabilities[view['name']].mean(axis=0)[row]
    assert view['said'] == mean.argmax(axis=1).tolist()
    off = np.array(view['shares']).reshape(mean.shape) - 1000 * mean
    assert abs(off).max() <= 0.5001
  for condition in data['conditions']:
    votes = corpus.vote_counts(condition['name'])[row]
    assert condition['votes'] == votes.ravel().tolist()
  for signal in data['signals']:
    expected = study.signals[signal['key']]
    values = np.array([np.nan if v is None else v for v in signal['values']])
    np.testing.assert_allclose(values, expected, atol=5.1e-5)


@pytest.mark.parametrize(
  'text', [_EVIL, '</script>', '<!--', ']]>', '\u2028\u2029', '&lt;', 'é 日本']
)
def test_json_stays_text_between_script_tags(text):
  written = clips_lib.as_json({'a': [text]})
  assert json.loads(written) == {'a': [text]}
  assert not re.search('[<>&\u2028\u2029]', written)


def test_links_lead_from_the_report_to_files_that_exist(tmp_path):
  folder = tmp_path / 'my corpus'
  (folder / 'au#dio').mkdir(parents=True)
  for name in ('au#dio/a:1 ü.wav', 'b.wav', 'v.mp4'):
    (folder / name).write_bytes(b'')
  corpus, _ = _small(
    folder,
    audio=['au#dio/a:1 ü.wav', str(folder / 'b.wav'), 'gone.wav', ''],
    video=['v.mp4', 'http://x.org/v.mp4', 'javascript:alert(1)', 'v.mp4'],
    start=['', '1.5', '', '2'],
    end=['2.25', '', '', '4.50'],
  )
  _, data = _data(corpus, None, tmp_path / 'my studies/one')
  urls = {
    kind: {
      clip: None if rest is None else found['base'] + rest
      for clip, rest in zip(data['id'], found['rest'], strict=True)
    }
    for kind, found in data['media'].items()
  }
  base = '../../my%20corpus/'
  assert urls['audio'] == {
    'clip0': f'{base}au%23dio/a%3A1%20%C3%BC.wav#t=0.0,2.25',
    'clip1': f'{base}b.wav#t=1.5',
    'clip2': None,
  }
  assert urls['video'] == {
    'clip0': f'{base}v.mp4#t=0.0,2.25',
    'clip1': None,
    'clip2': None,
  }


def test_no_media_no_players(tmp_path):
  corpus, _ = _small(tmp_path, audio=['', 'x.wav', '//x.org/x.wav', 'data:,'])
  assert _data(corpus, None, tmp_path)[1]['media'] == {}


def test_two_scripts_and_they_alone_may_run():
  study = _built()
  page = report.render(study)
  policy = re.search('Content-Security-Policy" content="([^"]*)"', page)[1]
  assert "default-src 'none'" in policy
  tools, data, own = _scripts(page)
  hashes = f"'{report._hash(tools)}' '{report._hash(own)}'"
  assert f'script-src {hashes};' in policy
  assert json.loads(data)['id']
  bare = report.render(dataclasses.replace(study, clips=None))
  assert _scripts(bare) == [tools]
  assert 'href="#clips"' not in bare


def test_page_with_clips_needs_nothing_but_itself():
  page = report.render(_built())
  assert not re.search('<(link|img|iframe|object|embed|base|form) ', page)
  assert not re.search('<[^>]* (src|on[a-z]+)=', page)
  ids = re.findall(' id="([^"]*)"', page)
  assert len(ids) == len(set(ids))
  assert set(re.findall('href="#([^"]*)"', page)) <= set(ids)


def _scripts(page):
  return re.findall('<script[^>]*>(.*?)</script>', page, re.S)


def test_script_writes_no_html():
  script = explorer.script()
  for word in ('innerHTML', 'outerHTML', 'AdjacentHTML', 'write(', 'eval'):
    assert word not in script
  for word in ('fetch', 'XMLHttp', 'import(', 'WebSocket', 'http'):
    assert word not in script


@pytest.fixture(name='node')
def _node(tmp_path):
  """Runs node on files in a folder that holds the explorer's modules."""
  if shutil.which('node') is None:
    pytest.skip('node is not installed')
  shutil.copytree(explorer.MODULES, tmp_path, dirs_exist_ok=True)
  (tmp_path / 'package.json').write_text('{"type": "module"}')

  def run(*arguments):
    found = subprocess.run(
      ['node', *arguments],
      cwd=tmp_path,
      capture_output=True,
      text=True,
      check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout

  return run


def test_filters_and_orders_by_themselves(node, tmp_path):
  name = 'explorer.test.js'
  shutil.copy(pathlib.Path(__file__).parent / name, tmp_path)
  assert re.search(
    '^# pass 13$', node('--test', '--test-reporter=tap', name), re.M
  )


def test_modules_are_one_script(node, tmp_path):
  script = explorer.script()
  assert not re.search('^(im|ex)port', script, re.M)
  for module in explorer.MODULES.glob('*.js'):
    # What each says of itself, in its first line: none is left out.
    assert script.count(module.read_text().splitlines()[0]) == 1
  # A name that is declared twice is an error here.
  (tmp_path / 'one.js').write_text(script)
  node('--check', 'one.js')


# How many clips there are in the browser, and which of them has what.
_MANY = 10_000
_ODD = 'clip77'


@pytest.fixture(scope='module', name='tab')
def _tab(tmp_path_factory):
  """A browser that shows a report on many clips, and the study."""
  folder = tmp_path_factory.mktemp('report')
  (folder / 'corpus').mkdir()
  (folder / 'corpus/a b.wav').write_bytes(_tone())
  corpus, predictions = made.study_input(_MANY, 300, 2)
  texts = np.array([f'as it was said, word{i}' for i in range(_MANY)], 'U200')
  audio = np.full(_MANY, '', 'U7')
  odd = corpus.ids.tolist().index(_ODD)
  texts[odd], audio[odd] = _EVIL, 'a b.wav'
  corpus = dataclasses.replace(
    corpus,
    path=folder / 'corpus',
    metadata={
      'transcript': texts,
      'audio': audio,
      'start': np.full(_MANY, '0.1'),
      'end': np.full(_MANY, '0.4'),
    },
  )
  # As a study is built, without what takes long and is not looked at here.
  study = _built()
  batch = Batch(corpus, predictions)
  clips = listing.of_batch(batch, plan_lib.of_batch(batch))
  study = dataclasses.replace(study, signals=clips.columns(), clips=clips.clips)
  path = folder / 'study/report.html'
  path.parent.mkdir()
  path.write_text(report.render(study, path.parent), encoding='utf-8')
  # Quick to load, to send and to keep.
  assert path.stat().st_size < 3e6
  with browser.page(folder) as page:
    yield page, path, corpus, study


def _tone():
  """Half a second of silence, as a WAV file."""
  samples = bytes(8000)
  sizes = [(36 + 8000).to_bytes(4, 'little'), (8000).to_bytes(4, 'little')]
  head = b'WAVEfmt ' + bytes.fromhex('1000000001000100803e0000007d000002001000')
  return b'RIFF' + sizes[0] + head + b'data' + sizes[1] + samples


@pytest.fixture(name='opened')
def _opened(tab):
  page, path, corpus, study = tab
  page.logged.clear()
  page.requested.clear()
  page.open(path)
  yield page, corpus, study
  assert page.logged == []
  # A player of Chromium's own brings its icons as data.
  assert {url.split(':')[0] for url in page.requested} <= {'file', 'data'}


_COLUMN = (
  '[...document.querySelectorAll(".clips .clip .k-%s")]'
  '.map((it) => it.textContent)'
)
_STATUS = 'document.querySelector(".explorer [role=status]").textContent'


def _click(page, text, within='.explorer'):
  assert page.run(
    f'(() => {{ for (const it of document.querySelectorAll("{within} button"))'
    f' if (it.firstChild.textContent === {json.dumps(text)})'
    ' { it.click(); return true; } })()'
  ), text


def _type(page, text):
  page.run(
    '(() => { const box = document.querySelector("input[type=search]");'
    f' box.value = {json.dumps(text)};'
    ' box.dispatchEvent(new Event("input")); })()'
  )


def _choose(page, label, option):
  page.run(
    '(() => { for (const it of document.querySelectorAll(".choices label"))'
    f' if (it.firstChild.textContent === {json.dumps(label)}) {{'
    ' const box = it.querySelector("select"); for (const o of box.options)'
    f' if (o.text === {json.dumps(option)}) box.value = o.value;'
    ' box.dispatchEvent(new Event("change")); } })()'
  )


@browser.needs_chromium
def test_lists_the_clips_most_in_doubt_a_page_at_a_time(opened):
  page, _, study = opened
  ranked = study.signals['id'].tolist()
  assert page.run(_STATUS) == '10,000 clips'
  assert page.run(_COLUMN % 'id') == ranked[:20]
  assert page.run('document.querySelectorAll("*").length') < 6000
  assert not page.run('document.querySelector(".plain").checkVisibility()')
  _click(page, 'Next')
  assert page.run(_COLUMN % 'id') == ranked[20:40]
  _click(page, 'Previous')
  _click(page, 'Previous')
  assert page.run(_COLUMN % 'id') == ranked[:20]


@browser.needs_chromium
def test_sorts_by_a_header(opened):
  page, _, study = opened
  values = study.signals['votes_gs']
  for direction, sign in (('descending', -1), ('ascending', 1)):
    _click(page, 'GS of votes')
    order = np.lexsort((np.arange(_MANY), sign * values))
    assert page.run(_COLUMN % 'id') == study.signals['id'][order][:20].tolist()
    assert page.run(
      '[...document.querySelectorAll(".clips th[aria-sort]")]'
      '.map((it) => it.textContent.slice(0, 11) + it.ariaSort)'
    ) == ['GS of votes' + direction]
  # The header keeps the focus, so that a key can turn it round again.
  page.run('document.querySelector(".clips th button[data-key=id]").focus()')
  for kind in ('keyDown', 'keyUp'):
    page.send(
      'Input.dispatchKeyEvent',
      type=kind,
      key='Enter',
      code='Enter',
      windowsVirtualKeyCode=13,
      text='\r' if kind == 'keyDown' else '',
    )
  assert page.run('document.activeElement.dataset.key') == 'id'
  # As a person counts: clip2 before clip10.
  assert page.run(_COLUMN % 'id')[:3] == ['clip0', 'clip1', 'clip2']


@browser.needs_chromium
def test_filters(opened):
  page, corpus, study = opened
  signals = study.signals
  wrong = signals['gold_correct'] == 0
  doubted = signals['any_disagreement'] == 1
  label = signals['gold_label'] == 'class1'
  said = signals['predicted'] == 'class2'
  kept = np.ones(_MANY, bool)
  for act, more in (
    (lambda: _click(page, 'full view wrong'), wrong),
    (lambda: _click(page, 'some single view disagrees'), doubted),
    (lambda: _choose(page, 'Label', 'class1'), label),
    (lambda: _choose(page, 'Full view says', 'class2'), said),
  ):
    act()
    kept &= more
    assert page.run(_STATUS) == f'{kept.sum():,} of 10,000 clips'
    assert page.run(_COLUMN % 'id') == signals['id'][kept][:20].tolist()
  _click(page, 'full view wrong')
  _click(page, 'some single view disagrees')
  _choose(page, 'Label', 'any')
  _choose(page, 'Full view says', 'any')
  _click(page, 'contested')
  count = int((signals['votes_contested'] == 1).sum())
  assert page.run(_STATUS) == f'{count:,} of 10,000 clips'
  _click(page, 'contested')
  for text, found in (
    ('WORD4321', ['clip4321']),
    ('said word99 group', None),
    ('nobody said this', []),
    ('onerror', [_ODD]),
  ):
    _type(page, text)
    if found is None:
      texts = corpus.metadata['transcript']
      found = [
        str(clip) for clip in signals['id'] if 'word99' in texts[int(clip[4:])]
      ]
      assert len(found) > 20
    assert page.run(_STATUS) == f'{len(found):,} of 10,000 clips'
    assert page.run(_COLUMN % 'id') == found[:20]


@browser.needs_chromium
def test_opens_a_clip(opened):
  page, _, study = opened
  _type(page, 'onerror')
  _click(page, _ODD)
  detail = 'document.querySelector(".detail")'
  assert page.run(f'{detail}.querySelector("blockquote").textContent') == _EVIL
  assert page.run('document.querySelectorAll("img").length') == 0
  assert page.run('document.title') == report_title(study)
  rows = page.run(
    f'[...{detail}.querySelectorAll(".shares tbody tr:not(.title)")].map('
    '(row) => [...row.cells].map((it) => it.textContent))'
  )
  odd = study.clips.ids.tolist().index(_ODD)
  assert rows == [
    [view, *(f'{100 * p:.1f}' for p in study.clips.probabilities[view][odd])]
    for view in study.clips.predicted
  ] + [
    [name, *map(str, votes[odd])] for name, votes in study.clips.votes.items()
  ]
  assert page.run('document.querySelector(".open").ariaExpanded') == 'true'
  # A real player of a real file, at the place where the clip is.
  player = f'{detail}.querySelector("audio")'
  assert page.run(f'{player}.preload') == 'none'
  assert page.run(f'{player}.src').endswith('/corpus/a%20b.wav#t=0.1,0.4')
  assert page.run(
    f'new Promise((resolve) => {{ const it = {player};'
    ' it.onloadedmetadata = () => resolve(it.duration);'
    ' it.onerror = () => resolve(it.error.message); it.load(); })'
  ) == pytest.approx(0.25, abs=0.01)
  _click(page, _ODD)
  assert page.run(f'{detail} === null')
  assert page.run('document.querySelector(".open").ariaExpanded') == 'false'


def report_title(study):
  return (
    f'{study.info["corpus"]}: Do models and people stumble over the same clips?'
  )


@browser.needs_chromium
def test_reads_on_a_phone_and_prints_the_first_clips(tab):
  page, path, *_ = tab
  page.open(path, width=390, height=800, scheme='dark')
  page.run('document.querySelector(".open").click()')
  assert page.run('document.documentElement.scrollWidth') <= 390
  page.send('Emulation.setEmulatedMedia', media='print')
  assert not page.run('document.querySelector(".explorer").checkVisibility()')
  assert page.run('document.querySelectorAll(".plain tbody tr").length') == 20
  assert page.run('document.querySelector(".plain").checkVisibility()')
  page.send('Emulation.setEmulatedMedia', media='')


@browser.needs_chromium
def test_reads_without_its_script(tab):
  page, path, *_ = tab
  page.send('Emulation.setScriptExecutionDisabled', value=True)
  page.open(path)
  page.send('Emulation.setScriptExecutionDisabled', value=False)
  assert page.run('document.querySelector(".plain").checkVisibility()')
  assert not page.run('document.querySelector(".explorer").checkVisibility()')
