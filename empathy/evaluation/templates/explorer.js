// The clip explorer: a table of clips to sort, filter and open.
//
// All text goes into the page as text, never as HTML. Only the rows of one page
// of clips are in the document, so that many thousands stay quick.
'use strict';
(() => {
  const PER_PAGE = 50;
  const DASH = '–';
  const data = JSON.parse(document.getElementById('clip-data').textContent);
  const root = document.getElementById('explorer');
  const numClips = data.id.length;
  const numClasses = data.classes.length;
  const full = data.views[data.full];
  const spoken = data.conditions[data.fullCondition];
  const signals = new Map(data.signals.map((it) => [it.key, it]));
  const group = (clip) => data.group.names[data.group.places[clip]];
  const transcript = (clip) =>
    data.transcript.names[data.transcript.places[clip]];
  const className = (place) => (place < 0 ? '' : data.classes[place]);

  /** An element with properties, attributes and children; texts stay texts. */
  function make(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name in element) element[name] = value;
      else element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null));
    return element;
  }

  function count(number) {
    return number.toLocaleString('en-US');
  }

  /** A signal's value, as short as a table can show it. */
  function figure(signal, clip) {
    const value = signal.values[clip];
    if (value === null) return DASH;
    if (signal.kind === 'flag') return value ? 'yes' : 'no';
    if (signal.kind === 'count') return count(value);
    const text = Math.abs(value).toFixed(3);
    return value < 0 && /[1-9]/.test(text) ? `−${text}` : text;
  }

  function dot(colour, shape = 'dot') {
    return make('i', { className: `c-${colour} ${shape}` });
  }

  // What may be sorted by. `value` is a number, a text, or null where unknown;
  // `first` is the direction that a first click sorts in, 1 upwards.

  /** How many of `sources` say another class than `reference`. */
  function differing(sources, reference, clip) {
    if (reference && reference.said[clip] < 0) return null;
    const said = sources
      .map((source) => source.said[clip])
      .filter((place) => place >= 0);
    if (!reference) return said.length ? new Set(said).size - 1 : null;
    return said.filter((place) => place !== reference.said[clip]).length;
  }

  function signalColumn(key) {
    const it = signals.get(key);
    return {
      key,
      name: it.name,
      first: -1,
      number: true,
      value: (clip) => it.values[clip],
      show: (clip) => [figure(it, clip)],
    };
  }

  const lastColumn = ['full_jsd', 'entropy', 'votes_entropy', ...signals.keys()]
    .find((key) => signals.has(key));
  const columns = [
    {
      key: 'rank',
      name: 'rank',
      first: 1,
      number: true,
      value: (clip) => clip,
      show: (clip) => [count(clip + 1)],
    },
    {
      key: 'id',
      name: 'clip',
      first: 1,
      value: (clip) => data.id[clip],
      show: (clip) => [opener(clip)],
    },
    {
      key: 'group',
      name: 'group',
      first: 1,
      value: group,
      show: (clip) => [group(clip)],
    },
    {
      key: 'label',
      name: 'label',
      first: 1,
      value: (clip) => className(data.label[clip]) || null,
      show: (clip) => [className(data.label[clip]) || DASH],
    },
  ];
  if (data.views.length) {
    columns.push({
      key: 'views',
      name: 'views say',
      first: -1,
      value: (clip) => differing(data.views, full, clip),
      show: (clip) => said(data.views, full, clip, 'dot'),
    });
  }
  if (data.conditions.length) {
    columns.push({
      key: 'annotators',
      name: 'most votes for',
      first: -1,
      value: (clip) => differing(data.conditions, spoken, clip),
      show: (clip) => said(data.conditions, spoken, clip, 'ring'),
    });
  }
  for (const key of ['one_minus_confidence', 'votes_gs']) {
    if (signals.has(key) && key !== lastColumn) columns.push(signalColumn(key));
  }
  if (lastColumn) columns.push(signalColumn(lastColumn));

  /** The classes that sources name, each with the marks of those who do. */
  function said(sources, reference, clip, shape) {
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
      const names = who.map((source) => source.name).join(', ');
      return make(
        'span',
        { className: 'said', title: `${className(place)}: ${names}` },
        make(
          'span',
          { className: place === data.label[clip] ? 'right' : 'other' },
          className(place),
        ),
        make('span', { className: 'hidden' }, `: ${names}; `),
        make(
          'span',
          { className: 'who' },
          ...who.map((source) => dot(source.colour, shape)),
        ),
      );
    });
  }

  // The state, and what of the clips it shows.

  const state = {
    sort: columns[0],
    direction: 1,
    page: 0,
    search: '',
    label: '',
    predicted: '',
    flags: new Set(),
  };
  const opened = new Set();
  let shown = [];
  let haystack = null;

  const anyDisagrees = signals.get('any_disagreement');
  const misled = signals.get('gold_misled');
  const flags = [
    {
      name: 'some single view disagrees',
      test: (clip) => anyDisagrees && anyDisagrees.values[clip] === 1,
    },
    {
      name: 'full view wrong',
      test: (clip) =>
        full &&
        full.said[clip] >= 0 &&
        data.label[clip] >= 0 &&
        full.said[clip] !== data.label[clip],
    },
    {
      name: 'misled by one modality',
      test: (clip) => misled && misled.values[clip] === 1,
    },
    { name: 'contested', test: (clip) => data.contested[clip] === 1 },
    {
      name: 'conditions differ',
      test: (clip) =>
        data.conditions.length > 1 &&
        differing(data.conditions, null, clip) > 0,
    },
  ];

  function matches(clip, words) {
    if (state.label !== '' && data.label[clip] !== Number(state.label)) {
      return false;
    }
    if (
      state.predicted !== '' &&
      (full || spoken).said[clip] !== Number(state.predicted)
    ) {
      return false;
    }
    for (const flag of state.flags) if (!flag.test(clip)) return false;
    return words.every((word) => haystack[clip].includes(word));
  }

  function compare(a, b) {
    const [x, y] = [state.sort.value(a), state.sort.value(b)];
    // What is unknown comes last in both directions, equals as they are ranked.
    if (x === null || y === null) return (x === null) - (y === null) || a - b;
    const order =
      typeof x === 'string' ? collator.compare(x, y) : Math.sign(x - y);
    return order * state.direction || a - b;
  }
  const collator = new Intl.Collator('en', { numeric: true });

  function update({ keepPage = false } = {}) {
    const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length && !haystack) {
      haystack = data.id.map((id, clip) =>
        `${id} ${group(clip)} ${transcript(clip)}`.toLowerCase(),
      );
    }
    shown = [];
    for (let clip = 0; clip < numClips; clip++) {
      if (matches(clip, words)) shown.push(clip);
    }
    if (state.sort.key !== 'rank' || state.direction < 0) shown.sort(compare);
    if (!keepPage) state.page = 0;
    draw();
  }

  // The table.

  const status = make('p', { role: 'status', className: 'matching' });
  const head = make('tr');
  const body = make('tbody');
  const wrapper = make('div', {
    className: 'clips',
    role: 'group',
    'aria-label': 'Clips',
  });
  const pager = make('nav', { 'aria-label': 'Pages of clips' });

  function drawHead() {
    const had = head.contains(document.activeElement)
      ? document.activeElement.dataset.key
      : null;
    head.replaceChildren(
      ...columns.map((column) => {
        const sorted = state.sort.key === column.key;
        const button = make('button', { type: 'button' }, column.name);
        button.dataset.key = column.key;
        button.addEventListener('click', () => {
          state.direction = sorted ? -state.direction : column.first;
          state.sort = column;
          drawHead();
          update();
        });
        const cell = make(
          'th',
          { scope: 'col', className: column.number ? 'number' : 'name' },
          button,
        );
        if (sorted) {
          const up = state.direction > 0;
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
      }),
    );
    if (had) head.querySelector(`[data-key="${CSS.escape(had)}"]`)?.focus();
  }

  function opener(clip) {
    const button = make(
      'button',
      { type: 'button', className: 'open', ariaExpanded: opened.has(clip) },
      data.id[clip],
    );
    button.setAttribute('aria-controls', `clip-${clip}`);
    button.addEventListener('click', () => {
      const row = button.closest('tr');
      if (opened.delete(clip)) {
        silence(row.nextElementSibling);
        row.nextElementSibling.remove();
      } else {
        opened.add(clip);
        row.after(detailRow(clip));
      }
      button.ariaExpanded = opened.has(clip);
    });
    return button;
  }

  function clipRow(clip) {
    return make(
      'tr',
      { className: 'clip' },
      ...columns.map((column) => {
        const cell = make(
          column.key === 'id' ? 'th' : 'td',
          { className: `${column.number ? 'number' : 'name'} k-${column.key}` },
          ...column.show(clip),
        );
        if (column.key === 'id') cell.scope = 'row';
        cell.dataset.name = column.name;
        return cell;
      }),
    );
  }

  function draw() {
    const pages = Math.max(1, Math.ceil(shown.length / PER_PAGE));
    state.page = Math.min(state.page, pages - 1);
    const first = state.page * PER_PAGE;
    const here = shown.slice(first, first + PER_PAGE);
    silence(body);
    body.replaceChildren(
      ...here.flatMap((clip) =>
        opened.has(clip) ? [clipRow(clip), detailRow(clip)] : [clipRow(clip)],
      ),
    );
    status.textContent =
      shown.length === numClips
        ? `${count(numClips)} clips`
        : `${count(shown.length)} of ${count(numClips)} clips`;
    pager.hidden = pages === 1;
    place.textContent =
      `${count(first + 1)}–${count(first + here.length)}` +
      ` of ${count(shown.length)}`;
    previous.setAttribute('aria-disabled', state.page === 0);
    next.setAttribute('aria-disabled', state.page === pages - 1);
  }

  function turner(text, step) {
    // Never disabled, which would take the focus away at the last page.
    const button = make('button', { type: 'button' }, text);
    button.addEventListener('click', () => {
      if (button.getAttribute('aria-disabled') === 'true') return;
      state.page += step;
      draw();
      root.scrollIntoView({ block: 'start' });
    });
    return button;
  }
  const previous = turner('Previous', -1);
  const next = turner('Next', 1);
  const place = make('span');
  pager.append(previous, place, next);

  // A clip in detail.

  function detailRow(clip) {
    const said = transcript(clip);
    const dominant = data.dominant.names[data.dominant.places[clip]];
    return make(
      'tr',
      { className: 'detail', id: `clip-${clip}` },
      make(
        'td',
        { colSpan: columns.length },
        make(
          'div',
          { className: 'inside' },
          said ? make('blockquote', {}, said) : null,
          players(clip),
          shares(clip),
          dominant
            ? make('p', { className: 'note' }, `Dominant modality: ${dominant}.`)
            : null,
          figures(clip),
        ),
      ),
    );
  }

  function players(clip) {
    const made = ['video', 'audio']
      .filter((kind) => data.media[kind] && data.media[kind].rest[clip] !== null)
      .map((kind) => {
        const player = make(kind, { controls: true, preload: 'none' });
        player.setAttribute('aria-label', `${kind} of clip ${data.id[clip]}`);
        player.addEventListener('error', () =>
          player.replaceWith(
            make(
              'p',
              { className: 'note' },
              `The ${kind} file cannot be played: it was moved, or is of a ` +
                'kind that this browser does not know.',
            ),
          ),
        );
        // One clip is heard at a time.
        player.addEventListener('play', () => silence(root, player));
        player.src = data.media[kind].base + data.media[kind].rest[clip];
        return player;
      });
    return made.length ? make('div', { className: 'players' }, ...made) : null;
  }

  function silence(where, but = null) {
    for (const player of where.querySelectorAll('audio, video')) {
      if (player !== but) player.pause();
    }
  }

  /** What each view and condition says of each class, as dots and numbers. */
  function shares(clip) {
    const line = (source, values, total, show, shape) =>
      make(
        'tr',
        {},
        make(
          'th',
          { scope: 'row' },
          dot(source.colour, shape),
          source.name,
        ),
        ...values.map((value, place) => {
          const mark = dot(source.colour, shape);
          mark.style.setProperty('--share', Math.sqrt(value / total));
          return make(
            'td',
            { className: place === source.said[clip] ? 'most' : '' },
            make('span', { className: 'mark' }, mark),
            show(value),
          );
        }),
      );
    const slice = (values) =>
      values.slice(clip * numClasses, (clip + 1) * numClasses);
    const section = (title, rows) =>
      rows.length
        ? make(
            'tbody',
            {},
            make(
              'tr',
              { className: 'title' },
              make(
                'th',
                { scope: 'rowgroup', colSpan: numClasses + 1 },
                title,
              ),
            ),
            ...rows,
          )
        : null;
    const views = data.views
      .filter((view) => view.said[clip] >= 0)
      .map((view) =>
        line(
          view,
          slice(view.shares),
          1000,
          (value) => (value / 10).toFixed(1),
          'dot',
        ),
      );
    const conditions = data.conditions
      .filter((condition) => condition.said[clip] >= 0)
      .map((condition) => {
        const votes = slice(condition.votes);
        const total = votes.reduce((sum, value) => sum + value, 0);
        return line(condition, votes, total, count, 'ring');
      });
    if (!views.length && !conditions.length) return null;
    return make(
      'div',
      { className: 'scroll', tabIndex: 0, role: 'group',
        'aria-label': 'What views and annotators say' },
      make(
        'table',
        { className: 'shares' },
        make(
          'thead',
          {},
          make(
            'tr',
            {},
            make('td'),
            ...data.classes.map((name, place) =>
              make(
                'th',
                { scope: 'col' },
                name,
                place === data.label[clip]
                  ? make('small', {}, 'the label')
                  : null,
              ),
            ),
          ),
        ),
        section('Probabilities, %', views),
        section('Votes', conditions),
      ),
    );
  }

  function figures(clip) {
    return make(
      'dl',
      { className: 'signals' },
      ...data.signals.map((signal) =>
        make(
          'div',
          {},
          make('dt', {}, signal.name),
          make('dd', {}, figure(signal, clip)),
        ),
      ),
    );
  }

  // The controls.

  function chooser(label, options, change) {
    const select = make(
      'select',
      {},
      ...options.map(([value, text]) => make('option', { value }, text)),
    );
    select.addEventListener('change', () => change(select.value));
    return make('label', {}, make('span', {}, label), select);
  }

  function controls() {
    const search = make('input', {
      type: 'search',
      placeholder: 'id, group or words',
      autocomplete: 'off',
      spellcheck: false,
    });
    search.addEventListener('input', () => {
      state.search = search.value;
      update();
    });
    const classes = [
      ['', 'any'],
      ...data.classes.map((name, index) => [String(index), name]),
    ];
    const chosen = [make('label', {}, make('span', {}, 'Search'), search)];
    if (data.label.some((index) => index >= 0)) {
      chosen.push(
        chooser('Label', classes, (value) => {
          state.label = value;
          update();
        }),
      );
    }
    if (full || spoken) {
      const name = full ? 'Full view says' : `Most votes on ${spoken.name}`;
      chosen.push(
        chooser(name, classes, (value) => {
          state.predicted = value;
          update();
        }),
      );
    }
    if (signals.size > 1 && lastColumn) {
      const select = chooser(
        'Last column',
        data.signals.map((signal) => [signal.key, signal.name]),
        (key) => {
          const column = signalColumn(key);
          columns[columns.length - 1] = column;
          state.sort = column;
          state.direction = column.first;
          drawHead();
          update();
        },
      );
      select.querySelector('select').value = lastColumn;
      chosen.push(select);
    }
    const toggles = flags
      .map((flag) => [flag, data.id.filter((_, i) => flag.test(i)).length])
      .filter(([, number]) => number)
      .map(([flag, number]) => {
        const button = make(
          'button',
          { type: 'button', ariaPressed: 'false' },
          flag.name,
          make('small', {}, count(number)),
        );
        button.addEventListener('click', () => {
          if (!state.flags.delete(flag)) state.flags.add(flag);
          button.ariaPressed = state.flags.has(flag);
          update();
        });
        return button;
      });
    return [
      make('div', { className: 'choices' }, ...chosen),
      make(
        'div',
        { className: 'toggles', role: 'group', 'aria-label': 'Only clips where' },
        ...toggles,
      ),
    ];
  }

  /** Which mark stands for which view and condition. */
  function key() {
    const marks = (title, sources, shape) =>
      sources.length
        ? make(
            'span',
            {},
            make('span', {}, title),
            ...sources.map((source) =>
              make('span', {}, dot(source.colour, shape), source.name),
            ),
          )
        : null;
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

  wrapper.append(make('table', {}, make('thead', {}, head), body));
  root.append(
    ...controls(),
    key(),
    status,
    wrapper,
    pager,
  );
  drawHead();
  update();
  root.hidden = false;
  root.parentElement.classList.add('live');
})();
