// What is known of the clips: the page's data, and questions to it.

export const DASH = '–';

export function count(number) {
  return number.toLocaleString('en-US');
}

/** The clips of a page, each named by its place: 0 is most in doubt. */
export class Clips {
  /** `data` is what sections/clips.py writes: lists over clips. */
  constructor(data) {
    this.data = data;
    this.number = data.id.length;
    this.full = data.views[data.full];
    this.spoken = data.conditions[data.fullCondition];
    this.signals = new Map(data.signals.map((it) => [it.key, it]));
    this.texts = null;
  }

  group(clip) {
    return this.data.group.names[this.data.group.places[clip]];
  }

  transcript(clip) {
    return this.data.transcript.names[this.data.transcript.places[clip]];
  }

  dominant(clip) {
    return this.data.dominant.names[this.data.dominant.places[clip]];
  }

  /** The name of a class; '' where it is unknown. */
  className(place) {
    return place < 0 ? '' : this.data.classes[place];
  }

  label(clip) {
    return this.className(this.data.label[clip]);
  }

  /** What a search looks through; made when first asked for. */
  text(clip) {
    this.texts ??= this.data.id.map((id, it) =>
      `${id} ${this.group(it)} ${this.transcript(it)}`.toLowerCase(),
    );
    return this.texts[clip];
  }

  /** A signal's value, as short as a table can show it. */
  figure(signal, clip) {
    const value = signal.values[clip];
    if (value === null) return DASH;
    if (signal.kind === 'flag') return value ? 'yes' : 'no';
    if (signal.kind === 'count') return count(value);
    const text = Math.abs(value).toFixed(3);
    return value < 0 && /[1-9]/.test(text) ? `−${text}` : text;
  }
}

/**
 * How many of `sources` say another class than `reference`; without one, how
 * many classes they say beside the first. Null where nobody says anything.
 */
export function differing(sources, reference, clip) {
  if (reference && reference.said[clip] < 0) return null;
  const said = sources
    .map((source) => source.said[clip])
    .filter((place) => place >= 0);
  if (!reference) return said.length ? new Set(said).size - 1 : null;
  return said.filter((place) => place !== reference.said[clip]).length;
}
