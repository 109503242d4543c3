"""Pickles from strangers: arrays are read, nothing is run, and no stream takes the machine's memory."""

from __future__ import annotations

import os
import pickle
import struct
import time
import tracemalloc
from argparse import Namespace
from collections import Counter, OrderedDict, defaultdict
from pathlib import PurePosixPath

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framework.io import FileFormatError
from hub.pickles import read_arrays

PLAIN = {
    "data": np.arange(6, dtype=np.uint8).reshape(2, 3),
    "floats": [np.linspace(0, 1, 5), np.arange(4, dtype=">i4"), np.zeros((0, 3), np.int64), np.array(3.5, np.float32)],
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "plain": (1, -(2**70), 1.5, "text", None, True, b"bytes", [{}, ()], bytearray(b"more")),
}


def same(found, expected) -> None:
    assert type(found) is type(expected)
    if isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for key in expected:
            same(found[key], expected[key])
    elif isinstance(expected, list | tuple):
        for one, other in zip(found, expected, strict=True):
            same(one, other)
    else:
        assert found == expected


@pytest.mark.parametrize("protocol", range(2, 6))
def test_plain_data_and_arrays(protocol):
    expected = PLAIN if protocol > 4 else {**PLAIN, "plain": PLAIN["plain"][:-1]}  # bytearrays are calls there
    same(read_arrays(pickle.dumps(expected, protocol), "file"), expected)


def test_keys_that_are_bytes_become_text():
    assert read_arrays(pickle.dumps({b"labels": [b"cat"], 3: 4}, 2), "file") == {"labels": [b"cat"], 3: 4}


@pytest.mark.parametrize("protocol", range(2, 6))
def test_sets_complex_numbers_and_fields(protocol):
    data = {"set": {1, "a"}, "frozen": frozenset((2.5, None)), "complex": 1 - 2j, "ordered": OrderedDict(a=[1], b=2)}
    stored = {
        **data,
        "default": defaultdict(list, a=[1]),
        "fields": Namespace(lr=0.1, sizes=[1]),
        "count": Counter("aab"),
    }
    stored |= {
        "path": PurePosixPath("/data/images"),
        "relative": PurePosixPath("a"),
        "scalar": np.float64(2.5),
        "empty": set(),
    }
    found = read_arrays(pickle.dumps(stored, protocol), "file")
    same({key: found[key] for key in data}, data)
    assert type(found["default"]) is dict and found["default"] == {"a": [1]}
    assert type(found["fields"]) is dict and found["fields"] == {"lr": 0.1, "sizes": [1]}
    assert found["count"] == {"a": 2, "b": 1}
    assert found["path"] == "/data/images" and found["relative"] == "a"
    assert found["scalar"] == 2.5 and found["empty"] == set()


def test_what_was_written_by_python_2():
    stream = (
        b"\x80\x02}q\x00(U\x06labelsq\x01]q\x02(K\x01K\x02eU\x04dataq\x03cnumpy.core.multiarray\n_reconstruct\nq\x04"
    )
    stream += b"cnumpy\nndarray\nq\x05K\x00\x85U\x01b\x87R(K\x01K\x02K\x02\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R"
    stream += b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x04\x01\x02\xff\x04tbu."
    found = read_arrays(stream, "file")
    assert found["labels"] == [1, 2] and found["data"].tolist() == [[1, 2], [255, 4]]


class Runs:
    """Unpickling this the ordinary way calls a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def stream(*parts: bytes) -> bytes:
    return b"\x80\x02" + b"".join(parts) + b"."


MARKED = {
    "os.system": lambda mark: pickle.dumps(Runs(os.system, f"touch {mark}")),
    "eval": lambda mark: pickle.dumps(Runs(eval, f"open({str(mark)!r}, 'w')")),
    "exec, protocol 0": lambda mark: pickle.dumps(Runs(exec, f"open({str(mark)!r}, 'w')"), 0),
    "open": lambda mark: pickle.dumps(Runs(open, str(mark), "w")),
    "inside an array's state": lambda mark: pickle.dumps([np.zeros(3), {"deep": Runs(os.mkdir, str(mark))}]),
    "numpy.load": lambda mark: pickle.dumps(Runs(np.load, str(mark))),
    "an array of objects": lambda mark: pickle.dumps(np.array([Runs(os.mkdir, str(mark))], object)),
    "INST": lambda mark: stream(b"(V", str(mark).encode(), b"\nios\nmkdir\n"),
    "OBJ": lambda mark: stream(b"(cos\nmkdir\nV", str(mark).encode(), b"\no"),
    "STACK_GLOBAL": lambda mark: stream(b"Vos\nVmkdir\n\x93V", str(mark).encode(), b"\n\x85R"),
    "a dotted name": lambda mark: stream(b"Vnumpy\nVndarray.tofile\n\x93V", str(mark).encode(), b"\n\x85R"),
    "NEWOBJ": lambda mark: stream(b"cnumpy\nndarray\n)\x81"),
    "extension code": lambda mark: stream(b"\x82\x01"),
    "persistent id": lambda mark: stream(b"K\x01Q"),
    "persistent id, protocol 0": lambda mark: stream(b"Pname\n"),
    "out-of-band buffer": lambda mark: stream(b"\x97"),
    "a module's function": lambda mark: pickle.dumps(Runs(os.path.join, "a", "b")),
    "a call of what is no function": lambda mark: stream(b"]", b"K\x01\x85R"),
    "NEWOBJ_EX": lambda mark: b"\x80\x04cnumpy\nndarray\n)}\x92.",
    "a function's fields": lambda mark: stream(b"c_codecs\nencode\n}V__defaults__\nNsb"),
    "a function's slots": lambda mark: stream(b"c_codecs\nencode\nN}Vleft\nJ\xff\xff\xff\x7fs\x86b"),
    "a class's fields": lambda mark: stream(b"cnumpy\ndtype\nN}V__init__\nNs\x86b"),
    "a bare function": lambda mark: stream(b"c_codecs\nencode\n"),
    "a bare class": lambda mark: stream(b"cnumpy\nndarray\n"),
    "an array that never got its state": lambda mark: stream(b"cnumpy\nndarray\n)R"),
}


@pytest.mark.parametrize("name", MARKED)
def test_nothing_is_run(tmp_path, name):
    mark = tmp_path / "mark"
    with pytest.raises(FileFormatError, match=r"strange\.pkl"):
        read_arrays(MARKED[name](mark), "strange.pkl")
    assert not mark.exists()


def array_stream(shape: bytes, data: bytes, kind: bytes = b"u1") -> bytes:
    dtype = b"cnumpy\ndtype\nV%s\nK\x00K\x01\x87R(K\x03V|\nNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb" % kind
    return stream(b"cnumpy\nndarray\n)R(K\x01", shape, dtype, b"\x89V", data, b"\ntb")


@pytest.mark.parametrize(
    "data, words",
    [
        (array_stream(b"K\x04\x85", b"abc"), r"shape \(4,\) with 3 bytes"),
        (array_stream(b"\x8a\x08\0\0\0\0\0\0\0\x10\x85", b"abc"), "with 3 bytes"),
        (array_stream(b"J\xff\xff\xff\xffJ\xfd\xff\xff\xff\x86", b"abc"), "shape"),
        (array_stream(b"G\x40\x08\0\0\0\0\0\0\x85", b"abc"), "shape"),
        (array_stream(b"K\x03\x85", b"abc", b"O8"), "elements"),
        (array_stream(b"K\x03\x85", b"abc", b"V1"), "elements"),
        (array_stream(b"K\x01\x85", b"abc", b"(9999999,)f4"), "elements"),
        (b"", "broken"),
        (b"garbage", "broken|refused"),
        (pickle.dumps(PLAIN)[:-30], "broken"),
    ],
)
def test_arrays_that_lie(data, words):
    with pytest.raises(FileFormatError, match=words):
        read_arrays(data, "file")


def doubling(start: bytes, step: bytes, turns: int) -> bytes:
    """A stream in which each value holds the one before it twice."""
    return start + b"q\x00" + b"".join(b"0h%ch%c" % (n, n) + step + b"q%c" % (n + 1) for n in range(turns))


# name: (a stream that would make an ordinary reader fill gigabytes, recurse or work for minutes; what the error says)
HEAVY = {
    "bytes": (b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"abc.", "cut short"),
    "text": (b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"abc.", "cut short"),
    "number": (b"\x80\x02\x8b\xff\xff\xff\x7fabc.", "cut short"),
    "digits": (b"L" + b"9" * 100_000 + b"L\n.", "broken"),
    "nested": (stream(b"]" * 100_000 + b"a" * 99_999), "nested too deeply"),
    "own tail": (stream(b"]q\x00h\x00a"), "nested too deeply"),
    "nested keys": (stream(b"}" + b")" + b"\x85" * 100_000 + b"Ns"), "in a key"),
    "doubled keys": (stream(b"}" + doubling(b")", b"\x86", 100) + b"Ns"), "in a key"),
    "doubled members": (stream(b"\x8f(" + doubling(b")", b"\x86", 100) + b"\x90"), "in a key"),
    "doubled names": (stream(doubling(b")", b"\x86", 100) + b"K\x01\x93"), "no text"),
    "colliding keys": (
        stream(
            b"}(" + b"".join(b"\x8a\x0c" + (n * (2**61 - 1)).to_bytes(12, "little") + b"N" for n in range(1, 9)) + b"u"
        ),
        "60 bits",
    ),
    "a long key, often": (stream(b"}X\xa0\x86\x01\x00" + b"x" * 100_000 + b"q\x00Ns" + b"h\x00Ns" * 50_000), "copies"),
    "copies of bytes": (
        stream(b"c_codecs\nencode\nq\x00V" + b"x" * 100_000 + b"\nq\x01](" + b"h\x00h\x01\x85R" * 50_000 + b"e"),
        "copies",
    ),
    "copies of sets": (
        stream(b"cbuiltins\nset\nq\x00](" + b"K\x01" * 50_000 + b"eq\x01](" + b"h\x00h\x01\x85R" * 50_000 + b"e"),
        "copies",
    ),
    "calls with many arguments": (
        stream(b"cpathlib\nPosixPath\nq\x00(" + b"V\n" * 50_000 + b"tq\x01](" + b"h\x00h\x01R" * 50_000 + b"e"),
        "copies",
    ),
    "copies of fields": (
        stream(
            b"cargparse\nNamespace\nq\x00}("
            + b"".join(b"M" + struct.pack("<H", n) + b"N" for n in range(50_000))
            + b"uq\x01]("
            + b"h\x00)\x81h\x01b" * 50_000
            + b"e"
        ),
        "copies",
    ),
}


@pytest.mark.parametrize("name", HEAVY)
def test_streams_that_would_take_the_memory_or_the_day(name):
    data, words = HEAVY[name]
    began = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(FileFormatError, match=words):
            read_arrays(data, "file")
        assert tracemalloc.get_traced_memory()[1] < 100 * len(data) + 1_000_000
    finally:
        tracemalloc.stop()
    assert time.process_time() - began < 5


def test_what_costs_nothing_is_read():
    """Lists that hold one another many times, and a distant place in the memo, take no memory here."""
    laughs = b"]q\x00" + b"".join(b"](" + b"h%c" % n * 20 + b"eq%c" % (n + 1) for n in range(40))
    assert len(read_arrays(stream(laughs), "file")) == 20
    assert read_arrays(b"\x80\x02]r\xff\xff\xff\xff.", "file") == []
    assert read_arrays(b"]p999999999999\n.", "file") == []


def test_shared_containers_stay_shared():
    inner = [np.zeros(2)]
    found = read_arrays(pickle.dumps({"a": inner, "b": inner, "c": (inner[0],)}), "file")
    assert found["a"] is found["b"] and found["c"][0] is found["a"][0]


@given(st.binary(max_size=60), st.integers(0, 400), st.integers(0, 400))
@settings(max_examples=150, deadline=None)
def test_altered_streams_are_read_or_refused(junk, start, length):
    whole = pickle.dumps({"data": np.arange(9, dtype=np.uint8), "labels": [1, 2]}, 2)
    data = whole[:start] + junk + whole[start + length :]
    try:
        read_arrays(data, "file")
    except FileFormatError as error:
        assert "file" in str(error)
