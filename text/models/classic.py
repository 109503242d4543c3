"""Classic nets for texts: a bag of embeddings, convolutions over words, and a recurrent net with attention.

They are made with ``hub.create("bag", vocab_size=..., num_classes=...)`` and trained from scratch on the numbers of words.
What stands after a text does not change its scores, so texts of all lengths go into one batch.
"""

from __future__ import annotations

from typing import Any

from framework import nn
from framework.nn import functional as F
from framework.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from framework.ops.joining import cat
from framework.tensor import Tensor
from hub import FitRules, register_model


class BagOfEmbeddings(nn.Module):
    """The mean of a text's word vectors, and a linear layer on it; an empty text's mean is 0.

    Args:
        vocab_size: number of words.
        num_classes: number of classes.
        embedding_dim: length of a word's vector.
        dropout: share of the mean's elements that is dropped in training.
        padding_idx: the word that stands for none.

    Reference: Joulin et al., "Bag of Tricks for Efficient Text Classification", https://arxiv.org/abs/1607.01759,
    whose softmax over a tree of classes is left out.

    Example:
        >>> model = BagOfEmbeddings(vocab_size=1000, num_classes=4)
        >>> model(framework.tensor([[5, 7, 2], [9, 0, 0]])).shape  # the second text has one word
        framework.Size([2, 4])
    """

    fit_rules = FitRules(head=("classifier",))

    def __init__(
        self,
        vocab_size: int,
        num_classes: int = 2,
        *,
        embedding_dim: int = 64,
        dropout: float = 0.0,
        padding_idx: int = 0,
    ) -> None:
        super().__init__()
        self.embedding = nn.EmbeddingBag(vocab_size, embedding_dim, mode="mean", padding_idx=padding_idx)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(embedding_dim, num_classes)
        # so small that what a word has learnt, and not where it began, decides
        nn.init.uniform_(self.embedding.weight, -1 / embedding_dim, 1 / embedding_dim)
        self.embedding._fill_padding_idx_with_zero()

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Class scores (B, num_classes).

        Args:
            input_ids: (B, S) numbers of words.
            attention_mask: (B, S), 0 where no word stands; where the padding word stands unless given.
        """
        ids, _ = _words(input_ids, attention_mask, self.embedding)
        return self.classifier(self.dropout(self.embedding(ids)))


class TextCNN(nn.Module):
    """Convolutions of some widths over word vectors, the strongest answer of each filter, and a linear layer.

    Args:
        vocab_size: number of words.
        num_classes: number of classes.
        embedding_dim: length of a word's vector.
        filters: number of filters of each width.
        widths: how many words a filter sees; it reaches over both ends of a text by all but one of them.
        dropout: share of the filters' answers that is dropped in training.
        padding_idx: the word that stands for none, whose vector is 0.

    Reference: Kim, "Convolutional Neural Networks for Sentence Classification", https://arxiv.org/abs/1408.5882; the word
    vectors are of one kind, and the weights' norm is not bounded.
    """

    fit_rules = FitRules(head=("classifier",))

    def __init__(
        self,
        vocab_size: int,
        num_classes: int = 2,
        *,
        embedding_dim: int = 128,
        filters: int = 100,
        widths: tuple[int, ...] = (3, 4, 5),
        dropout: float = 0.5,
        padding_idx: int = 0,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_dim, padding_idx=padding_idx)
        self.convolutions = nn.ModuleList(nn.Conv1d(embedding_dim, filters, w, padding=w - 1) for w in widths)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(filters * len(widths), num_classes)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Class scores (B, num_classes); words come first, padding last. Arguments as for ``BagOfEmbeddings``."""
        ids, mask = _words(input_ids, attention_mask, self.embedding)
        words = self.embedding(ids).transpose(1, 2)  # (B, embedding_dim, S)
        found = []
        for convolution in self.convolutions:
            # windows past the last word are answered by 0, than which no relu is less
            reached = F.pad(mask.to(words.dtype), (convolution.padding[0], 0), value=1.0)
            found.append((convolution(words).relu() * reached.unsqueeze(1)).amax(2))
        return self.classifier(self.dropout(cat(found, 1)))


class AttentiveBiLSTM(nn.Module):
    """An LSTM in both directions, whose states are averaged by weights that the net learns, and a linear layer.

    A text's weights are the softmax of ``context(tanh(attention(states)))``.

    Args:
        vocab_size: number of words.
        num_classes: number of classes.
        embedding_dim: length of a word's vector.
        hidden_size: length of a direction's state.
        num_layers: number of layers of the LSTM.
        dropout: share of the word vectors, of the states between layers, and of the average that is dropped in training.
        padding_idx: the word that stands for none.

    Reference: Yang et al., "Hierarchical Attention Networks", https://aclanthology.org/N16-1174, of which this is the part
    over words, with LSTMs as in Zhou et al., https://aclanthology.org/P16-2034
    """

    fit_rules = FitRules(head=("classifier",))

    def __init__(
        self,
        vocab_size: int,
        num_classes: int = 2,
        *,
        embedding_dim: int = 128,
        hidden_size: int = 128,
        num_layers: int = 1,
        dropout: float = 0.5,
        padding_idx: int = 0,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_dim, padding_idx=padding_idx)
        between = dropout if num_layers > 1 else 0.0
        self.lstm = nn.LSTM(
            embedding_dim, hidden_size, num_layers, batch_first=True, dropout=between, bidirectional=True
        )
        self.attention = nn.Linear(2 * hidden_size, 2 * hidden_size)
        self.context = nn.Linear(2 * hidden_size, 1, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(2 * hidden_size, num_classes)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Class scores (B, num_classes); words come first, padding last. Arguments as for ``BagOfEmbeddings``."""
        ids, mask = _words(input_ids, attention_mask, self.embedding)
        mask = F.pad(mask[:, 1:], (1, 0), value=True)  # an empty text is one word of padding
        lengths = mask.sum(1)
        words = self.dropout(self.embedding(ids))
        packed, _ = self.lstm(pack_padded_sequence(words, lengths.to("cpu"), batch_first=True, enforce_sorted=False))
        states, _ = pad_packed_sequence(packed, batch_first=True, total_length=words.shape[1])
        weights = self.context(self.attention(states).tanh()).squeeze(2)  # (B, S)
        weights = weights.masked_fill(~mask, -float("inf")).softmax(1)
        average = (weights.unsqueeze(1) @ states).squeeze(1)
        return self.classifier(self.dropout(average))


def _words(input_ids: Tensor, attention_mask: Tensor | None, embedding: Any) -> tuple[Tensor, Tensor]:
    """The numbers with the padding word where none stands, and whether one stands there: both (B, S)."""
    if attention_mask is not None:
        input_ids = input_ids.masked_fill(attention_mask == 0, embedding.padding_idx)
    return input_ids, input_ids != embedding.padding_idx


@register_model
def bag(vocab_size: int, num_classes: int = 2, **config: Any) -> BagOfEmbeddings:
    """A bag of embeddings: the mean of word vectors, and a linear layer."""
    return BagOfEmbeddings(vocab_size, num_classes, **config)


@register_model
def textcnn(vocab_size: int, num_classes: int = 2, **config: Any) -> TextCNN:
    """Convolutions over word vectors, and the strongest answer of each filter."""
    return TextCNN(vocab_size, num_classes, **config)


@register_model
def bilstm(vocab_size: int, num_classes: int = 2, **config: Any) -> AttentiveBiLSTM:
    """An LSTM in both directions with attention over its states."""
    return AttentiveBiLSTM(vocab_size, num_classes, **config)
