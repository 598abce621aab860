// A clip in detail: what was said, its media, who says what, all signals.

import { count } from './clips.js';
import { dot, make } from './elements.js';
import { players } from './players.js';

/** The row under a clip's own; `width` is how many columns it spans. */
export function detailRow(clips, clip, width, root) {
  const said = clips.transcript(clip);
  const dominant = clips.dominant(clip);
  return make(
    'tr',
    { className: 'detail', id: `clip-${clip}` },
    make(
      'td',
      { colSpan: width },
      make(
        'div',
        { className: 'inside' },
        said ? make('blockquote', {}, said) : null,
        players(clips, clip, root),
        shares(clips, clip),
        dominant
          ? make('p', { className: 'note' }, `Dominant modality: ${dominant}.`)
          : null,
        figures(clips, clip),
      ),
    ),
  );
}

/** What each view and condition says of each class, as dots and numbers. */
function shares(clips, clip) {
  const { classes, conditions, label, views } = clips.data;
  const slice = (values) =>
    values.slice(clip * classes.length, (clip + 1) * classes.length);
  const percent = (value) => (value / 10).toFixed(1);
  const seen = views
    .filter((view) => view.said[clip] >= 0)
    .map((view) => line(view, clip, slice(view.shares), 1000, percent, 'dot'));
  const heard = conditions
    .filter((condition) => condition.said[clip] >= 0)
    .map((condition) => {
      const votes = slice(condition.votes);
      const total = votes.reduce((sum, value) => sum + value, 0);
      return line(condition, clip, votes, total, count, 'ring');
    });
  if (!seen.length && !heard.length) return null;
  const names = classes.map((name, place) =>
    make(
      'th',
      { scope: 'col' },
      name,
      place === label[clip] ? make('small', {}, 'the label') : null,
    ),
  );
  return make(
    'div',
    {
      className: 'scroll',
      tabIndex: 0,
      role: 'group',
      'aria-label': 'What views and annotators say',
    },
    make(
      'table',
      { className: 'shares' },
      make('thead', {}, make('tr', {}, make('td'), ...names)),
      section(clips.data.shares, seen, classes.length),
      section('Votes', heard, classes.length),
    ),
  );
}

function line(source, clip, values, total, show, shape) {
  const head = make(
    'th',
    { scope: 'row' },
    dot(source.colour, shape),
    source.name,
  );
  const cells = values.map((value, place) => {
    const mark = dot(source.colour, shape);
    mark.style.setProperty('--share', Math.sqrt(value / total));
    return make(
      'td',
      { className: place === source.said[clip] ? 'most' : '' },
      make('span', { className: 'mark' }, mark),
      show(value),
    );
  });
  return make('tr', {}, head, ...cells);
}

function section(title, rows, numClasses) {
  if (!rows.length) return null;
  const head = make('th', { scope: 'rowgroup', colSpan: numClasses + 1 }, title);
  return make(
    'tbody',
    {},
    make('tr', { className: 'title' }, head),
    ...rows,
  );
}

function figures(clips, clip) {
  return make(
    'dl',
    { className: 'signals' },
    ...clips.data.signals.map((signal) =>
      make(
        'div',
        {},
        make('dt', {}, signal.name),
        make('dd', {}, clips.figure(signal, clip)),
      ),
    ),
  );
}
