"""Says which commands there are, to those who forget the dot."""

import sys

COMMANDS = (
  'prepare',
  'extract_features',
  'finetune',
  'train',
  'predict',
  'evaluate',
)

if __name__ == '__main__':
  print(
    'error: expected python -m empathy.COMMAND, one of '
    f'{", ".join(COMMANDS)}; each has --help',
    file=sys.stderr,
  )
  sys.exit(2)
