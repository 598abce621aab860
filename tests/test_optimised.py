"""Programs are right as the binaries have them compiled, too.

`launch/test.sh` has those of all tests compiled in haste. How a step trains,
and what an encoder's states are, is tested once more with good machine code.
"""

import os
import pathlib
import re
import subprocess
import sys

import pytest

# What `launch/test.sh` adds.
_HASTE = re.compile(
  r'--xla_(backend_optimization_level|cpu_use_fusion_emitters|'
  r'cpu_parallel_codegen_split_count)=\w+'
)


@pytest.mark.long
@pytest.mark.parametrize(
  ('file', 'chosen'),
  [
    (
      'training/test_step.py',
      'rests or first_of_equals or takes_the_validation or swept or presence',
    ),
    (
      'encoders/test_encoders.py',
      'every_hidden and (deberta_v3 or hubert or videomae or timesformer)',
    ),
  ],
)
def test_good_machine_code_passes_the_same_tests(file, chosen):
  flags = _HASTE.sub('', os.environ['XLA_FLAGS'])
  path = pathlib.Path(__file__).parent / file
  done = subprocess.run(
    [
      *(sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider'),
      *('-m', 'not long', '-k', chosen, path),
    ],
    env=os.environ | {'XLA_FLAGS': flags},
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stdout[-3000:]
