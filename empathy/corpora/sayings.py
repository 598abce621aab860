"""What is said in a simulated clip, for readers: no feature comes of it.

Each clip has two sentences that fit the class to which its text points, or two
that say little where its cues are weak. They are made up.
"""

from collections.abc import Collection, Sequence

import numpy as np

_SENTENCES = {
  'neutral': (
    (
      'The meeting is at nine.',
      'Your form is on my desk.',
      'The train leaves from track four.',
      'We close at six today.',
      'I read it this morning.',
      'There are two ways to do it.',
      'The report has twelve pages.',
      'It is in the second drawer.',
    ),
    (
      'Please sign here.',
      'Tell me which one you take.',
      'I can send you the address.',
      'That is all for now.',
      'The rest is on the second page.',
      'You will get a letter.',
      'We can go through it later.',
      'The next one is tomorrow.',
    ),
  ),
  'empathetic': (
    (
      'That sounds hard.',
      'I am so sorry to hear it.',
      'Oh, I can imagine.',
      'You must be worn out.',
      'I would feel the same.',
      'Thank you for telling me.',
      'No wonder that you are upset.',
      'That must have hurt.',
    ),
    (
      'You are not alone in this.',
      'Take all the time you need.',
      'What would help you most now?',
      'I am glad that you called.',
      'We will find a way together.',
      'I have been there, too.',
      'How are you holding up?',
      'I am here if you want to talk.',
    ),
  ),
}
_VAGUE = (
  (
    'Hm.',
    'Well, yes.',
    'I see.',
    'Is that so?',
    'Right.',
    'Okay.',
  ),
  (
    'I know.',
    'Let me think.',
    'It is what it is.',
    'So that is that.',
    'Who would have thought.',
    'We will see.',
  ),
)


def knows(classes: Collection[str]) -> bool:
  """Whether there are sentences for all of the classes."""
  return set(classes) <= set(_SENTENCES)


def draw(
  classes: Sequence[str],
  cue: np.ndarray,
  weak: np.ndarray,
  random: np.random.Generator,
) -> np.ndarray:
  """Draws what is said.

  Args:
    classes: C names, all of them known.
    cue: (N,) int, the class to which the text of each clip points.
    weak: (N,) bool, whether it says little.
    random: its state moves on.

  Returns:
    (N,) str.
  """
  pairs = [_SENTENCES[name] for name in classes]
  chosen = random.random((len(cue), 2))
  return np.array(
    [
      ' '.join(
        several[int(place * len(several))]
        for several, place in zip(
          _VAGUE if is_weak else pairs[number], places, strict=True
        )
      )
      for number, is_weak, places in zip(cue, weak, chosen, strict=True)
    ]
  )
