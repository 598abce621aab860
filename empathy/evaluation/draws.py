"""Random numbers of a clip that depend on its id alone.

What is drawn for a clip is the same in whatever order clips come, and with
whatever others. The numbers are those of a counter: a key, made of the id, plus
a step for each number, is mixed by the last steps of splitmix64 (Steele et al.
2014, OOPSLA, fig. 16; the constants are Stafford's), which pass for random.
"""

import hashlib

import numpy as np

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def keys(ids: np.ndarray, purpose: str) -> np.ndarray:
  """A key of each clip (N,) str, independent for each purpose: (N,) uint64."""
  begun = hashlib.blake2b(f'{purpose}\0'.encode(), digest_size=8)
  found = []
  for name in ids.tolist():
    one = begun.copy()
    one.update(name.encode())
    found.append(one.digest())
  return np.frombuffer(b''.join(found), '<u8').astype(np.uint64)


def anew(found: np.ndarray, purpose: str) -> np.ndarray:
  """Keys (N,) for another purpose, without hashing the ids again."""
  return bits(found ^ keys(np.array(['']), purpose), 0)


def uniform(keys: np.ndarray, counter: np.ndarray) -> np.ndarray:
  """Numbers from 0 to 1, the latter excluded.

  Args:
    keys: (N,) uint64.
    counter: (...) int, which of a clip's numbers.

  Returns:
    (..., N) float64.
  """
  return (bits(keys, counter) >> np.uint64(11)) * 2.0**-53


def bits(keys: np.ndarray, counter: np.ndarray) -> np.ndarray:
  """The same as 64 random bits each: (..., N) uint64."""
  counter = np.asarray(counter).astype(np.uint64)[..., None]
  mixed = keys + (counter + np.uint64(1)) * _STEP
  for shift, factor in zip((30, 27), _FACTORS, strict=True):
    mixed ^= mixed >> np.uint64(shift)
    mixed *= factor
  mixed ^= mixed >> np.uint64(31)
  return mixed
