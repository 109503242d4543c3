"""Families by tasks: a class for each that transformers has one for."""

from __future__ import annotations

import pytest

from tests.text.peer import transformers
from text.models.loading import TASKS, _families, architecture_of, list_families

MAPPINGS = {  # transformers' tables of classes by ``model_type``
    None: "MODEL_MAPPING_NAMES",
    "sequence-classification": "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES",
    "token-classification": "MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES",
    "question-answering": "MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES",
    "masked-lm": "MODEL_FOR_MASKED_LM_MAPPING_NAMES",
    "causal-lm": "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
    "seq2seq-lm": "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES",
    "multiple-choice": "MODEL_FOR_MULTIPLE_CHOICE_MAPPING_NAMES",
    "next-sentence-prediction": "MODEL_FOR_NEXT_SENTENCE_PREDICTION_MAPPING_NAMES",
}
WITHOUT_TRANSFORMERS = {  # what classes are called, where transformers is not there to say so
    "bert": "BertModel BertForSequenceClassification BertForTokenClassification BertForQuestionAnswering BertForMaskedLM "
    "BertLMHeadModel BertForMultipleChoice BertForNextSentencePrediction BertForPreTraining",
    "camembert": "CamembertModel CamembertForSequenceClassification CamembertForTokenClassification "
    "CamembertForQuestionAnswering CamembertForMaskedLM CamembertForCausalLM CamembertForMultipleChoice",
    "t5": "T5Model T5ForSequenceClassification T5ForTokenClassification T5ForQuestionAnswering T5ForConditionalGeneration",
    "qwen3": "Qwen3Model Qwen3ForSequenceClassification Qwen3ForTokenClassification Qwen3ForQuestionAnswering Qwen3ForCausalLM",
    "bart": "BartModel BartForSequenceClassification BartForQuestionAnswering BartForConditionalGeneration BartForCausalLM",
}  # fmt: skip


def test_every_task_of_transformers_has_its_class():
    transformers()
    from transformers.models.auto import modeling_auto

    assert {*MAPPINGS, "pretraining"} == {None, *TASKS}
    for task, mapping in MAPPINGS.items():
        theirs = getattr(modeling_auto, mapping)
        for family in list_families():
            ours = _families[family].get(task)
            name = None if ours is None else architecture_of(ours, family)
            assert name == theirs.get(family), f"{family} for {task}"


@pytest.mark.parametrize("family", WITHOUT_TRANSFORMERS)
def test_names_of_classes(family):
    found = {architecture_of(cls, family) for cls in _families[family].values()}
    assert found == set(WITHOUT_TRANSFORMERS[family].split())
