// What a reader chooses clips with, and the key to the table's marks.

import { count } from './clips.js';
import { dot, make } from './elements.js';
import { flagsOf } from './filters.js';
import { lastKey } from './sorting.js';

/**
 * The controls. They write into `choice` and call `update`; `show` is told of
 * the signal that the last column is to hold.
 */
export function controls(clips, choice, update, show) {
  const { classes, label, signals } = clips.data;
  const search = make('input', {
    type: 'search',
    placeholder: 'id, group or words',
    autocomplete: 'off',
    spellcheck: false,
  });
  search.addEventListener('input', () => {
    choice.search = search.value;
    update();
  });
  const made = [make('label', {}, make('span', {}, 'Search'), search)];
  const options = [
    ['', 'any'],
    ...classes.map((name, place) => [String(place), name]),
  ];
  const byClass = (name, key) =>
    chooser(name, options, '', (value) => {
      choice[key] = value;
      update();
    });
  if (label.some((place) => place >= 0)) made.push(byClass('Label', 'label'));
  if (clips.full || clips.spoken) {
    const votes = () => `Most votes on ${clips.spoken.name}`;
    made.push(byClass(clips.full ? 'Full view says' : votes(), 'predicted'));
  }
  if (signals.length > 1) {
    const named = signals.map((signal) => [signal.key, signal.name]);
    made.push(chooser('Last column', named, lastKey(clips), show));
  }
  return [
    make('div', { className: 'choices' }, ...made),
    make(
      'div',
      { className: 'toggles', role: 'group', 'aria-label': 'Only clips where' },
      ...toggles(clips, choice, update),
    ),
  ];
}

function chooser(name, options, chosen, change) {
  const select = make(
    'select',
    {},
    ...options.map(([value, text]) => make('option', { value }, text)),
  );
  select.value = chosen;
  select.addEventListener('change', () => change(select.value));
  return make('label', {}, make('span', {}, name), select);
}

function toggles(clips, choice, update) {
  return flagsOf(clips)
    .map((flag) => [flag, clips.data.id.filter((_, i) => flag.test(i)).length])
    .filter(([, number]) => number)
    .map(([flag, number]) => {
      const button = make(
        'button',
        { type: 'button', ariaPressed: 'false' },
        flag.name,
        make('small', {}, count(number)),
      );
      button.addEventListener('click', () => {
        if (!choice.flags.delete(flag)) choice.flags.add(flag);
        button.ariaPressed = choice.flags.has(flag);
        update();
      });
      return button;
    });
}

/** Which mark stands for which view and condition. */
export function legend({ data }) {
  const marks = (title, sources, shape) => {
    if (!sources.length) return null;
    const named = sources.map((source) =>
      make('span', {}, dot(source.colour, shape), source.name),
    );
    return make('span', {}, make('span', {}, title), ...named);
  };
  return make(
    'p',
    { className: 'key' },
    marks('Views', data.views, 'dot'),
    marks('Votes on', data.conditions, 'ring'),
    make(
      'span',
      {},
      make('span', { className: 'right' }, 'Underlined'),
      'what the label says',
    ),
  );
}
