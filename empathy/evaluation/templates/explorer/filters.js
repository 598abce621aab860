// Which clips a reader asks for.

import { differing } from './clips.js';

/** What a reader has chosen: nothing yet, so that every clip matches. */
export function anything() {
  return { search: '', label: '', predicted: '', flags: new Set() };
}

/** What can be asked of clips by a button. */
export function flagsOf(clips) {
  const { data, full, signals } = clips;
  const isSet = (key) => (clip) => signals.get(key)?.values[clip] === 1;
  return [
    { name: 'some single view disagrees', test: isSet('any_disagreement') },
    {
      name: 'full view wrong',
      test: (clip) =>
        Boolean(full) &&
        full.said[clip] >= 0 &&
        data.label[clip] >= 0 &&
        full.said[clip] !== data.label[clip],
    },
    { name: 'misled by one modality', test: isSet('gold_misled') },
    { name: 'contested', test: (clip) => data.contested[clip] === 1 },
    {
      name: 'conditions differ',
      test: (clip) =>
        data.conditions.length > 1 &&
        differing(data.conditions, null, clip) > 0,
    },
  ];
}

/** The words of a search, all of which a clip must hold. */
export function wordsOf(search) {
  return search.toLowerCase().split(/\s+/).filter(Boolean);
}

/** Whether a clip is what the reader has chosen; `words` are the search's. */
export function matches(clips, choice, words, clip) {
  const { data, full, spoken } = clips;
  if (choice.label !== '' && data.label[clip] !== Number(choice.label)) {
    return false;
  }
  if (
    choice.predicted !== '' &&
    (full || spoken).said[clip] !== Number(choice.predicted)
  ) {
    return false;
  }
  for (const flag of choice.flags) if (!flag.test(clip)) return false;
  return words.every((word) => clips.text(clip).includes(word));
}

/** The clips that match, as they are ranked. */
export function matching(clips, choice) {
  const words = wordsOf(choice.search);
  const found = [];
  for (let clip = 0; clip < clips.number; clip++) {
    if (matches(clips, choice, words, clip)) found.push(clip);
  }
  return found;
}
