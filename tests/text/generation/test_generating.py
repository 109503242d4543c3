"""Drawing, stopping, streams, texts in and out, and what ``generate`` refuses: without a reference."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import framework
from framework.errors import ArgumentError, ShapeError
from framework.io import FileFormatError
from text import generation as G
from text.models.bart import BartConfig, BartForConditionalGeneration
from text.models.gpt2 import GPT2Config, GPT2LMHeadModel

SIZES = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 80}


class Bytes:
    """A tokenizer whose tokens are UTF-8's bytes; 0 is an end."""

    pad_token_id = None

    def __call__(self, text: str) -> dict[str, list[int]]:
        return {"input_ids": list(text.encode())}

    def decode(self, ids: list[int], skip_special_tokens: bool = False) -> str:
        return bytes(i for i in ids if i or not skip_special_tokens).decode(errors="replace")


class Writes(GPT2LMHeadModel):
    """A model that goes on with a text, token after token, whatever the prompt says."""

    def __init__(self, text: str, prompt: int) -> None:
        super().__init__(GPT2Config(vocab_size=256, eos_token_id=0, bos_token_id=None, **SIZES))
        self.words, self.prompt = [*text.encode(), 0], prompt

    def forward(self, input_ids=None, **inputs):  # type: ignore[override]
        output = super().forward(input_ids, **inputs)
        array = np.zeros_like(output.logits.array)
        array[..., self.words[inputs["past_key_values"].length - self.prompt]] = 9
        output.logits = framework.tensor(array)
        return output


@pytest.fixture(scope="module")
def model():
    framework.manual_seed(0)
    made = GPT2LMHeadModel(GPT2Config(vocab_size=50, eos_token_id=1, bos_token_id=0, **SIZES)).eval()
    for p in made.parameters():
        if p.ndim > 1:
            framework.nn.init.normal_(p, std=0.2)
    return made


IDS = framework.tensor([[5, 6, 7], [8, 9, 10]])


@pytest.mark.parametrize("options", [{}, {"num_return_sequences": 3}, {"num_beams": 3}, {"top_p": 0.8, "min_p": 0.01}])
def test_the_same_seed_draws_the_same_text(model, options):
    options = {"do_sample": True, "max_new_tokens": 12, "temperature": 1.5, **options}
    first, again = (model.generate(IDS, seed=7, **options).numpy() for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, model.generate(IDS, seed=8, **options).numpy())
    own = model.generate(IDS, generator=framework.Generator().manual_seed(7), **options).numpy()
    np.testing.assert_array_equal(first, own)
    framework.manual_seed(7)
    default = model.generate(IDS, **options).numpy()
    framework.manual_seed(7)
    np.testing.assert_array_equal(default, model.generate(IDS, **options).numpy())
    rows = 2 * options.get("num_return_sequences", 1)
    assert len(first) == rows
    np.testing.assert_array_equal(first[:, :3], IDS.numpy().repeat(rows // 2, 0))


def test_tokens_are_drawn_by_their_probability(model):
    ids = framework.tensor([[5, 6, 7]])
    options = {"max_new_tokens": 1, "top_k": 4, "temperature": 1.3, "do_sample": True, "num_return_sequences": 4000}
    output = model.generate(
        ids, seed=0, return_dict_in_generate=True, output_scores=True, output_logits=True, **options
    )
    drawn = np.bincount(output.sequences.numpy()[:, -1], minlength=50) / 4000
    logits = output.logits[0].numpy()[0] / 1.3
    kept = logits >= np.sort(logits)[-4]
    expected = np.where(kept, np.exp(logits - logits.max()), 0)
    expected /= expected.sum()
    assert np.isfinite(output.scores[0].numpy()[0]).sum() == 4
    assert np.abs(drawn - expected).max() < 4 * (0.25 / 4000) ** 0.5


def test_padding_on_the_left_changes_nothing(model):
    prompts = [[5], [6, 7, 8, 9, 10], [11, 12, 13]]
    alone = [
        model.generate(framework.tensor([p]), max_new_tokens=9, eos_token_id=None).numpy()[0, len(p) :] for p in prompts
    ]
    ids, mask = G.prompts.padded(prompts, 3, left=True)
    together = model.generate(framework.tensor(ids), framework.tensor(mask), max_new_tokens=9, eos_token_id=None)
    np.testing.assert_array_equal(together.numpy()[:, 5:], np.array(alone))


@pytest.mark.parametrize(
    "prompt, stop, expected",
    [
        ("2a", "cd", "bcd"),
        ("2a", ["x", "ef"], "bcdef"),
        ("2a", "é", "bcdefghé"),  # two tokens
        ("2a", "no", "bcdefghé€"),
        ("2a", "2ab", "b"),  # begins in the prompt
        ("ab", "ab", "bcdefghé€"),  # is in the prompt
    ],
)
def test_strings_end_a_text(prompt, stop, expected):
    writer = Writes("bcdefghé€", len(prompt)).eval()
    assert G.generate_text(writer, Bytes(), prompt, stop_strings=stop, max_new_tokens=20) == expected


def test_time_and_own_criteria_end_texts(model):
    assert model.generate(IDS, max_time=0.0, max_new_tokens=9).shape == (2, 4)
    ends = model.generate(IDS, stopping_criteria=[lambda ids, scores: ids.shape[1] >= 5], max_new_tokens=9)
    assert ends.shape == (2, 5)


TEXTS = ["plain", "naïve café", "日本語のテキスト", "🎉 party 👩‍👩‍👧", "tab\tnew\nline", "\ufffd odd"]


@pytest.mark.parametrize("written", TEXTS)
def test_pieces_are_whole_characters(written, capsys):
    prompt = "go: "
    writer = Writes(written, len(prompt)).eval()
    pieces = list(G.stream(writer, Bytes(), prompt, max_new_tokens=70))
    assert "".join(pieces) == written
    assert all("\ufffd" not in piece for piece in pieces) or "\ufffd" in written
    assert len(pieces) >= len(written) - written.count("\ufffd")
    ids = framework.tensor([Bytes()(prompt)["input_ids"]])
    writer.generate(ids, streamer=G.TextStreamer(Bytes(), skip_special_tokens=True), max_new_tokens=70)
    assert capsys.readouterr().out == prompt + written + "\n"


def test_a_text_that_breaks_off_within_a_character_ends_so():
    writer = Writes("a€", 1).eval()
    assert list(G.stream(writer, Bytes(), "x", max_new_tokens=3)) == ["a", "\ufffd"]


def test_another_thread_reads_the_stream():
    writer = Writes("héllo", 3).eval()
    streamer = G.TextIteratorStreamer(Bytes(), skip_prompt=True, timeout=30, skip_special_tokens=True)
    ids = framework.tensor([Bytes()("abc")["input_ids"]])
    thread = threading.Thread(target=lambda: writer.generate(ids, streamer=streamer, max_new_tokens=20))
    thread.start()
    pieces = list(streamer)
    thread.join()
    assert pieces == list("héllo")


def test_streams_leave_gradients_on(model):
    steps = G.token_steps(model, IDS, max_new_tokens=4)
    next(steps)
    assert framework.is_grad_enabled()
    assert not framework.is_inference_mode_enabled()
    x = framework.ones(2, requires_grad=True)
    (x * 2).sum().backward()
    assert len(list(steps)) == 3
    streamed = np.array([t.numpy() for t in G.token_steps(model, IDS, max_new_tokens=6)]).T
    np.testing.assert_array_equal(streamed, model.generate(IDS, max_new_tokens=6).numpy()[:, 3:])


def test_texts_in_and_out():
    framework.manual_seed(1)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=128, eos_token_id=None, bos_token_id=None, **SIZES)).eval()
    prompts = ["ab", "a longer one"]
    several = G.generate_text(model, Bytes(), prompts, max_new_tokens=6)
    assert several == [G.generate_text(model, Bytes(), p, max_new_tokens=6) for p in prompts]
    full = G.generate_text(model, Bytes(), prompts, max_new_tokens=6, return_full_text=True)
    assert full == [p + x for p, x in zip(prompts, several, strict=True)]
    grouped = G.generate_text(model, Bytes(), prompts, max_new_tokens=6, num_beams=3, num_return_sequences=2)
    assert [len(x) for x in grouped] == [2, 2]
    with pytest.raises(ArgumentError, match="one prompt"):
        G.generate_text(model, Bytes(), [])


def test_answers_are_texts_of_the_decoder():
    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2,
             "decoder_attention_heads": 2, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "vocab_size": 128}  # fmt: skip
    framework.manual_seed(0)
    model = BartForConditionalGeneration(BartConfig(**sizes, decoder_start_token_id=2, eos_token_id=None)).eval()
    options = {"max_new_tokens": 5, "forced_eos_token_id": None, "eos_token_id": None}
    several = G.generate_text(model, Bytes(), ["ab", "a longer one"], **options)
    assert several == [G.generate_text(model, Bytes(), p, **options) for p in ("ab", "a longer one")]
    assert len("".join(G.stream(model, Bytes(), "ab", **options)).encode(errors="replace")) >= 4


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda m: m.generate(IDS, max_tokens=3), "no argument max_tokens"),
        (lambda m: m.generate(IDS, max_new_tokens=0), "max_new_tokens"),
        (lambda m: m.generate(IDS, max_length=3), "no room"),
        (lambda m: m.generate(IDS, num_beams=0), "num_beams"),
        (lambda m: m.generate(IDS, num_return_sequences=2), "num_return_sequences"),
        (lambda m: m.generate(IDS, early_stopping="soon"), "early_stopping"),
        (lambda m: m.generate(IDS, seed=1, generator=framework.Generator()), "seed and generator"),
        (lambda m: m.generate(IDS, framework.tensor([[1, 1, 1], [1, 1, 0]])), "pad on the left"),
        (lambda m: m.generate(IDS, stop_strings="x"), "tokenizer"),
        (lambda m: m.generate(IDS, num_beams=2, streamer=G.TextStreamer(Bytes())), "beams"),
        (lambda m: m.generate(IDS, streamer=G.TextStreamer(Bytes())), "one text"),
        (lambda m: m.generate(IDS, penalty_alpha=0.6), "penalty_alpha"),
        (lambda m: m.generate(bos_token_id=None), "bos_token_id"),
        (lambda m: G.stream(m, Bytes(), "x", num_beams=2), "beams"),
        (lambda m: G.stream(m, Bytes(), "x", num_return_sequences=2), "one text"),
    ],
)
def test_refusals(model, call, words):
    with pytest.raises(ArgumentError, match=words):
        call(model)


@pytest.mark.parametrize(
    "ids, mask, words",
    [
        (framework.tensor([1, 2]), None, "integers"),
        (framework.ones(1, 2), None, "integers"),
        (framework.zeros(1, 0, dtype=framework.int64), None, "empty"),
        (IDS, framework.ones(2, 4), "attention_mask"),
    ],
)
def test_wrong_shapes(model, ids, mask, words):
    with pytest.raises(ShapeError, match=words):
        model.generate(ids, mask)


def test_configs_in_folders(tmp_path):
    config = G.GenerationConfig(max_new_tokens=5, top_p=0.9, special=3)
    config.save_pretrained(tmp_path)
    assert G.GenerationConfig.from_pretrained(tmp_path) == config
    assert G.GenerationConfig.from_pretrained(tmp_path, top_p=0.5).top_p == 0.5
    assert config.filled(None, top_k=None).top_k is None
    assert config.filled(None, num_beams=None).num_beams == 1
    (tmp_path / "generation_config.json").write_text("[1]")
    with pytest.raises(FileFormatError, match="JSON object"):
        G.GenerationConfig.from_pretrained(tmp_path)
    (tmp_path / "generation_config.json").write_text("{")
    with pytest.raises(FileFormatError, match="not JSON"):
        G.GenerationConfig.from_pretrained(tmp_path)
    (tmp_path / "generation_config.json").unlink()
    with pytest.raises(FileNotFoundError):
        G.GenerationConfig.from_pretrained(tmp_path)
