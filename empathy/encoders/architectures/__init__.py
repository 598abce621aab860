"""Each family of encoders, a file: its settings, its module, its names."""
