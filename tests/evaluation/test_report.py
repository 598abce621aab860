"""The report: what it says, and that it never says more than it may."""

import dataclasses
import html.parser
import re
import xml.etree.ElementTree

import browser
import numpy as np
import pytest

from empathy.evaluation import front, plots, report, sections, units, wording
from empathy.evaluation.findings import Estimate
from empathy.evaluation.sections import parts
from empathy.evaluation.study import Study

_VIEWS = (
  'text',
  'audio',
  'video',
  'text+audio',
  'text+video',
  'audio+video',
  'text+audio+video',
)
_FULL = _VIEWS[-1]


def _estimate(value, half=0.02, p=None, p_adjusted=None, n=1000):
  if half is None:
    return Estimate(value, n=n, method='no interval: a single group')
  return Estimate(
    value, value - half, value + half, 0.95, p, p_adjusted, n, 'clustered'
  )


def full_study(**changes) -> Study:
  """A study in which every question is answered."""
  accuracy = dict(
    zip(_VIEWS, (0.52, 0.55, 0.61, 0.6, 0.66, 0.68, 0.71), strict=True)
  )
  statistics = {
    'data.majority_accuracy': _estimate(0.34),
    'views.full_minus_best_single.accuracy': _estimate(
      0.1, 0.03, 0.0001, 0.0004
    ),
    'disagreement.text_vs_full.beyond_either': _estimate(
      0.21, 0.03, 0.0001, 0.0004
    ),
    'ambiguity.any_disagreement.gs_difference': _estimate(0.08, 0.02, 0.001),
    'ambiguity.any_disagreement.adjusted': _estimate(0.02, 0.025, 0.11, 0.11),
    'ambiguity.any_disagreement.beyond_seeds': _estimate(0.01, 0.025, 0.4, 0.4),
    'humans.full_minus_video.accuracy': _estimate(0.057, 0.02, 0.0001, 0.0004),
  }
  for view, value in accuracy.items():
    statistics[f'views.{view}.accuracy'] = _estimate(value)
    for key, figure in {
      'accuracy_fold_mean': value + 0.001,
      'ensemble_accuracy': value + 0.012,
      'macro_f1': value - 0.01,
      'weighted_f1': value - 0.004,
      'nll': 1.6 - value,
      'brier': 1 - value,
      'ece': 0.05,
      'ece_null': 0.03,
      'seed_sd': 0.006,
    }.items():
      statistics[f'views.{view}.{key}'] = Estimate(figure, n=1000)
    if view == _FULL:
      continue
    gap = accuracy[_FULL] - value
    statistics[f'views.full_minus_{view}.accuracy'] = _estimate(
      gap, 0.035, 0.012, 0.024
    )
    pair, rate = f'disagreement.{view}_vs_full', 0.1 + gap
    statistics[f'{pair}.rate'] = _estimate(rate)
    statistics.setdefault(
      f'{pair}.beyond_either', _estimate(rate - 0.12, 0.03, 0.0001, 0.0006)
    )
    statistics[f'{pair}.excess'] = _estimate(rate - 0.12, 0.03)
    for key, figure in {
      'kappa': 1 - rate,
      'own_null': 0.12,
      'full_null': 0.12,
      'error_consistency': 0.42,
    }.items():
      statistics[f'{pair}.{key}'] = Estimate(figure, n=1000)
  conditions = dict(
    zip(('audio', 'video', 'audio+video'), (0.4, 0.574, 0.631), strict=True)
  )
  for condition, value in conditions.items():
    name = f'humans.{condition}'
    statistics[f'{name}.accuracy'] = _estimate(value, 0.011)
    statistics[f'{name}.gs'] = Estimate(0.7 - value / 2, n=1000)
    statistics[f'{name}.entropy'] = Estimate(1.2 - value, n=1000)
    statistics[f'{name}.observed_agreement'] = _estimate(0.3 + value / 2)
    statistics[f'{name}.alpha_nominal'] = _estimate(value - 0.12)
    statistics[f'{name}.fleiss_kappa'] = _estimate(value - 0.13)
    statistics[f'{name}.gwet_ac1'] = _estimate(value - 0.05)
    if condition != 'audio+video':
      statistics.setdefault(
        f'humans.full_minus_{condition}.accuracy',
        _estimate(0.631 - value, 0.02, 0.0001, 0.0002),
      )
  for view, raw, adjusted in (
    ('text', 0.09, 0.03),
    ('audio', 0.06, 0.01),
    ('video', 0.07, -0.01),
  ):
    name = f'ambiguity.{view}_disagreement'
    statistics[f'{name}.gs_difference'] = _estimate(raw)
    statistics[f'{name}.adjusted'] = _estimate(adjusted, 0.025, 0.11, 0.11)
  classes = ('none', 'some', 'much')
  info = {
    'corpus': 'simulated',
    'label': 'plurality of the votes on everything',
    'classes': classes,
    'modalities': ('text', 'audio', 'video'),
    'conditions': ('audio', 'video', 'audio+video'),
    'license': 'CC0',
    'source': 'made by a random number generator',
    'simulated': True,
    'num_clips': 1000,
    'num_groups': 40,
    'views': _VIEWS,
    'single_views': _VIEWS[:3],
    'full_view': _FULL,
    'full_condition': 'audio+video',
    'seeds': dict.fromkeys(_VIEWS, 3),
    'folds': 5,
    'predictions': 21000,
    'resampling': (
      'Intervals are symmetric studentised, from 10,000 draws of whole groups.'
    ),
    'covers': (
      'They cover new groups judged by these trained members; they do not '
      'cover a new training set.'
    ),
  }
  confusion = [
    {
      'label': one,
      'said': other,
      'num_clips': 233.0 if one == other else 50.0,
      'share': 0.7 if one == other else 0.15,
    }
    for one in classes
    for other in classes
  ]
  for name, shift in zip(classes, (-0.05, 0.02, 0.01), strict=True):
    for view, value in accuracy.items():
      for figure in ('recall', 'precision', 'f1'):
        statistics[f'views.{view}.{figure}_of.{name}'] = _estimate(
          value + shift
        )
    for condition, value in conditions.items():
      statistics[f'humans.{condition}.accuracy_of.{name}'] = _estimate(
        value + shift
      )
    gain = _estimate(0.1 + shift, 0.03, 0.001, 0.003)
    statistics[f'views.full_minus_best_single.f1_of.{name}'] = gain
    statistics[f'humans.full_minus_best.accuracy_of.{name}'] = gain
  tables = {
    'layers': [
      {
        'view': view,
        'modality': 'audio',
        'layer': layer,
        'weight': 0.1 + 0.05 * (layer == 7),
        'least': 0.02,
        'most': 0.3,
        'num_members': 15,
      }
      for view in _VIEWS
      if 'audio' in view
      for layer in range(9)
    ],
    'data_checks': [
      {
        'check': 'group_leakage',
        'value': 0,
        'verdict': 'ok',
        'sentence': 'No group straddles two folds.',
      },
      {
        'check': 'group_majority_accuracy',
        'value': 0.51,
        'verdict': 'warning',
        'sentence': 'Each group’s own majority label is right on 51.0 % of '
        'clips; a model that knows the group has that for nothing.',
      },
      {
        'check': 'duplicates',
        'value': 3,
        'verdict': 'ok',
        'sentence': 'No transcript occurs twice.',
      },
    ],
    'class_balance': [
      {'class': name, 'num_clips': round(1000 * share), 'share': share}
      for name, share in zip(classes, (0.34, 0.34, 0.32), strict=True)
    ],
    'votes_per_clip': [
      {
        'condition': condition,
        'num_clips': 1000,
        'num_votes': 9500,
        'min': 4,
        'median': 9.5,
        'max': 12,
      }
      for condition in info['conditions']
    ],
    'views': [
      {'view': view, 'num_clips': 1000, 'num_seeds': 3} for view in _VIEWS
    ],
    'classes': [
      {'view': view, 'class': name, 'support': 333}
      for view in _VIEWS
      for name in classes
    ],
    'class_gains': [
      {'class': name, 'best_single': 'video'} for name in classes
    ],
    'confusion': [
      row | {'view': view, 'predicted': row['said']}
      for view in _VIEWS
      for row in confusion
    ],
    'human_classes': [
      {'condition': condition, 'class': name, 'num_clips': 333.0}
      for condition in conditions
      for name in classes
    ],
    'human_class_gains': [
      {'class': name, 'best_other': 'video'} for name in classes
    ],
    'human_confusion': [
      row | {'condition': condition, 'vote': row['said']}
      for condition in conditions
      for row in confusion
    ],
    'full_minus_view': [{'view': view, 'n': 1000} for view in _VIEWS[:-1]],
    'disagreement': [{'view': view, 'num_clips': 1000} for view in _VIEWS[:-1]],
    'ambiguity': [
      {
        'signal': f'{who}_disagreement',
        'num_disagree': 420,
        'num_agree': 580,
        'gs_disagree': 0.58,
        'gs_agree': 0.5,
      }
      for who in ('any', 'text', 'audio', 'video')
    ],
    'humans': [
      {
        'condition': condition,
        'num_clips': 1000,
        'num_votes': 9500,
        # Shown where the study has them.
        'alpha_nominal': value,
        'fleiss_kappa': value,
        'gwet_ac1': value,
      }
      for condition, value in conditions.items()
    ],
  }
  bins = np.linspace(0.35, 0.95, 9).tolist()
  curves = {
    'reliability': {
      view: {
        'confidence': bins,
        'accuracy': [b - 0.06 * (i % 3) for i, b in enumerate(bins)],
        'count': [40, 90, 200, 260, 240, 300, 500, 700, 670],
      }
      for view in _VIEWS
    },
    'gs_by_disagreement': {
      'num_disagreeing': [0, 1, 2, 3],
      'gs': [0.41, 0.47, 0.52, 0.58],
      'low': [0.39, 0.45, 0.49, 0.52],
      'high': [0.43, 0.49, 0.55, 0.64],
      'count': [420, 330, 180, 70],
    },
    'gs_by_confidence': {
      'confidence': [0.41, 0.52, 0.63, 0.75, 0.9],
      'gs_agree': [0.55, 0.5, 0.46, 0.42, 0.35],
      'gs_disagree': [0.58, 0.54, 0.49, 0.43, None],
      'num_agree': [60, 90, 120, 150, 190],
      'num_disagree': [140, 110, 80, 50, 0],
    },
  }
  fields = {
    'info': info,
    'statistics': statistics,
    'skipped': {},
    'primaries': {
      1: 'views.full_minus_best_single.accuracy',
      2: 'disagreement.text_vs_full.beyond_either',
      3: 'ambiguity.any_disagreement.beyond_seeds',
      5: 'humans.full_minus_video.accuracy',
    },
    'tables': tables,
    'curves': curves,
    'signals': {'id': np.array(['clip1'])},
  }
  return Study(**fields | changes)


class _Text(html.parser.HTMLParser):
  """What a reader sees of a page, and the tags it is made of."""

  def __init__(self, page):
    super().__init__()
    self.tags, self.words, self._hidden = [], [], 0
    self.feed(page)

  def handle_starttag(self, tag, attributes):
    self.tags.append((tag, dict(attributes)))
    self._hidden += tag in ('style', 'script')

  def handle_endtag(self, tag):
    self._hidden -= tag in ('style', 'script')

  def handle_data(self, data):
    if not self._hidden:
      self.words.append(data)

  @property
  def text(self):
    return re.sub(r'\s+', ' ', ''.join(self.words))


def text_of(study):
  return _Text(report.render(study)).text


def empty_study(**info):
  """A study in which no question is answered."""
  return Study(
    info={
      'corpus': 'bare',
      'label': '',
      'classes': [],
      'modalities': [],
      'conditions': [],
      'license': '',
      'source': '',
      'simulated': False,
      'num_clips': 0,
      'num_groups': 0,
      'views': [],
      'single_views': [],
      'full_view': '',
      'full_condition': None,
      'seeds': {},
      'folds': 0,
      'predictions': 0,
      'resampling': '',
      'covers': '',
      **info,
    },
    statistics={},
    skipped={
      'question 1': 'There are no predictions.',
      'question 5': 'The corpus has no votes.',
    },
    primaries={},
    tables={},
    curves={},
    signals={},
  )


def with_estimate(study, name, estimate):
  return dataclasses.replace(
    study, statistics={**study.statistics, name: estimate}
  )


def test_answer_carries_numbers_and_intervals():
  text = text_of(full_study())
  answer = text[text.index('The answer') : text.index('Data checks Can')]
  assert 'Yes. The full view is right on 71.0 % of clips' in answer
  assert '+10.0 [7.0, 13.0]' in answer
  assert '+5.7 [3.7, 7.7]' in answer
  assert 'Not settled. Two annotators differ 1.0 points more often' in answer
  # The level is said once.
  assert answer.count('95 %') == 1


def test_sections_come_in_order_with_data_first():
  keys = [section.key for section in sections.of(full_study())]
  assert keys == [
    'data',
    'views',
    'disagreement',
    'ambiguity',
    'dominance',
    'humans',
    'diagnosis',
    'sets',
    'conflict',
    'together',
  ]
  page = report.render(full_study())
  shown = [s.key for s in sections.of(full_study()) if not s.skipped]
  places = [page.index(f'<section id="{key}"') for key in (*shown, 'more')]
  assert places == sorted(places)


def test_failing_check_is_loud_and_first():
  study = full_study()
  leak = {
    'check': 'group_leakage',
    'value': 0.4,
    'verdict': 'fail',
    'sentence': '40.0 % of the held-out clips leak.',
  }
  rows = [*study.tables['data_checks'][1:], leak]
  study = dataclasses.replace(
    study, tables=study.tables | {'data_checks': rows}
  )
  page = report.render(study)
  text = _Text(page).text
  assert 'The answer 1 check fails. 40.0 % of the held-out clips leak.' in text
  assert 'class="banner alert"' in page
  assert text.index('group leakage') < text.index('knowing the group')


def test_empty_study_says_why():
  text = text_of(empty_study())
  assert 'Not asked. There are no predictions.' in text
  assert 'Not asked. The corpus has no votes.' in text
  assert 'With votes this report would also answer: Do people gain' in text


@pytest.mark.parametrize('number', [0, 1, 2, 3, 5, 7])
def test_study_without_one_question_renders(number):
  study = full_study()
  tables = {
    0: [],
    1: ['views', 'confusion', 'classes', 'class_gains', 'full_minus_view'],
    2: ['disagreement'],
    3: ['ambiguity'],
    5: ['humans'],
    7: ['data_checks', 'class_balance', 'votes_per_clip'],
  }[number]
  primaries = {k: v for k, v in study.primaries.items() if k != number}
  less = dataclasses.replace(
    study,
    tables={k: v for k, v in study.tables.items() if k not in tables},
    primaries=primaries,
    skipped={f'question {number}': 'A reason.'},
    curves={} if number in (1, 3) else study.curves,
  )
  text = text_of(less)
  assert ('A reason. So it does not answer:' in text) == (number > 0)


def test_missing_figures_are_dashes_with_a_reason():
  study = full_study()
  gone = {
    f'disagreement.text_vs_full.{figure}'
    for figure in ('own_null', 'full_null', 'beyond_either')
  }
  study = dataclasses.replace(
    study,
    statistics={
      name: one for name, one in study.statistics.items() if name not in gone
    },
    primaries={q: n for q, n in study.primaries.items() if q != 2},
    skipped={'disagreement.text_vs_full.beyond_either': 'There is one seed.'},
  )
  text = text_of(study)
  assert 'Beyond either is missing. There is one seed.' in text
  assert wording.MISSING in text


def test_a_gap_has_the_reason_of_what_its_figure_belongs_to():
  study = dataclasses.replace(
    full_study(), skipped={'soft_scores': 'The corpus has no votes.'}
  )
  rows = [{'view': view, 'num_clips': 1000} for view in ('text', 'audio')]
  score = parts.Of('views.{view}.human_brier')
  accuracy = parts.Of('views.{view}.accuracy')
  columns = (parts.VIEW, parts.CLIPS_ONCE, accuracy, score)
  table = parts.table(study, rows, columns)
  assert [cell.text for cell in table.header] == [
    'view',
    'accuracy, %',
    '95 % interval',
  ]
  assert [cell.text for cell in table.rows[0]] == [
    'text',
    '52.0',
    '[50.0, 54.0]',
  ]
  assert table.notes == ('Brier is missing. The corpus has no votes.',)
  # A number that is not the same in all rows has a column.
  rows[0]['num_clips'] = 999
  table = parts.table(study, rows, columns)
  assert [row[1].text for row in table.rows] == ['999', '1,000']
  assert parts.table(study, [], columns) is None


def test_a_figure_of_no_entry_is_a_mistake_and_not_a_gap():
  with pytest.raises(KeyError):
    parts.Of('views.{view}.acuracy')
  with pytest.raises(KeyError):
    parts.get(full_study(), 'views.{view}.acuracy', view='text')
  with pytest.raises(KeyError):
    parts.skip_notes(full_study(), 'views.{view}.acuracy')


def test_a_difference_that_is_no_finding_is_grey_where_its_interval_shows():
  study = full_study()
  rows = [{'view': 'text'}, {'view': 'audio+video'}]
  gain = 'views.full_minus_{view}.accuracy'
  for interval, faint in ((True, [False, True]), (False, [False, False])):
    table = parts.table(study, rows, (parts.Of(gain, interval=interval),))
    assert [row[0].faint for row in table.rows] == faint
  assert [row[0].text for row in table.rows] == ['+19.0', '+3.0']


def test_no_missing_value_is_ever_printed():
  bare = Estimate(None, n=0, method='undefined here')
  study = full_study()
  holes = {
    name: bare if i % 2 else dataclasses.replace(value, low=None, high=None)
    for i, (name, value) in enumerate(study.statistics.items())
  }
  tables = {
    name: [
      {
        key: None if isinstance(value, float) else value
        for key, value in row.items()
      }
      for row in rows
    ]
    for name, rows in study.tables.items()
    if name not in ('class_balance',)
  }
  for made in (
    study,
    dataclasses.replace(study, statistics=holes),
    dataclasses.replace(study, tables=tables),
    dataclasses.replace(study, statistics=holes, tables=tables),
  ):
    page = report.render(made)
    assert not re.search(r'\b(None|NaN|nan|inf)\b', page)


def test_text_of_the_corpus_stays_text():
  evil = '<script>alert(1)</script> & "co"'
  study = full_study()
  tables = {
    name: [
      {
        key: evil
        if key in ('class', 'label', 'sentence', 'condition')
        else value
        for key, value in row.items()
      }
      for row in rows
    ]
    for name, rows in study.tables.items()
  }
  info = {**study.info, 'corpus': evil, 'label': evil, 'classes': (evil,)}
  page = report.render(dataclasses.replace(study, info=info, tables=tables))
  found = _Text(page)
  assert [tag for tag, _ in found.tags].count('script') == 1
  assert evil in found.text
  drawn = page.split('<script')[0]
  for drawing in re.findall(r'<svg.*?</svg>', drawn, re.S):
    xml.etree.ElementTree.fromstring(drawing)


def test_page_needs_nothing_but_itself():
  page = report.render(full_study())
  for tag, attributes in _Text(page).tags:
    assert tag not in ('link', 'img', 'iframe', 'object')
    assert 'src' not in attributes
    assert attributes.get('href', '#').startswith('#')
  assert 'url(' not in page
  assert '@import' not in page


def test_page_is_sound():
  page = report.render(full_study())
  tags = _Text(page).tags
  ids = [attributes['id'] for _, attributes in tags if 'id' in attributes]
  assert len(ids) == len(set(ids))
  for tag, attributes in tags:
    if tag == 'a':
      assert attributes['href'][1:] in ids
    if tag == 'svg':
      # What it shows is told by the element around it.
      assert attributes == {'aria-hidden': 'true'}
    if attributes.get('role') in ('img', 'list', 'group'):
      assert attributes['aria-label']
  assert page == report.render(full_study())


def test_simulated_corpus_is_called_simulated():
  text = text_of(full_study())
  assert 'This corpus is simulated.' in text
  assert '(simulated): Do models and people' in text
  real = {**full_study().info, 'simulated': False, 'corpus': 'real'}
  assert 'simulat' not in text_of(full_study(info=real)).lower().replace(
    'a random number generator', ''
  )


def test_no_word_that_the_data_do_not_carry():
  page = report.render(full_study())
  text = _Text(page).text
  # The package's own name is in the footer, and in what a paper may say.
  text = re.sub('For a paper.*What intervals cover', '', text, flags=re.S)
  assert text.lower().count('empath') == text.count('made by empathy')


_ASSERTIONS = {
  1: (
    'beats video, the best single view, by',
    'loses to video, the best single view, by',
  ),
  2: ('more than two seeds of either', 'so no less: of the noisier one'),
  3: (
    'more of how often annotators differ than',
    'less of how often annotators differ than',
  ),
  5: ('more than of votes on', 'less than of votes on'),
}


@pytest.mark.parametrize('question', [1, 2, 3, 5])
@pytest.mark.parametrize(
  ('low', 'high', 'claims'),
  [
    (0.01, 0.09, 'above'),
    (-0.09, -0.01, 'below'),
    (-0.04, 0.06, 'open'),
    (0.0, 0.06, 'open'),
    (-0.06, 0.0, 'open'),
    (None, None, 'none'),
  ],
)
def test_wording_is_never_stronger_than_the_interval(
  question, low, high, claims
):
  middle = 0.05 if low is None else (low + high) / 2
  study = full_study()
  study = with_estimate(
    study,
    study.primaries[question],
    Estimate(middle, low, high, 0.95, 0.01, 0.02, 1000, 'too few groups'),
  )
  if question == 3:
    # The sentence has both figures.
    name = 'ambiguity.any_disagreement.adjusted'
    study = with_estimate(
      study, name, study.statistics[study.primaries[question]]
    )
  made = {section.number: section for section in sections.of(study)}
  finding, answer = made[question].finding, made[question].answer[0]
  above, below = _ASSERTIONS[question]
  for told in (finding, answer):
    found = re.sub('; whether.*|, whether.*', '', told)
    assert (above in found) == (claims == 'above')
    assert (below in found) == (claims == 'below')
    assert ('not settled by these data' in told) == (claims == 'open')
    assert ('cannot be judged' in told) == (claims == 'none')
  if claims == 'below':
    assert '5.0 points [1.0, 9.0]' in answer
  mark = made[question].primary.marks[0]
  assert mark.faint == (claims in ('open', 'none'))


def test_finding_that_correction_takes_away_is_a_hint():
  study = full_study()
  study = with_estimate(
    study,
    study.primaries[1],
    Estimate(0.05, 0.01, 0.09, 0.95, 0.02, 0.08, 1000),
  )
  assert 'p is .080, so take it as a hint' in text_of(study)


def test_what_is_a_hint_is_grey():
  study = full_study()
  hint = Estimate(0.05, 0.01, 0.09, 0.95, 0.02, 0.08, 1000)
  for question, name in study.primaries.items():
    row = _sections(with_estimate(study, name, hint))[question].primary
    assert row.marks[0].faint
    found = dataclasses.replace(hint, p_adjusted=0.04)
    row = _sections(with_estimate(study, name, found))[question].primary
    assert not row.marks[0].faint
  name = 'views.full_minus_text.accuracy'
  table = _sections(with_estimate(study, name, hint))[1].shows['gains']
  faint = [row[1].faint for row in table.rows]
  # The last one's interval includes zero.
  assert faint == [True, False, False, False, False, True]


def _sections(study):
  return {made.number: made for made in sections.of(study)}


@pytest.mark.parametrize('gone', range(7))
def test_the_first_page_has_six_rows(gone):
  study = full_study()
  study = dataclasses.replace(
    study,
    primaries={q: name for q, name in study.primaries.items() if q != gone},
    skipped={f'question {gone}': 'There is one seed.'},
  )
  page = front.of(study, sections.of(study))
  unanswered = {4, 6, gone} - {0}
  # What was asked comes first.
  order = sorted(sections.QUESTIONS, key=lambda number: number in unanswered)
  assert [row.question for row in page.rows] == [
    sections.QUESTIONS[number] for number in order
  ]
  assert sum(not row.drawing for row in page.rows) == len(unanswered)
  for row in page.rows:
    assert (row.verdict.word == 'Not asked') == (not row.drawing)
    if row.drawing:
      xml.etree.ElementTree.fromstring(row.drawing)
  said = ' '.join(row.verdict.sentence for row in page.rows)
  assert ('There is one seed.' in said) == (gone > 0)


@pytest.mark.parametrize(
  ('given', 'named'),
  [
    (('text', 'audio', 'video'), 'video, the best single view, by'),
    (
      ('text', 'audio'),
      'audio, the best single view given (video was not), by',
    ),
    (
      ('text',),
      'text, the only single view given (audio and video were not), by',
    ),
  ],
)
def test_the_best_single_view_is_named(given, named):
  study = full_study()
  study = dataclasses.replace(
    study, info={**study.info, 'single_views': list(given)}
  )
  answer = _sections(study)[1].answer[0]
  assert f'and beats {named} 10.0 points' in answer
  some = parts.some_single(study)
  assert (some == 'some single view') == (len(given) == 3)
  assert all(view in some for view in given) or len(given) == 3


def test_views_that_tie_are_both_named():
  study = full_study()
  for view in ('text', 'audio', 'video'):
    study = with_estimate(
      study, f'views.full_minus_{view}.accuracy', _estimate(0.1)
    )
  answer = _sections(study)[1].answer[0]
  assert 'beats text, audio and video, single views that are equally' in answer


def test_one_modality_is_no_full_view():
  study = full_study()
  info = {
    **study.info,
    'full_view': 'text',
    'modalities': ('text',),
    'views': ['text'],
  }
  study = dataclasses.replace(study, info=info, primaries={})
  assert (
    _sections(study)[1]
    .answer[0]
    .startswith('Text, the only modality, is right on 52.0 %')
  )


def test_checks_that_could_not_be_made_are_counted():
  study = full_study()
  rows = [row | {'verdict': 'ok'} for row in study.tables['data_checks']]
  study = dataclasses.replace(
    study, tables=study.tables | {'data_checks': rows}
  )
  assert 'All 3 checks pass.' in text_of(study)
  less = dataclasses.replace(
    study, skipped={'data.duplicates': 'The corpus has no features.'}
  )
  assert 'All 3 checks' not in text_of(less)
  assert (
    'The 3 checks that could be made pass; 1 check could not be made.'
    in text_of(less)
  )


@pytest.mark.parametrize(
  ('written', 'expected'),
  [
    (wording.counts([1440, 3, 20]), '3 to 1,440'),
    (wording.counts([3, 3]), '3'),
    (wording.counts([]), ''),
    (wording.percent(0.631), '63.1 %'),
    (wording.points(-0.0568), '−5.7 points'),
    (wording.points(0.0568, signed=True), '+5.7 points'),
    (wording.points(-0.0001), '0.0 points'),
    (wording.number(None), '–'),
    (wording.number(float('nan')), '–'),
    (wording.count(1440), '1,440'),
    (wording.tally(9.5), '9.5'),
    (wording.tally(9.0), '9'),
    (wording.span(-0.016, 0.038), '[−1.6, 3.8]'),
    (wording.figure(0.5249, units.SHARE), '52.5'),
    (wording.figure(0.0249, units.POINTS), '+2.5'),
    (wording.figure(0.0249, units.NATS), '0.025'),
    (wording.figure(-0.249, units.CORRELATION), '−0.25'),
    (wording.figure(1440.0, units.COUNT), '1,440'),
    (wording.figure(None, units.SHARE), '–'),
    (wording.with_unit(0.0249, units.POINTS), '2.5 points'),
    (wording.with_unit(1440, units.COUNT), '1,440'),
    (wording.with_unit(None, units.POINTS), '–'),
    (wording.ends(Estimate(0.1, -0.02, 0.22), units.POINTS), '[−2.0, 22.0]'),
    (wording.ends(Estimate(0.1, 0.02, 0.22), units.NATS), '[0.020, 0.220]'),
    (wording.ends(Estimate(0.1), units.NATS), '–'),
    (
      wording.correlation_with_interval(Estimate(0.271, 0.181, 0.361, 0.95)),
      '+0.27 [0.18, 0.36]',
    ),
    (wording.p_value(0.0001), '< .001'),
    (wording.p_value(0.0494), '.049'),
    (wording.p_value(1.0), '1.000'),
    (
      wording.share_with_interval(Estimate(0.631, 0.62, 0.642, 0.95)),
      '63.1 % [62.0, 64.2]',
    ),
    (
      wording.points_with_interval(Estimate(0.05, method='one group')),
      '5.0 points (no interval)',
    ),
    (wording.listing(['audio', 'video', 'both']), 'audio, video and both'),
    (wording.plural(1, 'clip'), '1 clip'),
  ],
)
def test_numbers_are_written(written, expected):
  assert written == expected


def test_colours_are_the_same_everywhere():
  page = report.render(full_study())
  for view, name in (('text', 'text'), ('audio', 'audio'), (_FULL, 'full')):
    assert plots.colour(view, _FULL) == name
    assert f'<i class="c-{name}"></i>' in page
    assert f'<g class="c-{name}">' in page
  for colour in ('#0072b2', '#e69f00', '#009e73', '#cc79a7'):
    assert colour in page


@pytest.fixture(scope='module', name='opened')
def _opened(tmp_path_factory):
  """A browser, and the file of a report on every question."""
  folder = tmp_path_factory.mktemp('report')
  path = folder / 'report.html'
  path.write_text(report.render(full_study()), encoding='utf-8')
  with browser.page(folder) as page:
    yield page, path


@browser.needs_chromium
@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_browser_shows_it_without_an_error(opened, scheme):
  page, path = opened
  page.open(path, scheme=scheme)
  paper = page.run('getComputedStyle(document.body).backgroundColor')
  assert (paper == 'rgb(255, 255, 255)') == (scheme == 'light')
  assert page.run('document.getElementById("methods").checkVisibility()')
  assert page.logged == []
  assert {url.split(':')[0] for url in page.requested} == {'file'}


@browser.needs_chromium
def test_phone_scrolls_tables_and_not_the_page(opened):
  page, path = opened
  page.open(path, width=390, height=800)
  assert page.run('document.documentElement.scrollWidth') <= 390
  # The names of rows stand still, and leave the figures room.
  widest = page.run(
    'Math.max(...[...document.querySelectorAll(".scroll tbody th")]'
    '.map(cell => cell.offsetWidth))'
  )
  assert 0 < widest < 200


def test_a_one_sided_p_says_nothing_of_the_other_side():
  below = Estimate(-0.05, -0.09, -0.01, 0.95, 0.99, 1.0, 1000, one_sided=True)
  told = wording.claim(
    'Lead', below, above=' more {}', below=' less, by {}', whether='whether'
  )
  assert told == 'Lead less, by 5.0 points [1.0, 9.0]'
  assert not wording.settled(below)
  above = dataclasses.replace(
    below, estimate=0.05, low=0.01, high=0.09, p=0.01, p_adjusted=0.02
  )
  assert wording.settled(above)
  assert not wording.settled(dataclasses.replace(above, p_adjusted=0.06))


def test_what_would_settle_an_open_question_is_said():
  study = full_study()
  rows = [
    {
      'statistic': study.primaries[question],
      'groups_share': 0.53,
      'seeds_share': 0.47 if question == 3 else None,
      'annotators_share': None,
      'seeds_needed': 6 if question == 3 else None,
      'groups_needed': None,
      'sentence': f'Six seeds would settle question {question}.',
    }
    for question in (1, 3)
  ]
  study = dataclasses.replace(study, tables={**study.tables, 'planner': rows})
  text = text_of(study)
  # Question 1 is settled; question 3 is not.
  assert 'Ambiguity: Six seeds would settle question 3.' in text
  assert 'Six seeds would settle question 1.' not in text
  said, table = report._plan(sections.of(study), study)
  assert len(said) == 1
  # Nor is what correction for the other questions takes away.
  name = study.primaries[1]
  hint = dataclasses.replace(study.statistics[name], p=0.03, p_adjusted=0.06)
  hinted = {**study.statistics, name: hint}
  hinted = dataclasses.replace(study, statistics=hinted)
  first, _ = report._plan(sections.of(hinted), hinted)[0]
  assert first.endswith('the other questions, with which p is .060.')
  # No column without a figure.
  assert [cell.text for cell in table.header] == [
    'question',
    'groups’ share',
    'seeds’ share',
    'seeds needed',
  ]
  assert [cell.text for cell in table.rows[1]] == [
    'Ambiguity',
    '53 %',
    '47 %',
    '6',
  ]
