"""The report: a study as one page that reads like a short paper.

`render` only puts together what the sections say; it is given every number and
computes none. What is always said stands in the templates; which sentence the
numbers allow is chosen by the sections. The page needs nothing but itself: no
network, and no script but to sort and search clips. Media are not copied into
it; it links to their files.
"""

import base64
import hashlib
import pathlib
import re
from collections.abc import Mapping

import jinja2
import markupsafe

import empathy
from empathy.evaluation import catalogue, sections, terms, wording
from empathy.evaluation import examples as examples_lib
from empathy.evaluation import explorer as explorer_lib
from empathy.evaluation import front as front_lib
from empathy.evaluation import methods as methods_lib
from empathy.evaluation.findings import Estimate
from empathy.evaluation.predictions import Kind
from empathy.evaluation.sections import clips as clips_lib
from empathy.evaluation.sections import fitting
from empathy.evaluation.sections import parts as parts_lib
from empathy.evaluation.sections.parts import Section, Table
from empathy.evaluation.study import Study

# Where fewer questions are asked, a terminal shows what else is known.
_FEW = 3
_TEMPLATES = pathlib.Path(__file__).parent / 'templates'
# A number and its unit, or an interval, stays on one line.
_UNBROKEN = re.compile(
  r'(?:[−+]?\d[\d.,]* (?:(?:%|points?) )?)?\[[−\d.]+, [−\d.]+\]'
  r'|[−+]?\d[\d.,]* (?:%|points?\b)|\b[pn] (?:=|&lt;) [\d.,]+|&lt; \.\d+'
  r'|adjusted (?:&lt; )?\.\d+|p-values?'
)


def render(study: Study, folder: pathlib.Path = pathlib.Path()) -> str:
  """The report on a study, as HTML.

  Args:
    study: what was found.
    folder: where the report will be, which links to media start from.

  Returns:
    A whole page.
  """
  parts = sections.of(study)
  primaries = {
    part.title: study.statistics[study.primaries[part.number]]
    for part in parts
    if part.primary
  }
  plan, planner = _plan(parts, study)
  return page(
    'report.html',
    study.info,
    script=explorer_lib.script(),
    explorer=clips_lib.explorer(study, folder),
    facts=_facts(study),
    front=front_lib.of(study, parts),
    examples=examples_lib.of(study, folder),
    shares_of_seeds=examples_lib.tells_shares_of_seeds(study),
    needs=front_lib.needs(parts),
    ranged=any(it.low is not None for it in study.statistics.values()),
    tested=[title for title, one in primaries.items() if one.p is not None],
    plan=plan,
    planner=planner,
    sections=parts,
    methods=methods_lib.paragraph(study),
    bibtex=methods_lib.bibtex(study),
    definitions=catalogue.definitions(study.statistics),
  )


def verdicts(study: Study) -> list[str]:
  """The six verdicts in plain text, for a terminal; a line each.

  Where few questions were asked, lines follow with what else is known.
  """
  made = sections.of(study)
  rows = [
    (part.title, part.verdict.word, part.verdict)
    for part in made
    if part.verdict
  ]
  title = max((len(name) for name, *_ in rows), default=0)
  word = max((len(word) for _, word, _ in rows), default=0)
  told = [
    f'{name:<{title}}  {said:<{word}}  {it.sentence} {it.interval}'.rstrip()
    for name, said, it in rows
  ]
  if sum(said != parts_lib.NOT_ASKED for _, said, _ in rows) < _FEW:
    front = front_lib.of(study, made)
    blank = ' ' * word
    told += [
      f'{"Also":<{title}}  {blank}  {sentence}'
      for sentence in (*front.lead, *front.also)
    ]
  return told


def page(
  template: str, info: Mapping[str, object], script: str = '', **shown
) -> str:
  """A page from a template.

  Args:
    template: its name.
    info: see `Study.info`.
    script: what may run there, beside the script that copies tables and plots.
    **shown: what else the template asks for.
  """
  linked = terms.Terms(catalogue.all_definitions())
  tools = explorer_lib.script(_TEMPLATES / 'copying')
  pages = environment()
  pages.filters['terms'] = linked
  return pages.get_template(template).render(
    info=info,
    script=script,
    tools=tools,
    script_source=markupsafe.Markup(
      ' '.join(f"'{_hash(one)}'" for one in (tools, script) if one)
    ),
    version=empathy.__version__,
    brackets=f'Brackets hold {wording.level(Estimate(None))}s.',
    percent=lambda share: wording.percent(share, 0),
    defined=linked.listed,
    **{'definitions': (), **shown},
  )


def _hash(script: str) -> str:
  """How a content security policy names the one script that may run."""
  digest = hashlib.sha256(script.encode()).digest()
  return f'sha256-{base64.b64encode(digest).decode()}'


def environment() -> jinja2.Environment:
  """Templates, with everything that they print escaped."""
  environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_TEMPLATES),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
  )
  environment.filters |= {
    'prose': _prose,
    'breakable': _breakable,
    'fitted': fitting.fitted,
    'raw': markupsafe.Markup,
    'after': lambda text, joint: joint + text if text else '',
    'capital': wording.capital,
    'count': wording.count,
    'listing': wording.listing,
    'plural': wording.plural,
    'question': sections.asked,
  }
  return environment


def _prose(text: str) -> markupsafe.Markup:
  """Escaped text in which no line ends between a number and its unit."""
  escaped = str(markupsafe.escape(text))
  return markupsafe.Markup(
    _UNBROKEN.sub(r'<span class="nb">\g<0></span>', escaped)
  )


def _breakable(text: str) -> markupsafe.Markup:
  """Escaped text in which a line may end after a plus."""
  plus = markupsafe.Markup('+<wbr>')
  return plus.join(markupsafe.escape(piece) for piece in str(text).split('+'))


def _facts(study: Study) -> list[tuple[str, str]]:
  """What the study is about, for the line under the title."""
  info = study.info
  facts = [
    ('Clips', wording.count(info['num_clips'])),
    ('Groups', wording.count(info['num_groups'])),
    ('Label', info.get('label') or ''),
    ('Classes', wording.listing([str(c) for c in info['classes']])),
    ('Views', wording.listing(info.get('views') or [])),
    ('Votes on', wording.listing(info.get('conditions') or [])),
    *_seeds(info),
    ('Folds', wording.count(info['folds']) if info.get('folds') else ''),
    ('Source', info.get('source') or ''),
    ('Licence', info.get('license') or ''),
  ]
  return [(name, value) for name, value in facts if value]


def _seeds(info: Mapping[str, object]) -> list[tuple[str, str]]:
  told = wording.counts((info.get('seeds') or {}).values())
  if not told:
    return []
  if info.get('kind') == Kind.SAMPLES:
    return [('Samples', f'{told} a view, called seeds below')]
  return [('Seeds', f'{told} a view')]


def _plan(parts: list[Section], study: Study) -> tuple[list[str], Table | None]:
  """What would settle the questions that are open, and what tells so."""
  titles = {study.primaries.get(part.number): part.title for part in parts}
  rows = [
    row
    for row in study.tables.get('planner') or []
    if row['statistic'] in titles
  ]
  told = []
  for row in rows:
    found, title = study.statistics[row['statistic']], titles[row['statistic']]
    standing = wording.standing(found)
    if standing == wording.OPEN and row['sentence']:
      told.append(f'{title}: {row["sentence"]}')
    elif standing in (wording.ABOVE, wording.BELOW) and not wording.survives(
      found
    ):
      told.append(
        f'{title}: The interval leaves out zero already; what leaves it open '
        'is the correction for the other questions, with which p is '
        f'{wording.p_value(found.p_adjusted)}.'
      )
  shares = [
    parts_lib.Column(heading, lambda r, key=key: wording.percent(r.get(key), 0))
    for key, heading in (
      ('groups_share', 'groups’ share'),
      ('seeds_share', 'seeds’ share'),
      ('annotators_share', 'annotators’ share'),
    )
  ]
  columns = (
    parts_lib.text_column('statistic', 'question', titles.get),
    *shares,
    parts_lib.count_column('seeds_needed', 'seeds needed'),
    parts_lib.count_column('groups_needed', 'groups needed'),
    parts_lib.count_column('annotators_needed', 'annotators needed'),
  )
  return told, parts_lib.table(study, rows, columns)
