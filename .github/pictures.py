"""Makes the pictures of README: a report's first page, and its clip explorer.

  python .github/pictures.py runs/mixed_signals-simulated/study/report.html

They go beside this file, as report.png and explorer.png. It takes Chromium and
Pillow.
"""

import base64
import io
import pathlib
import sys
import tempfile

import PIL.Image

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'tests/evaluation'))

import browser  # noqa: E402

_SCALE = 2
_WIDTH = 1120
# Few colours are used, and a palette of them is a third of the size.
_COLOURS = 192
_OPEN = """
(() => {
  const explorer = document.getElementById('explorer');
  explorer.querySelectorAll('.open')[1].click();
  explorer.querySelectorAll('nav, .key').forEach((it) => it.remove());
  explorer.querySelectorAll('.clips > table > tbody > .clip')
    .forEach((row, i) => { if (i > 6) row.remove(); });
})()
"""
# Where a picture begins and ends, in pixels of the page.
_FIRST_PAGE = """
[0, document.querySelector('#answer .facts').getBoundingClientRect().top - 36]
"""
_EXPLORER = """
['top', 'bottom'].map((side) =>
  document.getElementById('clips').getBoundingClientRect()[side])
"""


def main(report: str) -> None:
  """Makes both pictures of a report."""
  with (
    tempfile.TemporaryDirectory() as folder,
    browser.page(pathlib.Path(folder)) as page,
  ):
    page.open(pathlib.Path(report).resolve(), width=_WIDTH, height=1000)
    # Contents would only make it narrower.
    page.run('document.querySelector(".page > nav").remove()')
    page.run(
      'document.querySelector(".page").style = "grid-template-columns: '
      'minmax(0, 1000px); padding: 1.5rem 2rem"'
    )
    _take(page, _FIRST_PAGE, 'report.png')
    page.run(_OPEN)
    _take(page, _EXPLORER, 'explorer.png')


def _take(page: browser.Page, where: str, name: str) -> None:
  """Takes a picture of a part of the page, as a file here."""
  top, bottom = page.run(where)
  clip = {
    'x': 0,
    'y': max(top - 16, 0),
    'width': _WIDTH,
    'height': bottom - top + 24,
    'scale': _SCALE,
  }
  taken = page.send(
    'Page.captureScreenshot',
    format='png',
    captureBeyondViewport=True,
    clip=clip,
  )
  picture = PIL.Image.open(io.BytesIO(base64.b64decode(taken['data'])))
  picture = picture.convert('RGB').quantize(
    _COLOURS, PIL.Image.Quantize.MAXCOVERAGE, dither=PIL.Image.Dither.NONE
  )
  picture.save(HERE / name, optimize=True)
  size = (HERE / name).stat().st_size
  print(f'{HERE / name}  ({size / 1000:.0f} KB)')


if __name__ == '__main__':
  main(sys.argv[1])
