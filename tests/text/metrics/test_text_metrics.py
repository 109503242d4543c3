"""Metrics of texts, against published examples and the packages that define them."""

from __future__ import annotations

import functools
import random

import pytest

from framework.errors import ArgumentError
from text import metrics
from text.metrics.porter import stem
from text.metrics.rouge import common_places

# sacrebleu's README: three translations, and two references for each of the first two
SYSTEM = ["The dog bit the man.", "It wasn't surprising.", "The man had just bitten him."]
REFERENCES = [
    ["The dog bit the man.", "The dog had bit the man."],
    ["It was not unexpected.", "No one was surprised."],
    ["The man bit him first.", "The man had bitten the dog."],
]
LINE = 'the The cat cats sat on a mat, 3.5 1-2 (and) it\'s U.S. &amp; "quoted" well-known über 10,000 end.'
WORDS = LINE.split()


@functools.cache
def texts(seed=0, count=40):
    import numpy as np

    rng = np.random.default_rng(seed)
    lines = [list(rng.choice(WORDS, int(n))) for n in rng.integers(1, 15, count)]
    changed = [[w if rng.random() < 0.7 else str(rng.choice(WORDS)) for w in line] for line in lines]
    return [" ".join(line) for line in changed], [" ".join(line) for line in lines]


def scored(metric, output, target):
    metric.update(output, target)
    return metric.compute()


def test_published_bleu_and_chrf():
    metric = metrics.BLEU()
    assert scored(metric, SYSTEM, REFERENCES) == pytest.approx(48.530827, abs=1e-5)
    assert metric.precisions() == pytest.approx([82.4, 50.0, 45.5, 37.5], abs=0.05)
    assert metric.brevity_penalty() == pytest.approx(0.943, abs=5e-4)
    assert scored(metrics.ChrF(), SYSTEM, REFERENCES) == pytest.approx(59.73, abs=0.01)


def test_published_bleu_score_of_torchtext():
    candidates = [["My", "full", "pytorch", "test"], ["Another", "Sentence"]]
    references = [[["My", "full", "pytorch", "test"], ["Completely", "Different"]], [["No", "Match"]]]
    assert metrics.bleu_score(candidates, references) == pytest.approx(0.8408964276313782)
    assert metrics.bleu_score([["a"]], [[["b"]]]) == 0.0


@pytest.mark.parametrize("smooth", ["exp", "floor", "add-k", "none"])
@pytest.mark.parametrize("tokenize", ["13a", "intl", "none", "char"])
def test_bleu_against_sacrebleu(smooth, tokenize):
    peer = pytest.importorskip("sacrebleu.metrics")
    output, target = texts()
    theirs = peer.BLEU(smooth_method=smooth, tokenize=tokenize)
    assert scored(metrics.BLEU(smooth=smooth, tokenize=tokenize), output, target) == pytest.approx(
        theirs.corpus_score(output, [target]).score
    )
    sentence = peer.BLEU(smooth_method=smooth, tokenize=tokenize, effective_order=True, lowercase=True)
    for text, reference in zip(output[:20], target[:20]):
        ours = metrics.BLEU(smooth=smooth, tokenize=tokenize, effective_order=True, lowercase=True)
        assert scored(ours, [text], [[reference, reference[::-1]]]) == pytest.approx(
            sentence.sentence_score(text, [reference, reference[::-1]]).score
        )


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Hello, world! (It's 3.5 or 1,000-2.)", "Hello , world ! ( It's 3.5 or 1,000 - 2 . )"),
        ("a &quot;b&quot; &lt;c&gt; d-e", 'a " b " < c > d-e'),
        ("3.5. .5 a.b", "3.5 . . 5 a . b"),
    ],
)
def test_13a(text, tokens):
    assert metrics.tokenize_13a(text) == tokens.split()


def test_13a_against_sacrebleu():
    peer = pytest.importorskip("sacrebleu.tokenizers.tokenizer_13a").Tokenizer13a()
    for text in [*texts()[0], "a-\nb\nc <skipped> d", "x.y,z 3.a 3-a a-3 $5% {~}"]:
        assert metrics.tokenize_13a(text) == peer(text).split()


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Hello, world! (It's 3.5 or 1,000-2.)", "Hello , world ! ( It ' s 3.5 or 1,000-2 . )"),
        ("«C'est ça», dit-il… 5€ + ½", "« C ' est ça » , dit - il … 5 € + ½"),
        ("a.,b 3. x", "a . , b 3 . x"),
    ],
)
def test_intl(text, tokens):
    assert metrics.tokenize_intl(text) == tokens.split()


def test_intl_against_sacrebleu():
    peer = pytest.importorskip("sacrebleu.tokenizers.tokenizer_intl").TokenizerV14International()
    for text in [*texts()[0], "a.,b?!x 3.5,-2% $5 ٣٫٥ 「日本」。x—y “q” ½ ²a 5°C", "«C'est ça», dit-il… 5€ + ½"]:
        assert metrics.tokenize_intl(text) == peer(text).split()


@pytest.mark.parametrize(
    "given", [{}, {"word_order": 2}, {"char_order": 3, "beta": 1}, {"lowercase": True, "whitespace": True}]
)
def test_chrf_against_sacrebleu(given):
    peer = pytest.importorskip("sacrebleu.metrics").CHRF(**given)
    output, target = texts()
    other = target[1:] + target[:1]
    ours = scored(metrics.ChrF(**given), [*output, ""], [*map(list, zip(target, other)), ["x", "y"]])
    assert ours == pytest.approx(peer.corpus_score([*output, ""], [[*target, "x"], [*other, "y"]]).score)


def test_published_rouge():
    # rouge-score's README: rouge1 of these two sentences is precision 0.75, recall 0.6667; rougeL 0.625 and 0.5556
    metric = metrics.ROUGE(("rouge1", "rougeL"))
    metric.update(["The quick brown dog jumps on the log."], ["The quick brown fox jumps over the lazy dog"])
    assert metric.details()["rouge1"] == pytest.approx({"precision": 0.75, "recall": 6 / 9, "f1": 12 / 17})
    assert metric.details()["rougeL"] == pytest.approx({"precision": 0.625, "recall": 5 / 9, "f1": 10 / 17})
    with pytest.raises(ArgumentError, match="expected kinds"):
        metrics.ROUGE(("rougeX",))


@pytest.mark.parametrize("stems", [False, True])
def test_rouge_against_rouge_score(stems):
    rouge_scorer = pytest.importorskip("rouge_score.rouge_scorer")
    kinds = ["rouge1", "rouge2", "rouge3", "rougeL", "rougeLsum"]
    peer = rouge_scorer.RougeScorer(kinds, use_stemmer=stems)
    output, target = ([text.replace(" mat", " sitting\n").replace("on", "sits") for text in some] for some in texts())
    output[0], target[1] = "", "\n"
    other = target[1:] + target[:1]
    wanted = [peer.score_multi([a, b], text) for a, b, text in zip(target, other, output)]
    ours = metrics.ROUGE(kinds, use_stemmer=stems)
    ours.update(output, list(map(list, zip(target, other))))
    for kind in kinds:
        assert ours.compute()[kind] == pytest.approx(sum(score[kind].fmeasure for score in wanted) / len(wanted))


def test_rouge_of_sentences():
    """The example of the paper, section 3.2: the sentence w1..w5 has w1 w2 with one of the summary's, w1 w3 w5 with another.

    Together four of its five words; each word of the summary counts once.
    """
    metric = metrics.ROUGE(("rougeLsum",))
    metric.update(["w1 w2 w6 w7 w8\nw1 w3 w8 w9 w5"], ["w1 w2 w3 w4 w5"])
    assert metric.details()["rougeLsum"] == pytest.approx({"precision": 0.4, "recall": 0.8, "f1": 8 / 15})
    assert scored(metrics.ROUGE(("rougeLsum",)), ["a\na"], ["a a a"])["rougeLsum"] == pytest.approx(2 / 5)
    for a, b in (("abcbdab", "bdcaba"), ("", "ab"), ("aaaa", "aa")):
        places = common_places(a, b)
        assert len(places) == plain_common(a, b) and places == sorted(places, reverse=True)
    stems = metrics.ROUGE(("rouge1",), use_stemmer=True)
    assert scored(stems, ["He walked, singing."], ["he walks and sang"])["rouge1"] == pytest.approx(4 / 7)


# the examples of Porter's paper, step by step, and where NLTK's stemmer departs from it
PAIRS = """
caresses caress ponies poni ties tie caress caress cats cat feed feed agreed agre plastered plaster bled bled motoring motor
sing sing conflated conflat troubled troubl sized size hopping hop tanned tan falling fall hissing hiss fizzed fizz failing
fail filing file happy happi sky sky relational relat conditional condit rational ration valenci valenc hesitanci hesit
digitizer digit conformabli conform radicalli radic differentli differ vileli vile analogousli analog vietnamization vietnam
predication predic operator oper feudalism feudal decisiveness decis hopefulness hope callousness callous formaliti formal
sensitiviti sensit sensibiliti sensibl triplicate triplic formative form formalize formal electriciti electr electrical
electr hopeful hope goodness good revival reviv allowance allow inference infer airliner airlin gyroscopic gyroscop
adjustable adjust defensible defens irritant irrit replacement replac adjustment adjust dependent depend adoption adopt
communism commun activate activ angulariti angular homologous homolog effective effect bowdlerize bowdler probate probat
rate rate cease ceas controll control roll roll they they used use days day enjoy enjoy flies fli died die dying die spied
spi ecology ecolog traditionally tradit succeed succeed news news is is geology geolog logi logi
"""
STEMS = PAIRS.split()


def test_stems():
    for word, wanted in zip(STEMS[::2], STEMS[1::2], strict=True):
        assert stem(word) == wanted, word


def test_stems_against_nltk():
    peer = pytest.importorskip("nltk.stem.porter").PorterStemmer()
    draw = random.Random(0)
    ends = [
        "",
        "s",
        "ies",
        "ied",
        "ed",
        "eed",
        "ing",
        "y",
        "ly",
        "logi",
        "alli",
        "ally",
        "ization",
        "fully",
        "ement",
        "ion",
        "ll",
    ]
    heads = [word[: draw.randint(1, len(word))] for word in STEMS for _ in range(3)]
    heads += ["".join(draw.choice("aeiouybtlsz") for _ in range(draw.randint(1, 6))) for _ in range(1000)]
    for word in {head + end for head in heads for end in ends}:
        assert stem(word) == peer.stem(word), word


def plain_distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


def plain_common(a, b):
    row = [0] * (len(b) + 1)
    for x in a:
        before = 0
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], before + 1 if x == y else max(row[j], row[j - 1])
    return row[-1]


def test_edits(rng):
    assert metrics.edit_distance("kitten", "sitting") == 3 and metrics.edit_distance("", "ab") == 2
    assert metrics.edit_distance("ab", "") == 2 and metrics.longest_common("", "a") == 0
    for _ in range(200):
        a, b = (rng.integers(0, 5, int(rng.integers(0, 90))).tolist() for _ in range(2))
        assert metrics.edit_distance(a, b) == plain_distance(a, b)
        assert metrics.longest_common(a, b) == plain_common(a, b)


def test_error_rates():
    # jiwer's README: "hello world" heard as "hello duck" is a word error rate of 0.5
    assert scored(metrics.WordErrorRate(), ["hello duck"], ["hello world"]) == 0.5
    assert scored(metrics.WordErrorRate(), ["a b c d", ""], ["a", "x"]) == 2.0
    assert (
        scored(metrics.CharErrorRate(), ["hello duck"], ["hello world"])
        == plain_distance("hello duck", "hello world") / 11
    )
    with pytest.raises(ArgumentError, match="do not fit"):
        metrics.WordErrorRate().update(["a"], [])
    with pytest.raises(ArgumentError, match="call update"):
        metrics.CharErrorRate().compute()


def test_squad():
    assert metrics.normalize_answer("The  Eiffel-Tower, (in) a Paris!") == "eiffeltower in paris"
    assert metrics.exact_match("the cat", "Cat.") == 1.0
    assert metrics.answer_f1("a big cat", "the cat") == pytest.approx(2 / 3)
    # the example of SQuAD's paper and site: Denver Broncos, given several times, with one other answer
    truths = [["Denver Broncos", "Denver Broncos", "the Broncos"], ["", ""], ["Santa Clara, California"], []]
    metric = metrics.SQuADScore()
    metric.update(["The Denver Broncos", "", "Santa Clara", "something"], truths)
    assert metric.compute() == pytest.approx({"exact_match": 50.0, "f1": 100 * (1 + 1 + 0.8 + 0) / 4})
    with pytest.raises(ArgumentError, match="expected a list of true answers"):
        metric.update(["a"], ["a"])


def test_hostile_settings():
    for wrong in ({"tokenize": "zh"}, {"smooth": "x"}, {"max_order": 0}):
        with pytest.raises(ArgumentError, match="BLEU: expected"):
            metrics.BLEU(**wrong)
    with pytest.raises(ArgumentError, match="ChrF: expected"):
        metrics.ChrF(char_order=0)
    assert metrics.BLEU().compute() == 0.0 and metrics.ChrF().compute() == 0.0
    with pytest.raises(ArgumentError, match="do not fit"):
        metrics.BLEU().update(["a"], [])
