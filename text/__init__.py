"""Text: tokenizers, data sets, models and generation."""

from text import (
    adapters,
    data,
    datasets,
    functional,
    generation,
    metrics,
    models,
    tokenizers,
    transforms,
    vectors,
    vocab,
)
from text.models import from_pretrained
from text.pooling import Dense, Normalize, Pooling
from text.sentence import SentenceEncoder
from text.tokenizers import Tokenizer
from text.utils import get_tokenizer, ngrams_iterator
from text.vocab import Vocab, build_vocab_from_iterator
