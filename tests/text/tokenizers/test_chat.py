"""Chat templates: as transformers renders them, and what the sandbox keeps out."""

from __future__ import annotations

import pytest

import framework
from framework.errors import ArgumentError
from tests.text.peer import transformers
from text.tokenizers import Tokenizer, train_from_iterator

pytest.importorskip("jinja2")

CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Name a <colour> & more"},
    {"role": "assistant", "content": "Red. "},
]
OTHER = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello there", "tool_calls": None}]
PLAIN = (
    "{{ bos_token }}{% for message in messages %}\n"
    "    {% if message['role'] == 'system' and not loop.first %}{{ raise_exception('late system') }}{% endif %}\n"
    "<|{{ message.role }}|>{{ message.content | trim }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
MARKED = (
    "{% for message in messages %}<|{{ message.role }}|>"
    "{% if message.role == 'assistant' %}{% generation %}{{ message.content }}{{ eos_token }}{% endgeneration %}"
    "{% else %}{{ message.content }}{% endif %}{% endfor %}"
)
RICH = (
    "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% if m.role == 'user' %}{% continue %}"
    "{% endif %}{{ ns.n }}{{ m.content[::-1].upper() }}{% endfor %}{{ tools | tojson(indent=2) }}"
    "{{ dict(a=1)['a'] }}{{ 'x' * 3 }}{{ extra }}{{ documents[0].title if documents else '' }}"
)
TOOLS = [{"type": "function", "function": {"name": "späh", "parameters": {"type": "object"}}}]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chat")
    made = train_from_iterator("byte-bpe", [m["content"] for m in CHAT] * 5, 300)
    made.add_special_tokens({"pad_token": "<pad>"})
    made.chat_template = PLAIN
    made.save_pretrained(folder)
    return Tokenizer.from_pretrained(folder), transformers().AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("template", [PLAIN, MARKED, RICH], ids=["plain", "marked", "rich"])
@pytest.mark.parametrize("options", [{}, {"add_generation_prompt": True}, {"tools": TOOLS, "extra": "e"}], ids=str)
def test_rendered(both, template, options):
    ours, theirs = both
    for chat in (CHAT, [CHAT, OTHER]):
        call = {"chat_template": template, "tokenize": False, **options}
        assert ours.apply_chat_template(chat, **call) == theirs.apply_chat_template(chat, **call)


@pytest.mark.parametrize("options", [{}, {"padding": True}, {"truncation": True, "max_length": 9}], ids=str)
def test_tokens(both, options):
    ours, theirs = both
    for chat in (CHAT, [CHAT, OTHER]):
        assert dict(ours.apply_chat_template(chat, **options)) == dict(theirs.apply_chat_template(chat, **options))
    ids = ours.apply_chat_template([CHAT, OTHER], padding=True, return_tensors="pt", return_dict=False)
    assert isinstance(ids, framework.Tensor) and ids.shape[0] == 2


def test_assistant_mask(both):
    ours, theirs = both
    call = {"chat_template": MARKED, "return_assistant_tokens_mask": True}
    for chat in (CHAT, [CHAT, OTHER]):
        mine = ours.apply_chat_template(chat, **call)
        assert mine["assistant_masks"] == theirs.apply_chat_template(chat, **call)["assistant_masks"]
    assert 0 < sum(ours.apply_chat_template(CHAT, **call)["assistant_masks"]) < len(mine["input_ids"][0])


def test_open_end(both):
    ours, theirs = both
    for chat in (CHAT, OTHER):
        call = {"continue_final_message": True, "tokenize": False}
        assert ours.apply_chat_template(chat, **call) == theirs.apply_chat_template(chat, **call)
    with pytest.raises(ArgumentError, match="continue_final_message"):
        ours.apply_chat_template(CHAT, continue_final_message=True, add_generation_prompt=True)


def test_several_templates(both, tmp_path):
    ours, _ = both
    ours.save_pretrained(tmp_path)
    named = Tokenizer.from_pretrained(tmp_path, chat_template={"default": "d", "tool_use": "t", "short": "s"})
    assert named.apply_chat_template(OTHER, tokenize=False) == "d"
    assert named.apply_chat_template(OTHER, tools=TOOLS, tokenize=False) == "t"
    assert named.apply_chat_template(OTHER, chat_template="short", tokenize=False) == "s"
    named.save_pretrained(tmp_path / "b")
    assert Tokenizer.from_pretrained(tmp_path / "b").chat_template == named.chat_template
    assert transformers().AutoTokenizer.from_pretrained(tmp_path / "b").chat_template == named.chat_template


HOSTILE = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ messages.append(1) }}",
    "{{ messages[0].update(role='x') }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ self._TemplateReference__context }}{{ lipsum.__globals__ }}",
    "{{ raise_exception.__globals__['json'] }}",
    "{{ dict.fromkeys.__self__ }}",
    "{{ 'a' * 10000000000 }}",
    "{{ [1] * 10000000000 }}",
    "{{ 9 ** 99999999 }}",
    "{% for i in range(999999999) %}{% endfor %}",
    "{% set ns = namespace(__class__=1) %}",
    "{{ '%s'.format.__globals__ }}",
    "{{ messages[0].content.format_map.__globals__ }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{{ undefined_thing.attribute }}",
    "{% if %}",
    "{{ 1 / 0 }}",
    "{{ raise_exception('no') }}",
]


@pytest.mark.parametrize("template", HOSTILE)
def test_hostile(both, template):
    try:
        found = both[0].apply_chat_template(OTHER, chat_template=template, tokenize=False)
    except ArgumentError:
        return
    assert found == "", found  # attributes that the sandbox does not give are empty


def test_forged_marks_and_objects(both):
    class Picture:
        def __str__(self):
            raise AssertionError("called")

    chat = [{"role": "user", "content": [{"type": "image", "image": Picture()}]}]
    template = "{{ messages[0].content[0].image is defined }}{{ messages[0].content[0].image.__str__ }}"
    assert both[0].apply_chat_template(chat, chat_template=template, tokenize=False) == "True"


def test_errors(both):
    ours, _ = both
    with pytest.raises(ArgumentError, match="at least one message"):
        ours.apply_chat_template([])
    with pytest.raises(ArgumentError, match="late system"):
        ours.apply_chat_template([*OTHER, CHAT[0]])
    bare = train_from_iterator("bpe", ["a b"], 20, min_frequency=1)
    with pytest.raises(ArgumentError, match="no chat template"):
        bare.apply_chat_template(OTHER)
