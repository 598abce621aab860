// What is on the page, to take away: tables as LaTeX and CSV, plots as SVG.

import { svgOf } from './drawing.js';
import { csv, latex, read } from './tables.js';

const heard = document.createElement('p');
heard.setAttribute('role', 'status');
heard.className = 'hidden';
document.querySelector('main').append(heard);

function button(text, label, act) {
  const made = document.createElement('button');
  made.type = 'button';
  made.textContent = text;
  made.setAttribute('aria-label', label);
  made.addEventListener('click', () => act(made));
  return made;
}

function tools(...buttons) {
  const made = document.createElement('p');
  made.className = 'tools';
  made.append(...buttons);
  return made;
}

/** Says in place of a button's words that it is done. */
function done(made, word) {
  const before = made.textContent;
  if (before === word) return;
  made.textContent = word;
  heard.textContent = word;
  setTimeout(() => {
    made.textContent = before;
    heard.textContent = '';
  }, 1500);
}

/** Text to the clipboard; where there is none, to a field, selected. */
async function copy(text, made) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    offer(text, made);
    return;
  }
  done(made, 'Copied');
}

function offer(text, made) {
  const place = made.parentElement;
  place.querySelector('textarea')?.remove();
  const field = document.createElement('textarea');
  field.value = text;
  field.readOnly = true;
  field.rows = 6;
  field.setAttribute('aria-label', 'Text to copy');
  place.append(field);
  field.select();
}

function save(text, name, made) {
  // A page without an address, as in a notebook, cannot save a file.
  if (location.protocol === 'about:') {
    copy(text, made);
    return;
  }
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'image/svg+xml' }));
  link.download = `${name}.svg`;
  link.click();
  URL.revokeObjectURL(link.href);
  done(made, 'Saved');
}

// What a term means goes away without the pointer, too.
addEventListener('keydown', ({ key }) => {
  if (key === 'Escape') document.querySelector('.term:focus')?.blur();
});

for (const figure of document.querySelectorAll('main figure')) {
  const caption = figure.querySelector('figcaption');
  const table = figure.classList.contains('table') && figure.querySelector('table');
  const panels = figure.querySelector('.panels');
  if (table) {
    const held = () => read(table, caption.textContent);
    caption.after(
      tools(
        button('LaTeX', 'Copy the table as LaTeX', (it) => copy(latex(held()), it)),
        button('CSV', 'Copy the table as CSV', (it) => copy(csv(held()), it)),
      ),
    );
  } else if (panels) {
    const name = figure.querySelector('[id]')?.id ?? 'plot';
    caption.before(
      tools(
        button('SVG', 'Save the plot as SVG', (it) => save(svgOf(panels), name, it)),
      ),
    );
  }
}
for (const block of document.querySelectorAll('.paste')) {
  const text = () => block.innerText.trim();
  block.before(tools(button('Copy', 'Copy the text below', (it) => copy(text(), it))));
}
