// The columns of the table, and the order that they give to clips.

import { differing } from './clips.js';

// As a person counts: clip2 before clip10.
const collator = new Intl.Collator('en', { numeric: true });

/**
 * A column: its `value` is a number, a text, or null where it is unknown;
 * `first` is the direction that a first click sorts in, 1 upwards.
 */
export function signalColumn(clips, key) {
  const { name, values } = clips.signals.get(key);
  const value = (clip) => values[clip];
  return { key, name, first: -1, number: true, value };
}

export function columnsOf(clips) {
  const { data, full, spoken, signals } = clips;
  const columns = [
    { key: 'rank', name: 'rank', first: 1, number: true, value: (clip) => clip },
    { key: 'id', name: 'clip', first: 1, value: (clip) => data.id[clip] },
    {
      key: 'group',
      name: 'group',
      first: 1,
      value: (clip) => clips.group(clip),
    },
    {
      key: 'label',
      name: 'label',
      first: 1,
      value: (clip) => clips.label(clip) || null,
    },
  ];
  if (data.views.length) {
    columns.push({
      key: 'views',
      name: 'views say',
      first: -1,
      value: (clip) => differing(data.views, full, clip),
    });
  }
  if (data.conditions.length) {
    columns.push({
      key: 'annotators',
      name: 'most votes for',
      first: -1,
      value: (clip) => differing(data.conditions, spoken, clip),
    });
  }
  const last = lastKey(clips);
  for (const key of ['one_minus_confidence', 'votes_gs']) {
    if (signals.has(key) && key !== last) {
      columns.push(signalColumn(clips, key));
    }
  }
  if (last) columns.push(signalColumn(clips, last));
  return columns;
}

/** The signal of the last column, until the reader chooses another. */
export function lastKey({ signals }) {
  return ['full_jsd', 'entropy', 'votes_entropy', ...signals.keys()].find(
    (key) => signals.has(key),
  );
}

/** As Array.sort asks: below zero where clip `a` comes before clip `b`. */
export function compare(column, direction, a, b) {
  const [x, y] = [column.value(a), column.value(b)];
  // What is unknown comes last in both directions, equals as they are ranked.
  if (x === null || y === null) return (x === null) - (y === null) || a - b;
  const order =
    typeof x === 'string' ? collator.compare(x, y) : Math.sign(x - y);
  return order * direction || a - b;
}
