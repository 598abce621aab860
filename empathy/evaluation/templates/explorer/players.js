// Players of a clip's media; one clip is heard at a time.

import { make } from './elements.js';

export function players(clips, clip, root) {
  const { id, media } = clips.data;
  const made = ['video', 'audio']
    .filter((kind) => media[kind] && media[kind].rest[clip] !== null)
    .map((kind) => {
      const player = make(kind, { controls: true, preload: 'none' });
      player.setAttribute('aria-label', `${kind} of clip ${id[clip]}`);
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
      player.addEventListener('play', () => silence(root, player));
      player.src = media[kind].base + media[kind].rest[clip];
      return player;
    });
  return made.length ? make('div', { className: 'players' }, ...made) : null;
}

export function silence(where, but = null) {
  for (const player of where.querySelectorAll('audio, video')) {
    if (player !== but) player.pause();
  }
}
