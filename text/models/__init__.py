"""Models of text, in transformers' names: configs, state-dict keys, inputs and outputs.

A family is one file that is written like ``bert.py``:

1. a ``Config`` with ``model_type``, the table ``defaults``, and ``attribute_map`` for fields that go by two names;
2. an abstract class over ``PreTrainedModel`` with ``config_class``, ``base_model_prefix`` and ``fit_rules`` (``base`` is the
   prefix again; ``optional``, ``fresh`` and ``key_map`` as files need them; ``head`` names the layers whose outputs are
   classes), and ``_init_weights`` where parameters stand outside of linear layers, embeddings and norms;
3. the base class, ``@register_family("bert")``, with ``get_input_embeddings``; an encoder over ``Encoder`` of ``encoder.py``
   with ``embed``, another model with a ``forward`` that takes masks from ``masks.py``, runs ``self.run_layers`` over layers
   built on ``attend``, and returns an object of ``outputs.py``;
4. classes with a head, ``@register_family("bert", "masked-lm")``, each over an abstract class of ``heads.py`` and the
   family's; pairs of shared parameters stand in ``tied``, and ``get_output_embeddings`` gives the layer of token scores;
5. each concrete ``__init__`` ends in ``self.post_init()``; the family's names are exported here.

``text.from_pretrained`` then finds it by the ``model_type`` of a ``config.json``.
"""

from text.models.base import PreTrainedModel
from text.models.bert import (
    BertConfig,
    BertForMaskedLM,
    BertForMultipleChoice,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertLMHeadModel,
    BertModel,
)
from text.models.classic import AttentiveBiLSTM, BagOfEmbeddings, TextCNN
from text.models.config import Config
from text.models.loading import from_config, from_pretrained, list_families, register_family
from text.models.albert import (
    AlbertConfig,
    AlbertForMaskedLM,
    AlbertForMultipleChoice,
    AlbertForQuestionAnswering,
    AlbertForSequenceClassification,
    AlbertForTokenClassification,
    AlbertModel,
)
from text.models.deberta import (
    DebertaV2Config,
    DebertaV2ForMaskedLM,
    DebertaV2ForMultipleChoice,
    DebertaV2ForQuestionAnswering,
    DebertaV2ForSequenceClassification,
    DebertaV2ForTokenClassification,
    DebertaV2Model,
)
from text.models.distilbert import (
    DistilBertConfig,
    DistilBertForMaskedLM,
    DistilBertForMultipleChoice,
    DistilBertForQuestionAnswering,
    DistilBertForSequenceClassification,
    DistilBertForTokenClassification,
    DistilBertModel,
)
from text.models.electra import (
    ElectraConfig,
    ElectraForCausalLM,
    ElectraForMaskedLM,
    ElectraForMultipleChoice,
    ElectraForQuestionAnswering,
    ElectraForSequenceClassification,
    ElectraForTokenClassification,
    ElectraModel,
)
from text.models.modernbert import (
    ModernBertConfig,
    ModernBertForMaskedLM,
    ModernBertForMultipleChoice,
    ModernBertForQuestionAnswering,
    ModernBertForSequenceClassification,
    ModernBertForTokenClassification,
    ModernBertModel,
)
from text.models.mpnet import (
    MPNetConfig,
    MPNetForMaskedLM,
    MPNetForMultipleChoice,
    MPNetForQuestionAnswering,
    MPNetForSequenceClassification,
    MPNetForTokenClassification,
    MPNetModel,
)
from text.models.roberta import (
    RobertaConfig,
    RobertaForCausalLM,
    RobertaForMaskedLM,
    RobertaForMultipleChoice,
    RobertaForQuestionAnswering,
    RobertaForSequenceClassification,
    RobertaForTokenClassification,
    RobertaModel,
    XLMRobertaConfig,
    XLMRobertaForCausalLM,
    XLMRobertaForMaskedLM,
    XLMRobertaForMultipleChoice,
    XLMRobertaForQuestionAnswering,
    XLMRobertaForSequenceClassification,
    XLMRobertaForTokenClassification,
    XLMRobertaModel,
)
from text.models.bart import (
    BartConfig,
    BartForCausalLM,
    BartForConditionalGeneration,
    BartForQuestionAnswering,
    BartForSequenceClassification,
    BartModel,
)
from text.models.cache import Cache
from text.models.gpt2 import (
    GPT2Config,
    GPT2ForQuestionAnswering,
    GPT2ForSequenceClassification,
    GPT2ForTokenClassification,
    GPT2LMHeadModel,
    GPT2Model,
)
from text.models.llama import (
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForQuestionAnswering,
    LlamaForSequenceClassification,
    LlamaForTokenClassification,
    LlamaModel,
)
from text.models.marian import MarianConfig, MarianForCausalLM, MarianModel, MarianMTModel
from text.models.mistral import (
    MistralConfig,
    MistralForCausalLM,
    MistralForQuestionAnswering,
    MistralForSequenceClassification,
    MistralForTokenClassification,
    MistralModel,
)
from text.models.qwen import (
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2ForQuestionAnswering,
    Qwen2ForSequenceClassification,
    Qwen2ForTokenClassification,
    Qwen2Model,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3ForQuestionAnswering,
    Qwen3ForSequenceClassification,
    Qwen3ForTokenClassification,
    Qwen3Model,
)
from text.models.pretraining import (
    AlbertForPreTraining,
    BertForNextSentencePrediction,
    BertForPreTraining,
    ElectraForPreTraining,
)
from text.models.t5 import (
    T5Config,
    T5EncoderModel,
    T5ForConditionalGeneration,
    T5ForQuestionAnswering,
    T5ForSequenceClassification,
    T5ForTokenClassification,
    T5Model,
)
