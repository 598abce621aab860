"""The report's sections: what the study found, question by question.

A section is a module with a function `section` from a study to what the report
shows of it, and a template of its name with what it always says. Modules choose
words, marks and cells for numbers that the study holds, and compute none. A
question is added with a module, a template and an entry here.
"""

from collections.abc import Callable

from empathy.evaluation.sections import (
  ambiguity,
  conflict,
  data,
  diagnosis,
  disagreement,
  dominance,
  humans,
  learning,
  scores,
  sets,
  stand_in,
  together,
  views,
)
from empathy.evaluation.sections.parts import Section
from empathy.evaluation.study import Study

# Those that have a primary figure, by number, as a reader would ask them.
QUESTIONS = {
  1: 'Does the fusion beat its best single view?',
  2: 'Do views disagree beyond chance and other seeds?',
  3: 'Are annotators uncertain where views disagree?',
  4: 'Does one loud modality mislead the fusion?',
  5: 'Do people gain from seeing more?',
  6: 'Does disagreement point to errors?',
}

# Those that have none, by number.
_OTHERS = {
  7: 'Can the data bear the study?',
  8: 'How near are scores to the true ones, and what does their disagreement '
  'tell?',
  9: 'Can a model stand in for an annotator?',
  10: 'Where people who see one modality each disagree, what do views do?',
  11: 'What do modalities tell alike, each alone, and only together?',
  12: 'How many classes does it take to hold what annotators say?',
}

# In the report's order: first whether the data can bear it, then scores, which
# lead wherever there are some. What a study has nothing of is None.
ALL: tuple[Callable[[Study], Section | None], ...] = (
  data.section,
  scores.section,
  views.section,
  learning.section,
  disagreement.section,
  ambiguity.section,
  dominance.section,
  humans.section,
  stand_in.section,
  diagnosis.section,
  sets.section,
  conflict.section,
  together.section,
)


def asked(section: Section) -> str:
  """What a section asks; its title where it has no question."""
  every = QUESTIONS | _OTHERS
  return every.get(section.number, section.title)


def of(study: Study) -> list[Section]:
  """The sections of a study, but for those that it has nothing of."""
  every = (section(study) for section in ALL)
  return [section for section in every if section is not None]
