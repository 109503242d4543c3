"""Encoders as decoders: beside transformers', token by token, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import framework as F
import text
from framework.errors import ArgumentError
from tests.text.models.decoders import check, logits_in_steps, texts
from tests.text.models.parity import SMALL
from tests.text.peer import transformers
from text.models import BertConfig, BertForSequenceClassification, BertLMHeadModel, BertModel
from text.models.bert_layers import refuse_variants

FAMILIES: dict[str, dict[str, Any]] = {
    "bert": {"pad_token_id": 0},
    "electra": {"embedding_size": 24, "pad_token_id": 0},
    "xlm-roberta": {"type_vocab_size": 1, "pad_token_id": 1},
}


def fields_of(family: str) -> dict[str, Any]:
    return {**SMALL, **FAMILIES[family], "is_decoder": True}


def small(family: str) -> Any:
    F.manual_seed(0)
    kind = text.models.loading._families[family]["causal-lm"]
    return kind(kind.config_class(**fields_of(family), initializer_range=0.3)).double().eval()


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("family", FAMILIES)
def test_agrees_with_transformers(family, side, tmp_path):
    check(tmp_path, transformers().AutoConfig.for_model(family, **fields_of(family)), "causal-lm", side)


@pytest.mark.parametrize("side", [None, "right"])
@pytest.mark.parametrize("family", FAMILIES)
def test_in_steps_as_at_once(family, side):
    model = small(family)
    ids, mask = texts(1, side or "right", model.config.pad_token_id)
    if side is None:  # places are counted on from the cache's length
        ids = np.where(mask == 1, ids, 7)
    given = {} if side is None else {"attention_mask": F.tensor(mask)}
    with F.no_grad():
        places = F.tensor(mask).cumsum(1) - 1 + model.first_position
        expected = model(F.tensor(ids), **given, **({} if side is None else {"position_ids": places})).logits.numpy()
        if side is None:
            found = logits_in_steps(model, ids, None, (0, 5, 6, 7, 8, 9, 10, 11))
        else:
            cache, pieces = model.new_cache(), []
            for start, stop in ((0, 4), (4, 5), (5, 11)):
                seen = {"attention_mask": F.tensor(mask[:, :stop]), "position_ids": places[:, start:stop]}
                pieces.append(model(F.tensor(ids[:, start:stop]), past_key_values=cache, **seen).logits.numpy())
            found = np.concatenate(pieces, 1)
    seen = np.ones_like(mask) if side is None else mask
    np.testing.assert_allclose(found[seen == 1], expected[seen == 1], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_texts_go_on_alike_alone_and_padded(family):
    model = small(family)
    padding = model.config.pad_token_id
    short, long = [9, 8, 7], [11, 12, 13, 14, 15]
    batch = F.tensor([[padding, padding, *short], long])
    mask = F.tensor([[0, 0, 1, 1, 1], [1] * 5])
    options = {"max_new_tokens": 6, "eos_token_id": None, "pad_token_id": padding}
    together = model.generate(batch, mask, **options).numpy()[:, 5:]
    for row, prompt in enumerate((short, long)):
        alone = model.generate(F.tensor([prompt]), **options).numpy()[0, len(prompt) :]
        np.testing.assert_array_equal(together[row], alone)


def test_a_decoder_without_a_head_and_with_another_one():
    ids, other = F.tensor([[5, 6, 7, 8]]), F.tensor([[5, 6, 9, 9]])
    for kind, field in ((BertModel, "last_hidden_state"), (BertForSequenceClassification, "logits")):
        model = kind(BertConfig(**fields_of("bert"))).eval()
        states = [model(x)[field].detach().numpy() for x in (ids, other)]
        assert np.allclose(states[0][0, 0], states[1][0, 0], atol=1e-6)  # the first token sees itself alone


def test_what_is_refused():
    with pytest.raises(ArgumentError, match="pass is_decoder=True"):
        BertLMHeadModel(BertConfig(**SMALL))
    with pytest.raises(ArgumentError, match="cross-attention is not made"):
        BertModel(BertConfig(**SMALL, add_cross_attention=True))
    with pytest.raises(ArgumentError, match="an encoder only"):
        refuse_variants(BertConfig(**SMALL, is_decoder=True))
