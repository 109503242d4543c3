"""How good predictions about texts are: classes, numbers, entities, answers, translations, summaries, transcripts."""

from framework.utils.metric import Metric
from text.metrics.answers import SQuADScore, answer_f1, exact_match, normalize_answer
from text.metrics.bleu import BLEU, bleu_score, tokenize_13a, tokenize_intl
from text.metrics.chrf import ChrF
from text.metrics.classification import Accuracy, F1Score, MatthewsCorrelation
from text.metrics.correlation import PearsonCorrelation, SpearmanCorrelation
from text.metrics.edits import edit_distance, longest_common
from text.metrics.entities import EntityF1, get_entities
from text.metrics.error_rates import CharErrorRate, WordErrorRate
from text.metrics.perplexity import Perplexity
from text.metrics.rouge import ROUGE
