"""Data sets of texts: tables, folders, corpora, columns, and those that have a name."""

from hub.dataset_files import DatasetNotFound
from text.datasets.cnndm import CNNDM
from text.datasets.corpus import LineCorpus, ParallelCorpus, TokenBlocks
from text.datasets.folder import TextFolder
from text.datasets.glue import MNLI, MRPC, QNLI, QQP, RTE, SST2, STSB, WNLI, CoLA
from text.datasets.imdb import IMDB
from text.datasets.language_modeling import CC100, EnWik9, PennTreebank, WikiText2, WikiText103
from text.datasets.named import NamedDataset
from text.datasets.squad import SQuAD1, SQuAD2
from text.datasets.strings import Strings
from text.datasets.table import TextTable, find_tables
from text.datasets.tagging import UDPOS, CoNLL2000Chunking, CoNLL2003, ConllDataset
from text.datasets.topics import (
    AG_NEWS,
    AmazonReviewFull,
    AmazonReviewPolarity,
    DBpedia,
    SogouNews,
    YahooAnswers,
    YelpReviewFull,
    YelpReviewPolarity,
)
from text.datasets.translation import IWSLT2016, IWSLT2017, Multi30k
