"""Text: tokenizers, data sets, models and generation."""
