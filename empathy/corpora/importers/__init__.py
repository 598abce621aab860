"""One module a published layout, each with `read(source) -> Corpus`.

Or with a dictionary of them, by the name of the label, where clips have
several. A new file here is a new importer; the first line of its docstring is
what `empathy prepare --help` says of it. What else its function takes are flags
of `prepare`, but for `media`: where it writes media that the source keeps
within its files, `media` of the corpus folder. The source is a folder, or a
file where `SUFFIXES` of the module has its suffix.
"""
