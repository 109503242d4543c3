"""From samples to batches: lengths, padding, packing, masking, and labels for tokens."""

from framework.data import LengthBucketSampler
from text.data.aligning import align_labels
from text.data.masking import MaskingCollator, mask_tokens
from text.data.packing import PackedStream, pack_tokens
from text.data.padding import PaddingCollator, pad_sequences
from text.data.seq2seq import Seq2SeqCollator, shift_tokens_right
