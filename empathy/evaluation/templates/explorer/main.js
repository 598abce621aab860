// The clip explorer: a table of clips to sort, filter and open.

import { Clips, count } from './clips.js';
import { controls, legend } from './controls.js';
import { make } from './elements.js';
import { anything, matching } from './filters.js';
import { makePager, pageOf } from './paging.js';
import { silence } from './players.js';
import { clipRows, headCells } from './rows.js';
import { columnsOf, compare, signalColumn } from './sorting.js';

const text = document.getElementById('clip-data').textContent;
const clips = new Clips(JSON.parse(text));
const root = document.getElementById('explorer');

// What the reader sees, and has asked for.
const columns = columnsOf(clips);
const choice = anything();
const opened = new Set();
let sorted = columns[0];
let direction = 1;
let page = 0;
let found = [];

const status = make('p', { role: 'status', className: 'matching' });
const head = make('tr');
const body = make('tbody');
const pager = makePager((step) => {
  page += step;
  draw();
  root.scrollIntoView({ block: 'start' });
});

function sort(column, way) {
  [sorted, direction] = [column, way];
  drawHead();
  update();
}

/** Looks for the clips anew, and shows the first of them. */
function update() {
  found = matching(clips, choice);
  if (sorted.key !== 'rank' || direction < 0) {
    found.sort((a, b) => compare(sorted, direction, a, b));
  }
  page = 0;
  draw();
}

function drawHead() {
  const had = head.contains(document.activeElement)
    ? document.activeElement.dataset.key
    : null;
  const cells = headCells(columns, sorted, direction, (column) =>
    sort(column, column.key === sorted.key ? -direction : column.first),
  );
  head.replaceChildren(...cells);
  if (had) head.querySelector(`[data-key="${CSS.escape(had)}"]`)?.focus();
}

function draw() {
  const here = pageOf(found.length, page);
  page = here.page;
  silence(body);
  body.replaceChildren(
    ...found
      .slice(here.first, here.end)
      .flatMap((clip) => clipRows(clips, clip, columns, opened, root)),
  );
  const all = `${count(clips.number)} clips`;
  status.textContent =
    found.length === clips.number ? all : `${count(found.length)} of ${all}`;
  pager.draw(here, found.length);
}

const showLast = (key) => {
  const column = signalColumn(clips, key);
  columns[columns.length - 1] = column;
  sort(column, column.first);
};
root.append(
  ...controls(clips, choice, update, showLast),
  legend(clips),
  status,
  make(
    'div',
    { className: 'clips', role: 'group', 'aria-label': 'Clips' },
    make('table', {}, make('thead', {}, head), body),
  ),
  pager.element,
);
drawHead();
update();
root.hidden = false;
root.parentElement.classList.add('live');
