"""Each reader on altered files and on noise: it reads, or gives a declared error, soon and in little memory."""

from __future__ import annotations

import io
import json
import time
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hub
from framework.io import FileFormatError
from framework.tensor import Tensor
from tests.hub.weight_files import (
    MAGIC,
    TAR,
    VALUES,
    VERSION,
    WHOLE,
    entry,
    index,
    legacy,
    safetensors,
    table,
    tarred,
    tensor,
    zipped,
)

MEMORY = 80_000_000  # bytes; a compressed entry may unpack to 64 MB whatever the file's size
SECONDS = 5
FUZZ = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)

# ways to change a file: (where, how many bytes go, what comes in), with places as fractions of it
CHANGES = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.integers(0, 40),
        st.binary(max_size=12) | st.sampled_from([b"\xff" * 8, bytes(8), b"R", b"q\0h\0"]),
    ),
    min_size=1,
    max_size=4,
)


def changed(data: bytes, changes) -> bytes:
    for place, size, junk in changes:
        at = int(place * len(data))
        data = data[:at] + junk + data[at + size :]
    return data


def flipped(data: bytes, changes) -> bytes:
    """Changed without a change of length, so that what stands elsewhere stays where it was."""
    for place, _, junk in changes:
        at = int(place * len(data))
        data = (data[:at] + junk + data[at + len(junk) :])[: len(data)]
    return data


def check(folder, data: bytes, called: str = "file") -> bool:
    """Whether a file is read."""
    path = folder / called
    path.write_bytes(data)
    began = time.process_time()
    tracemalloc.start()
    try:
        found = hub.load_state_dict(path)
    except (FileFormatError, FileNotFoundError) as error:
        assert str(folder) in str(error)
        return False
    else:
        assert found and all(isinstance(value, Tensor) for value in found.values())
        for value in found.values():
            if value.numel() < 1_000_000:
                np.asarray(value.array).tobytes()  # all of it lies in memory that is there
        return True
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < MEMORY
        assert time.process_time() - began < SECONDS
        assert path.read_bytes() == data


@pytest.mark.parametrize("kind", WHOLE)
@given(changes=CHANGES, keep=st.booleans())
@settings(FUZZ, max_examples=150)
def test_altered_files(tmp_path, kind, changes, keep):
    check(tmp_path, (flipped if keep else changed)(WHOLE[kind], changes))


@given(
    data=st.binary(max_size=300),
    start=st.sampled_from([b"", b"PK\3\4", b"\x80\x02", MAGIC, MAGIC + VERSION, b"{", b"\x93NUMPY"]),
)
@settings(FUZZ, max_examples=300)
def test_noise(tmp_path, data, start):
    assert not check(tmp_path, start + data) or b"}" in data


BODY = table(weight=tensor(), other=tensor(start=1, shape=(5,), steps=(1,)))


@given(changes=CHANGES)
@settings(FUZZ, max_examples=300)
def test_altered_pickles_in_whole_archives(tmp_path, changes):
    check(tmp_path, zipped(flipped(BODY, changes)))
    check(tmp_path, zipped(changed(BODY, changes)))


@given(body=st.binary(max_size=80))
@settings(FUZZ, max_examples=200)
def test_noise_in_whole_archives(tmp_path, body):
    check(tmp_path, zipped(body))
    check(tmp_path, legacy(body))


@given(changes=CHANGES, name=st.sampled_from(sorted(TAR)))
@settings(FUZZ, max_examples=200)
def test_altered_members_of_a_tar(tmp_path, changes, name):
    check(tmp_path, tarred({**TAR, name: flipped(TAR[name], changes)}))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.sampled_from(["F32", "BF16", "U8"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["dtype", "shape", "data_offsets", "__metadata__", "w"]), inner, max_size=4)
    ),
    max_leaves=12,
)
LENGTHS = st.integers(-2, 30) | st.sampled_from([2**31, 2**61, 2**64])
ENTRY = st.builds(
    entry, LENGTHS, LENGTHS, st.lists(LENGTHS, max_size=3), st.sampled_from(["F32", "U8", "BF16", "C64", "F4", "bool"])
)


@given(header=st.dictionaries(st.text(max_size=3), ENTRY | JSON, max_size=4), size=st.integers(0, 40))
@settings(FUZZ, max_examples=300)
def test_headers_of_safetensors(tmp_path, header, size):
    check(tmp_path, safetensors(header, bytes(size)))


@given(tree=JSON, key=st.sampled_from(["eagerkit.tree", "eagerkit.aliases", "eagerkit.complex128"]))
@settings(FUZZ, max_examples=100)
def test_notes_of_our_own_files(tmp_path, tree, key):
    check(tmp_path, safetensors({"__metadata__": {key: json.dumps(tree)}, "w": entry()}, VALUES.tobytes()))


@given(
    content=JSON
    | st.fixed_dictionaries(
        {"weight_map": JSON | st.dictionaries(st.text(max_size=3), st.text(max_size=4) | st.just("part"))}
    ),
    changes=CHANGES,
)
@settings(FUZZ, max_examples=300)
def test_indices(tmp_path, content, changes):
    (tmp_path / "part").write_bytes(WHOLE["zip"])
    check(tmp_path, json.dumps(content).encode())
    check(tmp_path, changed(index({"weight": "part"}), changes))


@given(
    shape=st.text("(),0123456789 -", max_size=12),
    kind=st.sampled_from(["<f4", "|O", ">i8", "V2", "<U3", "|b1", "<c16", "m8", "<f2"]),
)
@settings(FUZZ, max_examples=200)
def test_headers_of_arrays(tmp_path, shape, kind):
    head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    data = b"\x93NUMPY\1\0" + len(head).to_bytes(2, "little") + head + VALUES.tobytes()
    check(tmp_path, _npz_of(data))


def _npz_of(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("weight.npy", data)
    return buffer.getvalue()


def test_the_files_that_are_altered_are_whole(tmp_path):
    assert all(check(tmp_path, data) for data in (*WHOLE.values(), zipped(BODY)))
