"""Writes the golden files; needs the extra `parity`.

  python tests/encoders/make_goldens.py [CASE ...]

For each case, by default all of them, a checkpoint, and in `states.npz` the
inputs and all hidden states that PyTorch Transformers computes from it in
float64, as float32.
"""

import pathlib
import shutil
import sys
import zlib

import cases
import numpy as np
import torch

FOLDER = pathlib.Path(__file__).parent / 'goldens'


def main() -> None:
  """Writes them anew."""
  own = [name for name in cases.CASES if name not in cases.NAMESAKES]
  for name in sys.argv[1:] or own:
    case, seed = cases.CASES[name], zlib.crc32(name.encode())
    shutil.rmtree(FOLDER / name, ignore_errors=True)
    model = cases.make(case, seed)
    cases.write(case, model, FOLDER / name)
    random = np.random.default_rng(seed)
    arrays = {}
    for i, make in enumerate(case.inputs):
      inputs = make(random)
      with torch.no_grad():
        output = cases.run(cases.encoder(case, model), inputs)
      for key, value in inputs.items():
        small = value.astype(np.int8) if value.dtype.kind == 'i' else value
        arrays[f'{i}/{key}'] = small
      states = torch.stack(output.hidden_states).float().numpy()
      arrays[f'{i}.hidden_states'] = states
      last = output.last_hidden_state.float().numpy()
      if not np.array_equal(states[-1], last):
        arrays[f'{i}.last_hidden_state'] = last
      if case.is_pooled:
        arrays[f'{i}.pooled'] = output.pooler_output.float().numpy()
    np.savez_compressed(FOLDER / name / 'states.npz', **arrays)


if __name__ == '__main__':
  main()
