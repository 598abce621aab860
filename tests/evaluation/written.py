"""Tables of predictions as files, with some of their values changed."""

import made
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq


def write(table, path):
  if path.suffix == '.csv':
    pa_csv.write_csv(table, path)
  else:
    pq.write_table(table, path)
  return path


def study(num_clips=20, **changes):
  corpus, predictions = made.study_input(num_clips, 5, 2, **changes)
  return corpus, predictions, made.table(corpus, predictions)


def changed(table, column, row, value):
  """The table with one value changed; the column takes the value's type."""
  values = table[column].to_pylist()
  values[row] = value
  return table.set_column(
    table.column_names.index(column), column, pa.array(values)
  )


def as_texts(table, columns, change):
  """The table with columns of texts, made of their values by `change`."""
  for column in columns:
    place = table.column_names.index(column)
    texts = [change(value) for value in table[column].to_pylist()]
    table = table.set_column(place, column, pa.array(texts))
  return table


def with_given(table, given):
  return table.append_column('given', pa.array(given))
