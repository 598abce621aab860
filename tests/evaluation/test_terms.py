"""Terms that explain themselves: which words are links, and to what."""

import re

import pytest
import test_report

from empathy.evaluation import glossary, report, terms
from empathy.evaluation.glossary import Definition

_NOISE = Definition('Noise, excess', 'What “chance” does.', ('excess', 'noise'))
_OTHER = Definition('Of votes', 'Of votes.', ('excess',), sections=('humans',))
_BASIC = Definition('Clip', 'A piece.', ('clip', 'clips'), basic=True)


def _links(html):
  """Keys and words of the links that terms put into HTML."""
  linked = terms.Terms([_NOISE, _OTHER, _BASIC])(html)
  found = re.findall(
    '<a class="term" href="#term-([^"]*)"[^>]*>(.*?)</a>', linked
  )
  # What is linked is all that changes.
  assert re.sub('<a class="term"[^>]*>(.*?)</a>', r'\1', linked) == html
  return found


@pytest.mark.parametrize(
  ('html', 'expected'),
  [
    ('<p>Noise and noise.</p>', [('noise-excess', 'Noise')]),
    # Not a word of its own, and not text that is read as such.
    ('<p>noisy anti-noise noises</p>', []),
    ('<h2>noise</h2><td>noise</td><b>noise</b>', []),
    ('<p><a href="#x">noise</a> <code>noise</code></p>', []),
    ('<p class="noise" title="noise">x</p>', []),
    ('<ul class="forest"><li><p>noise</p></li></ul><p>x</p>', []),
    (
      '<ul class="forest"><li>noise</li></ul><ul><li>noise</li></ul>',
      [('noise-excess', 'noise')],
    ),
    (
      '<figcaption>The <b>excess</b></figcaption>',
      [('noise-excess', 'excess')],
    ),
    # Once in the text of each section, but what is basic once on a page.
    (
      '<section id="a"><p>clip noise</p></section>'
      '<section id="b"><p>clips noise</p></section>',
      [('clip', 'clip'), ('noise-excess', 'noise'), ('noise-excess', 'noise')],
    ),
    # A section may have a meaning of its own.
    ('<section id="humans"><p>excess</p></section>', [('of-votes', 'excess')]),
    # In heads of tables once more, by what the column is or by its words.
    (
      '<p>noise</p><table><thead><th>noise</th><th data-term="of-votes">excess,'
      ' %</th></thead><tbody><th>noise</th></tbody></table>',
      [
        ('noise-excess', 'noise'),
        ('noise-excess', 'noise'),
        ('of-votes', 'excess'),
      ],
    ),
  ],
)
def test_the_first_use_is_a_link(html, expected):
  assert _links(html) == expected


def test_a_link_has_the_meaning_with_it():
  linked = terms.Terms([_NOISE])('<p>noise</p>')
  assert 'data-means="What “chance” does."' in linked
  assert 'aria-describedby="means-noise-excess"' in linked
  evil = Definition('x', '"> <script>', ('noise',))
  assert 'data-means="&#34;&gt; &lt;script&gt;"' in terms.Terms([evil])(
    '<p>noise</p>'
  )


def test_only_what_is_used_is_explained():
  linked = terms.Terms([_NOISE, _OTHER, _BASIC])
  assert linked.listed() == []
  linked('<p>clips</p>')
  assert linked.listed([_NOISE]) == [_NOISE, _BASIC]


def test_every_definition_has_a_place_of_its_own():
  keys = [one.key for one in glossary.ALL]
  assert len(keys) == len(set(keys))
  assert all(re.fullmatch('[a-z0-9]+(-[a-z0-9]+)*', key) for key in keys)
  meanings = {
    (word.lower(), section): one
    for one in glossary.ALL
    for word in one.words
    for section in one.sections or ('',)
  }
  # No word has two meanings in one section.
  assert len(meanings) == sum(
    len(one.words) * len(one.sections or ('',)) for one in glossary.ALL
  )


def test_the_report_explains_its_words():
  page = report.render(test_report.full_study())
  answer, ambiguity = (
    re.search(f'<section id="{key}".*?</section>', page, re.S)[0]
    for key in ('answer', 'ambiguity')
  )
  linked = re.findall('href="#term-([^"]*)"', page)
  assert len(set(linked)) > 20
  assert len(linked) < 150
  for key in linked:
    assert page.count(f'<dt id="term-{key}">') == 1
    assert page.count(f'<dd id="means-{key}">') == 1
  # The head of a table, and the text above it.
  assert ambiguity.count('href="#term-gs"') == 2
  assert re.search(r'<th[^>]*><a [^>]*>adjusted</a>, points', ambiguity)
  assert 'href="#term-view-full-view"' in answer
