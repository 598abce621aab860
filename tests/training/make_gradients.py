"""Writes `gradients.npz`; needs the extra `parity`.

  python tests/training/make_gradients.py

For each encoder of `CASES`, which are those of tests/encoders, the gradients
that PyTorch Transformers computes of the loss of a classifier on the first
position, for the classifier and the encoder's last layer; and for those of
`ADAPTED` the gradients for adapters of its queries and values, with soft
targets and weights of clips.
"""

import pathlib
import re
import sys

import numpy as np
import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / 'encoders'))
import cases

FILE = pathlib.Path(__file__).parent / 'gradients.npz'
CASES = ('roberta', 'deberta_v3', 'wav2vec2', 'videomae', 'timesformer')
ADAPTED = ('roberta', 'wav2vec2', 'videomae')
RANK, ALPHA = 2, 3.0
_LABELS = (0, 2, 1)


def head(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
  """A classifier's kernel and bias."""
  kernel = random.normal(size=(8, 3)).astype(np.float32)
  return kernel, random.normal(size=3).astype(np.float32)


def gradients(name: str) -> dict[str, np.ndarray]:
  """The inputs, the classifier, the loss, and the gradients by their names."""
  seed = list(cases.CASES).index(name)
  case = cases.CASES[name]
  encoder = cases.encoder(case, cases.make(case, seed)).double()
  random = np.random.default_rng(seed)
  arrays = case.inputs[0](random)
  kernel, bias = (torch.tensor(x).double() for x in head(random))
  kernel.requires_grad_()
  bias.requires_grad_()
  state = cases.run(encoder, arrays).last_hidden_state[:, 0]
  labels = torch.tensor(_LABELS[: len(state)])
  loss = torch.nn.functional.cross_entropy(state @ kernel + bias, labels)
  loss.backward()
  found = {f'inputs/{key}': value for key, value in arrays.items()}
  found |= {'labels': labels.numpy(), 'loss': loss.detach().numpy()}
  for key, value in (('kernel', kernel), ('bias', bias)):
    found[f'head/{key}'] = value.detach().numpy()
    found[f'gradients/{key}'] = value.grad.numpy()
  for key, value in encoder.named_parameters():
    if '.1.' in key and 'layer' in key and 'conv_layers' not in key:
      found[f'gradients/{key}'] = value.grad.numpy()
  return {
    key: value.astype(np.float32 if value.dtype.kind == 'f' else np.int32)
    for key, value in found.items()
  }


def adapted(name: str) -> dict[str, np.ndarray]:
  """Likewise, with adapters by the names of what they are added to."""
  golden = gradients(name)
  seed = list(cases.CASES).index(name)
  case = cases.CASES[name]
  encoder = cases.encoder(case, cases.make(case, seed)).double()
  random = np.random.default_rng(seed + 100)
  count = len(golden['labels'])
  found = {
    'targets': random.dirichlet(np.ones(3), count),
    'weights': random.uniform(0.5, 2, count),
  }
  changed, learned = {}, {}
  for key, value in encoder.named_parameters():
    value.requires_grad_(False)
    if re.search(r'\.1\..*(query|value|q_proj|v_proj)\.weight$', key):
      rows, columns = value.shape[1], value.shape[0]
      for part, shape in (('a', (rows, RANK)), ('b', (RANK, columns))):
        drawn = random.normal(size=shape).astype(np.float32)
        found[f'adapters/{key}/{part}'] = drawn
        learned[f'{key}/{part}'] = torch.tensor(drawn).double()
        learned[f'{key}/{part}'].requires_grad_()
      product = learned[f'{key}/a'] @ learned[f'{key}/b']
      changed[key] = value + ALPHA / RANK * product.T
  arrays = {
    key.removeprefix('inputs/'): torch.tensor(value)
    for key, value in golden.items()
    if key.startswith('inputs/')
  }
  arrays = {
    key: value.double() if value.is_floating_point() else value
    for key, value in arrays.items()
  }
  output = torch.func.functional_call(encoder, changed, (), arrays)
  kernel, bias = (
    torch.tensor(golden[f'head/{key}']).double() for key in ('kernel', 'bias')
  )
  losses = torch.nn.functional.cross_entropy(
    output.last_hidden_state[:, 0] @ kernel + bias,
    torch.tensor(found['targets']),
    reduction='none',
  )
  loss = (torch.tensor(found['weights']) * losses).sum() / count
  loss.backward()
  found['loss'] = loss.detach().numpy()
  for key, value in learned.items():
    found[f'gradients/{key}'] = value.grad.numpy()
  return {key: np.float32(value) for key, value in found.items()}


def main() -> None:
  """Writes the file anew."""
  arrays = {
    f'{name}/{key}': value
    for name in CASES
    for key, value in gradients(name).items()
  } | {
    f'adapted/{name}/{key}': value
    for name in ADAPTED
    for key, value in adapted(name).items()
  }
  np.savez_compressed(FILE, **arrays)


if __name__ == '__main__':
  main()
