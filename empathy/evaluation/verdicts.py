"""What was checked of the data, and the verdict: the table `data_checks`."""

from empathy.evaluation.findings import Estimate, Findings
from empathy.evaluation.totals import Key

OK, WARNING, FAIL = 'ok', 'warning', 'fail'


def key(*parts: str) -> Key:
  """The key of what checks add up; some of it serves several of them."""
  return 'data', *parts


def row(
  check: str, value: float | None, verdict: str, sentence: str
) -> dict[str, object]:
  """A row of the table `data_checks`."""
  return {
    'check': check,
    'value': value,
    'verdict': verdict,
    'sentence': sentence,
  }


def note(
  found: Findings,
  check: str,
  value: float,
  verdict: str,
  sentence: str,
  n: int,
  method: str = 'counted, no interval',
) -> None:
  """Adds the statistic `data.<check>` and its row."""
  found.add(f'data.{check}', Estimate(float(value), n=n, method=method))
  found.tables['data_checks'].append(
    row(check, float(value), verdict, sentence)
  )
