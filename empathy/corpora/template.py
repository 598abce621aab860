"""An example of a folder with one's own data, to fill in.

The importer `folder` reads it as it is: three speakers, six clips with words
and sound, and what three annotators said of them.
"""

import math
import pathlib
import struct
import wave

from empathy.corpora import tables

_RATE = 16_000
_SECONDS = 0.5
_CLIPS = {
  'file': [
    f'media/{name}_{number}.wav'
    for name in ('ann', 'ben', 'cy')
    for number in (1, 2)
  ],
  'transcript': [
    'That must have been hard for you.',
    'I am with you in this.',
    'The meeting is at nine.',
    'I see why that hurts.',
    'Please close the door.',
    'It was on the table.',
  ],
  'label': [
    *('empathetic', 'empathetic', 'neutral', 'empathetic', 'neutral'),
    'neutral',
  ],
  'speaker': ['Ann', 'Ann', 'Ben', 'Ben', 'Cy', 'Cy'],
}
# By clip: what each of three said by words alone, and by words and sound.
_VOTES = (
  ('een', 'eee'),
  ('ene', 'een'),
  ('nnn', 'nnn'),
  ('nee', 'eee'),
  ('nnn', 'nen'),
  ('nnn', 'nnn'),
)
_README = """\
Your own data
=============

Replace what is in this folder, and keep the names of the columns. Spreadsheets
save tables as CSV; commas, semicolons and tabs are read.

clips.csv    a row a clip
  file        the recording, from this folder on; with sound, pictures or both
  transcript  what is said; leave the column out if there are no words
  label       the class, or a number; empty where it is not known
  speaker     who speaks: nobody is then in training and in test
  More, if you have them: id (else the file's name), start and end of the clip
  in the file (0:01.5), fold or split. Other columns are kept.

votes.csv    a row a vote; leave it out if nobody voted
  file        the clip, with or without the suffix
  condition   what the annotator was shown: text, audio, video, or text+audio
  annotator   who voted, in any words that tell them apart
  label       what they said
  A column a person does as well: annotator_1, annotator_2, ...
  Of several labels the columns are label.empathy, label.distress and so on,
  here and in clips.csv. Of numbers say the ends of the scale, --scale=1,7 or
  --scale=empathy=1|7,distress=0|100; else they are guessed.

media/       the recordings, in folders as you like

Then:

  empathy prepare --importer=folder --source=THIS_FOLDER --output=CORPUS
  empathy evaluate --corpus=CORPUS --output=STUDY
"""


def write(folder: pathlib.Path) -> None:
  """Writes the example into a folder that is there."""
  (folder / 'media').mkdir(parents=True)
  for place, name in enumerate(_CLIPS['file']):
    _write_tone(folder / name, 220.0 * 2 ** (place / 6))
  tables.write_csv(folder / 'clips.csv', _CLIPS)
  words = {'e': 'empathetic', 'n': 'neutral'}
  rows = [
    (pathlib.Path(file).name, condition, f'rater {place + 1}', words[said])
    for file, both in zip(_CLIPS['file'], _VOTES, strict=True)
    for condition, all_ in zip(('text', 'text+audio'), both, strict=True)
    for place, said in enumerate(all_)
  ]
  names = ('file', 'condition', 'annotator', 'label')
  tables.write_csv(
    folder / 'votes.csv', dict(zip(names, zip(*rows, strict=True), strict=True))
  )
  (folder / 'README.txt').write_text(_README, encoding='utf-8')


def _write_tone(path: pathlib.Path, frequency: float) -> None:
  """Half a second of a tone, 16 bits, one channel."""
  samples = [
    round(8000 * math.sin(2 * math.pi * frequency * i / _RATE))
    for i in range(int(_RATE * _SECONDS))
  ]
  with wave.open(str(path), 'wb') as file:
    file.setnchannels(1)
    file.setsampwidth(2)
    file.setframerate(_RATE)
    file.writeframes(struct.pack(f'<{len(samples)}h', *samples))
