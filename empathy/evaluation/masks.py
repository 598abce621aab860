"""Views as masks: each modality of the corpus is a bit."""

from collections.abc import Iterable, Sequence

from empathy.corpora import corpus as corpus_lib


def canonical(name: str, modalities: Sequence[str]) -> str | None:
  """The name of a view, whatever the order and case of its modalities.

  Args:
    name: modalities joined by +.
    modalities: the corpus'.

  Returns:
    The name; None if a modality is there twice, or is none of the corpus'.
  """
  known = {modality.casefold(): modality for modality in modalities}
  parts = [known.get(part.strip().casefold()) for part in name.split('+')]
  if None in parts or len(set(parts)) < len(parts):
    return None
  return corpus_lib.view_name(parts)


def of(name: str, corpus: corpus_lib.Corpus) -> int:
  """The mask of a view."""
  return sum(1 << corpus.modalities.index(part) for part in name.split('+'))


def name(mask: int, corpus: corpus_lib.Corpus) -> str:
  """The view of a mask."""
  return '+'.join(
    modality
    for bit, modality in enumerate(corpus.modalities)
    if mask >> bit & 1
  )


def in_order(masks: Iterable[int]) -> list[int]:
  """Views, narrow ones first."""
  return sorted(masks, key=lambda mask: (mask.bit_count(), mask & -mask, mask))
