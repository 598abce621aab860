"""The statistics of each question, as entries of the catalogue."""
