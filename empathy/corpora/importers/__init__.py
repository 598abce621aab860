"""One module a published layout, each with `read(source) -> Corpus`."""
