// Pages of clips: only the rows of one are in the document, so that many
// thousands stay quick.

import { count } from './clips.js';
import { make } from './elements.js';

const PER_PAGE = 20;

/** The page nearest to `wanted` that there is, and the places it holds. */
export function pageOf(total, wanted) {
  const pages = Math.max(1, Math.ceil(total / PER_PAGE));
  const page = Math.min(wanted, pages - 1);
  const first = page * PER_PAGE;
  return { page, pages, first, end: Math.min(first + PER_PAGE, total) };
}

/** The pager, and how to draw it; `turn` is told of a step to another page. */
export function makePager(turn) {
  const turner = (text, step) => {
    // Never disabled, which would take the focus away at the last page.
    const button = make('button', { type: 'button' }, text);
    button.addEventListener('click', () => {
      if (button.getAttribute('aria-disabled') !== 'true') turn(step);
    });
    return button;
  };
  const [previous, next] = [turner('Previous', -1), turner('Next', 1)];
  const place = make('span');
  const label = { 'aria-label': 'Pages of clips' };
  const element = make('nav', label, previous, place, next);
  const draw = ({ page, pages, first, end }, total) => {
    element.hidden = pages === 1;
    place.textContent =
      `${count(first + 1)}–${count(end)} of ${count(total)}`;
    previous.setAttribute('aria-disabled', page === 0);
    next.setAttribute('aria-disabled', page === pages - 1);
  };
  return { element, draw };
}
