"""What modalities know together: of people, of views, of the full view."""

from empathy.evaluation import glossary
from empathy.evaluation.entry import Entry, of
from empathy.evaluation.units import BITS, POINTS, SHARE


def _worth(of_what: str) -> tuple[Entry, ...]:
  meaning = glossary.COOPERATION
  return of(
    f'together.{of_what}',
    Entry('accuracy', 'accuracy', POINTS, meaning, null=0.0),
    Entry('probability', 'probability', POINTS, meaning, null=0.0),
    within=(f'together.{of_what.partition(".")[0]}',),
  )


ENTRIES = (
  *of(
    'together.{who}.{pair}',
    *(
      Entry(name, heading, BITS, glossary.INFORMATION)
      for name, heading in (
        ('redundant', 'alike'),
        ('unique_first', 'first alone'),
        ('unique_second', 'second alone'),
        ('synergistic', 'together'),
        ('total', 'in all'),
      )
    ),
    within=('together.{who}.{pair}', 'together.{who}'),
  ),
  *_worth('value.{modality}'),
  *_worth('interaction.{pair}'),
  *of(
    'together.best_view',
    Entry('accuracy', 'oracle right', SHARE, glossary.BEST_VIEW),
    Entry('gain', 'gain', POINTS, glossary.BEST_VIEW),
    Entry('regret', 'regret', POINTS, glossary.BEST_VIEW),
    Entry('independent_gain', 'if independent', POINTS, glossary.BEST_VIEW),
    Entry(
      'beyond_independent', 'beyond that', POINTS, glossary.BEST_VIEW, null=0.0
    ),
    Entry('other_seeds_gain', 'of seeds', POINTS, glossary.BEST_VIEW),
    Entry(
      'beyond_other_seeds', 'beyond seeds', POINTS, glossary.BEST_VIEW, null=0.0
    ),
    within=('together.best_view',),
  ),
)
