// The table: its head, which sorts, and a row a clip, which opens.

import { count, DASH } from './clips.js';
import { detailRow } from './detail.js';
import { dot, make } from './elements.js';
import { silence } from './players.js';

/** The head's cells; `sort` is told of the column that is clicked. */
export function headCells(columns, sorted, direction, sort) {
  return columns.map((column) => {
    const button = make('button', { type: 'button' }, column.name);
    button.dataset.key = column.key;
    button.addEventListener('click', () => sort(column));
    const cell = make(
      'th',
      { scope: 'col', className: column.number ? 'number' : 'name' },
      button,
    );
    if (column.key === sorted.key) {
      const up = direction > 0;
      cell.setAttribute('aria-sort', up ? 'ascending' : 'descending');
      button.append(
        make(
          'span',
          { className: 'arrow', ariaHidden: 'true' },
          up ? '▲' : '▼',
        ),
      );
    }
    return cell;
  });
}

/** A clip's row, and that of its details where it is among the `opened`. */
export function clipRows(clips, clip, columns, opened, root) {
  const detail = () => detailRow(clips, clip, columns.length, root);
  const row = make(
    'tr',
    { className: 'clip' },
    ...columns.map((column) => {
      const cell = make(
        column.key === 'id' ? 'th' : 'td',
        { className: `${column.number ? 'number' : 'name'} k-${column.key}` },
        ...(column.key === 'id'
          ? [opener(clips, clip, opened, detail)]
          : shown(clips, clip, column)),
      );
      if (column.key === 'id') cell.scope = 'row';
      cell.dataset.name = column.name;
      return cell;
    }),
  );
  return opened.has(clip) ? [row, detail()] : [row];
}

function shown(clips, clip, column) {
  const { data, full, spoken, signals } = clips;
  if (column.key === 'rank') return [count(clip + 1)];
  if (column.key === 'views') return said(clips, data.views, full, clip, 'dot');
  if (column.key === 'annotators') {
    return said(clips, data.conditions, spoken, clip, 'ring');
  }
  const signal = signals.get(column.key);
  return [signal ? clips.figure(signal, clip) : (column.value(clip) ?? DASH)];
}

/** The classes that sources name, each with the marks of those who do. */
function said(clips, sources, reference, clip, shape) {
  const found = new Map();
  if (reference && reference.said[clip] >= 0) {
    found.set(reference.said[clip], []);
  }
  for (const source of sources) {
    const place = source.said[clip];
    if (place < 0) continue;
    if (!found.has(place)) found.set(place, []);
    found.get(place).push(source);
  }
  if (!found.size) return [DASH];
  return [...found].map(([place, who]) => {
    const name = clips.className(place);
    const names = who.map((source) => source.name).join(', ');
    const right = place === clips.data.label[clip];
    const marks = who.map((source) => dot(source.colour, shape));
    return make(
      'span',
      { className: 'said', title: `${name}: ${names}` },
      make('span', { className: right ? 'right' : 'other' }, name),
      make('span', { className: 'hidden' }, `: ${names}; `),
      make('span', { className: 'who' }, ...marks),
    );
  });
}

function opener(clips, clip, opened, detail) {
  const button = make(
    'button',
    { type: 'button', className: 'open', ariaExpanded: opened.has(clip) },
    clips.data.id[clip],
  );
  button.setAttribute('aria-controls', `clip-${clip}`);
  button.addEventListener('click', () => {
    const row = button.closest('tr');
    if (opened.delete(clip)) {
      silence(row.nextElementSibling);
      row.nextElementSibling.remove();
    } else {
      opened.add(clip);
      row.after(detail());
    }
    button.ariaExpanded = opened.has(clip);
  });
  return button;
}
