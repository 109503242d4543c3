"""Every data set read from a small tree in its layout, and fetched from its official archive, packed of such a tree."""

from __future__ import annotations

import inspect
import io
import lzma
import pickle
import tarfile
import zipfile

import pytest

import framework
from framework.data import DataLoader
from framework.errors import ArgumentError
from framework.io import FileFormatError
from tests.text.datasets.layouts import LAYOUTS, SEGMENTS, TALK, story
from text import datasets
from text.datasets import named

ROWS = [pytest.param(layout, id=layout.id) for layout in LAYOUTS]


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def pack(name, files):
    """An archive of files, of the kind that its name says."""
    buffer = io.BytesIO()
    if name.endswith(".zip"):
        with zipfile.ZipFile(buffer, "w") as archive:
            for inside, content in files.items():
                archive.writestr(inside, content)
    else:
        with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:
            for inside, content in files.items():
                data = content if isinstance(content, bytes) else content.encode()
                header = tarfile.TarInfo(inside)
                header.size = len(data)
                archive.addfile(header, io.BytesIO(data))
    return buffer.getvalue()


@pytest.fixture
def official(monkeypatch):
    """Stands in for the sites: gives what is set by file name, and notes what was asked for."""
    there: dict[str, bytes] = {}
    asked: list[str] = []

    def fetch(url, path, *, md5=None, sha256=None):
        assert url.startswith("http") and (len(md5 or "") == 32 or len(sha256 or "") == 64)
        return obtain(url, path)

    def obtain(url, path, *_):
        assert url.startswith("http")
        asked.append(path.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(there[path.name])
        return path

    monkeypatch.setattr(named, "fetch", fetch)
    monkeypatch.setattr(named, "obtain", obtain)
    return there, asked


@pytest.mark.parametrize("layout", ROWS)
@pytest.mark.parametrize("place", ["", "{}", "datasets/{}"], ids=["root", "named", "torchtext"])
def test_layout(tmp_path, layout, place):
    write(tmp_path / place.format(layout.name), layout.files)
    kind = getattr(datasets, layout.name)
    data = kind(tmp_path, **layout.given)
    assert list(data) == layout.samples and len(data) == len(layout.samples)
    assert data[-1] == layout.samples[-1]
    assert list(pickle.loads(pickle.dumps(data))) == layout.samples
    assert f"{len(data)} samples" in repr(data) and set(kind.sizes) == set(kind.splits)


@pytest.mark.parametrize("layout", ROWS)
def test_download(tmp_path, official, layout):
    there, asked = official
    kind = getattr(datasets, layout.name)
    with pytest.raises(datasets.DatasetNotFound, match=rf"{layout.name}: there is no .*download=True"):
        kind(tmp_path, **layout.given)
    if layout.archive is None:
        for name, content in layout.files.items():
            there[name] = content if isinstance(content, bytes) else content.encode()
    else:
        there[layout.archive] = pack(layout.archive, layout.files)
    assert list(kind(tmp_path, download=True, **layout.given)) == layout.samples
    assert sorted(asked) == sorted(there)
    assert list(kind(tmp_path, **layout.given)) == layout.samples
    assert len(asked) == len(there)  # nothing is fetched twice
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]


@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if layout.archive], ids=lambda layout: layout.id)
def test_archives_that_hold_something_else(tmp_path, layout):
    write(tmp_path, {layout.archive: pack(layout.archive, {"other.txt": "x"})})
    with pytest.raises(FileFormatError, match="holds no"):
        getattr(datasets, layout.name)(tmp_path, **layout.given)


def test_several_parts(tmp_path):
    write(tmp_path, {"train.csv": '"1","a"\n"4","b"\n', "test.csv": '"2","c"\n'})
    train, test = datasets.AG_NEWS(tmp_path)
    assert (list(train), list(test)) == ([(1, "a"), (4, "b")], [(2, "c")])
    (only,) = datasets.AG_NEWS(tmp_path, ("test",))
    assert list(only) == list(test) and only.split == "test"
    with pytest.raises(ArgumentError, match="split must be one of 'train', 'test', got 'dev'"):
        datasets.AG_NEWS(tmp_path, "dev")
    batches = list(DataLoader(train, batch_size=2))
    assert batches[0][0].tolist() == [1, 4] and batches[0][1] == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "split", "files"),
    [
        ("AG_NEWS", "test", {"test.csv": '"5","a"\n'}),
        ("AG_NEWS", "test", {"test.csv": '"x","a"\n'}),
        ("AG_NEWS", "test", {"test.csv": b'"1","\xff"\n'}),
        ("SST2", "dev", {"dev.tsv": "sentence\tlabel\nno label\n"}),
        ("RTE", "dev", {"dev.tsv": "h\n0\ta\tb\tmaybe\n"}),
        ("SQuAD1", "dev", {"dev-v1.1.json": "[]"}),
        ("SQuAD1", "dev", {"dev-v1.1.json": "{"}),
        ("Multi30k", "valid", {"val.de": "a\nb\n", "val.en": "a\n"}),
        ("CoNLL2000Chunking", "test", {"test.txt": "a b c\nd e\n"}),
        ("Multi30k", "valid", {"val.de.gz": b"\x1f\x8b\x08\0 broken", "val.en": "a\n"}),
    ],
)  # fmt: skip
def test_broken_files(tmp_path, name, split, files):
    write(tmp_path, files)
    with pytest.raises(FileFormatError):
        getattr(datasets, name)(tmp_path, split)


def test_conll2003(tmp_path):
    text = "-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\n-DOCSTART- -X- -X- O\n\nPeter NNP B-NP B-PER\n"
    write(tmp_path, {"valid.txt": text})
    data = datasets.CoNLL2003(tmp_path, "valid")
    assert data[0] == (["EU", "rejects"], ["NNP", "VBZ"], ["B-NP", "B-VP"], ["B-ORG", "O"]) and len(data) == 2
    with pytest.raises(datasets.DatasetNotFound, match="by hand"):
        datasets.CoNLL2003(tmp_path, "test", download=True)


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_iwslt2016(tmp_path, official, split):
    files = {f"de-en/train.tags.de-en.{one}": TALK.format(one) for one in ("de", "en")}
    files |= {
        f"de-en/IWSLT16.TED.tst{year}.de-en.{one}.xml": SEGMENTS.format(one)
        for one in ("de", "en")
        for year in (2013, 2014)
    }
    official[0]["2016-01.tgz"] = pack("x.tgz", {"2016-01/texts/de/en/de-en.tgz": pack("x.tgz", files)})
    data = datasets.IWSLT2016(tmp_path, split, download=True)
    first = ("de one", "en one") if split == "train" else ("de & one", "en & one")
    assert data[0] == first and len(data) == 2 and list(datasets.IWSLT2016(tmp_path, split)) == list(data)
    with pytest.raises(ArgumentError, match="language_pair must be one of"):
        datasets.IWSLT2016(tmp_path, split, ("de", "fr"))
    with pytest.raises(ArgumentError, match="test_set must be one of"):
        datasets.IWSLT2016(tmp_path, split, test_set="tst2015")


def test_iwslt2017(tmp_path, official):
    folder = "DeEnItNlRo-DeEnItNlRo"
    files = {f"{folder}/train.tags.it-ro.{one}": TALK.format(one) for one in ("it", "ro")}
    files |= {f"{folder}/IWSLT17.TED.dev2010.it-ro.{one}.xml": SEGMENTS.format(one) for one in ("it", "ro")}
    outer = {f"2017-01-trnmted/texts/DeEnItNlRo/DeEnItNlRo/{folder}.tgz": pack("x.tgz", files)}
    official[0]["2017-01-trnmted.tgz"] = pack("x.tgz", outer)
    train, valid = datasets.IWSLT2017(tmp_path, ("train", "valid"), ("it", "ro"), download=True)
    assert train[1] == ("it <b>two</b>", "ro <b>two</b>") and valid[1] == ("it two", "ro two")
    with pytest.raises(FileFormatError, match="holds no"):
        datasets.IWSLT2017(tmp_path, "test", ("it", "ro"))


def test_cnndm(tmp_path, official):
    for paper in ("cnn", "dailymail"):
        address = f"http://{paper}/1"
        official[0][f"{paper}_wayback_test_urls.txt"] = f"{address}\n".encode()
        text = f"{paper} says so\n\nAll is well.\n\n@highlight\n\nWell it is\n\n@highlight\n\nSo!\n"
        official[0][f"{paper}_stories.tgz"] = pack("x.tgz", {f"{paper}/stories/{story(address)}": text})
    data = datasets.CNNDM(tmp_path, "test", download=True)
    assert list(data) == [(f"{paper} says so. All is well.", "Well it is. So!") for paper in ("cnn", "dailymail")]
    assert len(official[1]) == 4


def test_cc100(tmp_path, official):
    official[0]["la.txt.xz"] = lzma.compress("unus\nduo\ntr\u0113s\n".encode())
    with pytest.raises(datasets.DatasetNotFound, match=r"la\.txt\.xz"):
        datasets.CC100(tmp_path, "la")
    data = datasets.CC100(tmp_path, "la", download=True)
    assert list(data) == [("la", "unus"), ("la", "duo"), ("la", "tr\u0113s")] == list(data)
    shared = DataLoader(data, batch_size=1, num_workers=2)
    assert sorted(batch[1][0] for batch in shared) == ["duo", "tr\u0113s", "unus"]
    write(tmp_path, {"CC100/de.txt.xz": b"\xfd7zXZ\0 broken"})
    with pytest.raises(FileFormatError, match="broken"):
        list(datasets.CC100(tmp_path, "de"))
    with pytest.raises(ArgumentError, match="language code"):
        datasets.CC100(tmp_path, "../en")


def test_every_named_data_set_has_a_layout():
    tested = {layout.name for layout in LAYOUTS} | {"CoNLL2003", "IWSLT2016", "IWSLT2017", "CNNDM"}
    kinds = {
        name
        for name, kind in vars(datasets).items()
        if inspect.isclass(kind) and issubclass(kind, datasets.NamedDataset)
    }
    assert kinds - {"NamedDataset"} == tested


def test_real_texts(realdata):
    news = datasets.AG_NEWS(realdata / "ag-news-test", "test")
    assert len(news) == 7600 == news.sizes["test"]
    assert [int(n) for n in framework.tensor(news.samples.columns[0]).bincount()[1:]] == [1900] * 4
    assert news[0][0] == 3 and news[0][1].startswith("Fears for T N pension after talks Unions representing")
    for split, tokens in (("valid", 213_886), ("test", 241_211)):
        wiki = datasets.WikiText2(realdata / "wikitext-2-small", split)
        assert len(wiki) == wiki.sizes[split] and sum(len(line.split()) for line in wiki) == tokens
    for split in ("train", "valid", "test"):
        pairs = datasets.Multi30k(realdata / "multi30k-en-de", split, ("en", "de"))
        assert len(pairs) == pairs.sizes[split] and all(pairs[-1])
    assert datasets.Multi30k(realdata / "multi30k-en-de", "train")[0] == (
        "Zwei junge weiße Männer sind im Freien in der Nähe vieler Büsche.",
        "Two young, White males are outside near many bushes.",
    )
