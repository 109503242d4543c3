"""The formats that weights come in, each read without running anything."""
