// The explorer's filters, orders and pages, on clips written by hand.
// test_explorer.py puts this file beside the modules and runs it with node.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Clips, differing } from './clips.js';
import { anything, flagsOf, matches, matching, wordsOf } from './filters.js';
import { pageOf } from './paging.js';
import { columnsOf, compare, lastKey, signalColumn } from './sorting.js';

// Four clips; text says nothing of the third, and nobody labelled the last.
const DATA = {
  classes: ['low', 'high'],
  id: ['clip10', 'clip2', 'clip1', 'Über'],
  group: { names: ['anna', 'bob'], places: [0, 1, 0, 1] },
  label: [0, 1, 1, -1],
  views: [
    { name: 'text', said: [1, 1, -1, 0] },
    { name: 'text+audio', said: [0, 0, 1, 1] },
  ],
  full: 1,
  conditions: [
    { name: 'text', said: [0, 1, -1, 1] },
    { name: 'text+audio', said: [1, 1, 0, -1] },
  ],
  fullCondition: 1,
  contested: [0, 1, 0, 0],
  signals: [
    {
      key: 'any_disagreement',
      name: 'some single view disagrees',
      kind: 'flag',
      values: [1, 1, 0, null],
    },
    {
      key: 'entropy',
      name: 'entropy',
      kind: 'figure',
      values: [0.5, null, -0.0001, 0.5],
    },
    { key: 'num_labels', name: 'labels', kind: 'count', values: [2, 1, 1, 1000] },
  ],
  dominant: { names: [''], places: [0, 0, 0, 0] },
  transcript: { names: ['I am Here', ''], places: [0, 1, 1, 1] },
  media: {},
};
const clips = new Clips(DATA);
/** The same clips, of which nothing is predicted. */
const humans = new Clips({ ...DATA, views: [], full: -1, signals: [] });
const found = (choice) => matching(clips, { ...anything(), ...choice });
const ordered = (column, direction, places = [3, 2, 1, 0]) =>
  places.sort((a, b) => compare(column, direction, a, b));
const column = (key) => columnsOf(clips).find((it) => it.key === key);
const flag = (name, of = clips) => flagsOf(of).find((it) => it.name === name);
const having = (name, of = clips) =>
  [0, 1, 2, 3].filter((clip) => flag(name, of).test(clip));

test('everything matches a reader who asks for nothing', () => {
  assert.deepEqual(found({}), [0, 1, 2, 3]);
});

test('a label is that of the clip, not what is predicted', () => {
  assert.deepEqual(found({ label: '0' }), [0]);
  assert.deepEqual(found({ label: '1' }), [1, 2]);
});

test('predicted is what the full view says, else what most votes say', () => {
  assert.deepEqual(found({ predicted: '0' }), [0, 1]);
  const choice = { ...anything(), predicted: '1' };
  assert.deepEqual(matching(humans, choice), [0, 1]);
});

test('a search wants all its words, in any case and order', () => {
  assert.deepEqual(wordsOf('  Two\tWORDS '), ['two', 'words']);
  assert.deepEqual(wordsOf(' '), []);
  assert.deepEqual(found({ search: 'here ANNA' }), [0]);
  assert.deepEqual(found({ search: 'anna' }), [0, 2]);
  assert.deepEqual(found({ search: 'clip1' }), [0, 2]);
  assert.deepEqual(found({ search: 'über' }), [3]);
  assert.deepEqual(found({ search: 'anna bob' }), []);
});

test('filters add up', () => {
  const flags = new Set([flag('some single view disagrees')]);
  assert.deepEqual(found({ flags }), [0, 1]);
  assert.deepEqual(found({ flags, label: '1' }), [1]);
  assert.deepEqual(found({ flags, label: '1', search: 'anna' }), []);
  assert.equal(matches(clips, { ...anything(), flags }, ['bob'], 1), true);
  assert.equal(matches(clips, { ...anything(), flags }, ['bob'], 3), false);
});

test('flags hold where they are known to', () => {
  // The last clip is wrong by no label.
  assert.deepEqual(having('full view wrong'), [1]);
  assert.deepEqual(having('contested'), [1]);
  // Two conditions, of which one is silent on the third clip and on the last.
  assert.deepEqual(having('conditions differ'), [0]);
  assert.deepEqual(having('misled by one modality'), []);
  assert.deepEqual(having('full view wrong', humans), []);
  assert.deepEqual(having('some single view disagrees', humans), []);
});

test('differing counts who says another class', () => {
  const [text, both] = DATA.views;
  assert.equal(differing([text, both], both, 0), 1);
  assert.equal(differing([text, both], both, 2), 0);
  assert.equal(differing([both], text, 2), null);
  assert.equal(differing([text, both], undefined, 1), 1);
  assert.equal(differing([text], null, 2), null);
});

test('columns are there for what the page has', () => {
  const keys = (of) => columnsOf(of).map((it) => it.key);
  const base = ['rank', 'id', 'group', 'label'];
  assert.deepEqual(keys(clips), [...base, 'views', 'annotators', 'entropy']);
  assert.deepEqual(keys(humans), [...base, 'annotators']);
  assert.equal(lastKey(humans), undefined);
});

test('ids are in the order that people count in', () => {
  assert.deepEqual(ordered(column('id'), 1), [2, 1, 0, 3]);
  assert.deepEqual(ordered(column('id'), -1), [3, 0, 1, 2]);
});

test('what is unknown comes last both ways, equals as they are ranked', () => {
  const entropy = signalColumn(clips, 'entropy');
  assert.deepEqual(ordered(entropy, 1), [2, 0, 3, 1]);
  assert.deepEqual(ordered(entropy, -1), [0, 3, 2, 1]);
  assert.deepEqual(ordered(column('label'), 1), [1, 2, 0, 3]);
  assert.deepEqual(ordered(column('rank'), -1), [3, 2, 1, 0]);
});

test('figures are short, and say what is unknown', () => {
  const show = (place, clip) => clips.figure(DATA.signals[place], clip);
  assert.deepEqual([show(0, 0), show(0, 2), show(0, 3)], ['yes', 'no', '–']);
  // No minus before what is written as nothing.
  assert.deepEqual([show(1, 0), show(1, 2)], ['0.500', '0.000']);
  assert.equal(show(2, 3), '1,000');
});

test('a page is one that there is', () => {
  const page = (page, pages, first, end) => ({ page, pages, first, end });
  assert.deepEqual(pageOf(41, 0), page(0, 3, 0, 20));
  assert.deepEqual(pageOf(41, 2), page(2, 3, 40, 41));
  assert.deepEqual(pageOf(20, 7), page(0, 1, 0, 20));
  assert.deepEqual(pageOf(0, 0), page(0, 1, 0, 0));
});

test('every module has what others import from it', async () => {
  // It links, and only then misses the page.
  await assert.rejects(import('./main.js'), {
    name: 'ReferenceError',
    message: 'document is not defined',
  });
});
