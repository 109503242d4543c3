"""Tokenizers over the ``tokenizers`` library: loaded, trained, saved, and called like those of transformers."""

from text.tokenizers.batch import BatchEncoding, CharSpan, TokenSpan
from text.tokenizers.tokenizer import Tokenizer
from text.tokenizers.training import train_from_iterator
