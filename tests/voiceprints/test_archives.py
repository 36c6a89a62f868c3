"""Archives made to do harm are refused as a whole, quickly, and in little memory."""

import errno
import gzip
import io
import stat
import struct
import tarfile
import tracemalloc
import warnings
import zipfile

import pytest

from audio.errors import TooLarge
from tests.archives import targz, tarred, zipped
from voiceprints import archives
from voiceprints.archives import opened
from voiceprints.errors import ArchiveRefused, FileMissing, StorageFailed

MEBIBYTE = 1024 * 1024
LIMIT = 64 * MEBIBYTE


def names_in(content, limit=LIMIT):
    with opened(content, limit_bytes=limit) as archive:
        return sorted(archive.names)


def refused(content, limit=LIMIT):
    with pytest.raises(ArchiveRefused) as refusal:
        names_in(content, limit)
    return refusal.value.reason


def link(kind, name="link", target="/etc/passwd"):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize("pack", [zipped, tarred, targz])
def test_files_are_read_by_name(pack):
    with opened(pack({"a/b.wav": b"sound", "./c.wav": b"c", "d\\e.wav": b"e"}), limit_bytes=LIMIT) as archive:
        assert archive.names == {"a/b.wav", "c.wav", "d/e.wav"}
        assert archive.read("a/b.wav", 5) == b"sound"
        assert archive.read("d/e.wav", 5) == b"e"
        with pytest.raises(TooLarge) as refusal:
            archive.read("a/b.wav", 2)
        assert refusal.value.numbers == {"size_bytes": 5, "limit_bytes": 2}
        with pytest.raises(FileMissing):
            archive.read("a", 4)


@pytest.mark.parametrize("pack", [zipped, tarred, targz])
def test_lines_and_files_are_read_in_turns(pack):
    with opened(pack({"lines": b"1\n2\n3", "other": b"x" * 100_000}), limit_bytes=LIMIT) as archive:
        lines = []
        for line in archive.lines("lines", 10):
            archive.read("other", 100_000)
            lines.append(line)
    assert lines == [b"1\n", b"2\n", b"3"]


def test_a_line_longer_than_any_should_be_is_refused():
    with opened(zipped({"lines": b"x" * 100}), limit_bytes=LIMIT) as archive, pytest.raises(ArchiveRefused):
        list(archive.lines("lines", 99))


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize(
    "name", ["../up", "a/../../up", "/etc/passwd", "\\up", "..\\up", "C:\\up", "a\x01b", "x" * 1025, "a\nb"]
)
def test_a_name_that_leads_away_is_refused(pack, name):
    assert refused(pack({name: b""})) == "unsafe name"


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_what_is_neither_file_nor_folder_in_a_tar_is_refused(kind):
    assert refused(tarred({}, extra=(link(kind),))) == "neither file nor folder"


def test_a_link_in_a_zip_is_refused():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        member = zipfile.ZipInfo("link")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(member, "/etc/passwd")
    assert refused(content) == "neither file nor folder"


def test_the_same_name_twice_is_refused():
    content = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(content, "w") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("a", "1")
        archive.writestr("./a", "2")
        archive.writestr("a", "3")
    assert refused(content) == "twice the same name"
    assert refused(tarred({"a": b"1", "./a": b"2"})) == "twice the same name"


def test_an_encrypted_zip_is_refused():
    content = bytearray(zipped({"a": b"secret"}).getvalue())
    directory = content.index(b"PK\x01\x02")
    content[directory + 8] |= 1
    assert refused(io.BytesIO(content)) == "encrypted"


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_compression_is_refused(compression):
    assert refused(zipped({"a": b"x"}, compression=compression)) == "neither stored nor deflated"


@pytest.mark.parametrize("pack", [zipped, tarred, targz])
def test_more_than_the_limit_unpacked_is_refused(pack):
    content = pack({"a": bytes(3 * MEBIBYTE), "b": bytes(2 * MEBIBYTE)})
    assert "larger" in refused(content, limit=4 * MEBIBYTE)
    assert names_in(content, limit=6 * MEBIBYTE) == ["a", "b"]


def test_a_gzip_bomb_is_given_up_at_the_limit():
    bomb = io.BytesIO()
    with gzip.GzipFile(fileobj=bomb, mode="wb", compresslevel=9) as packed:
        for _ in range(300):
            packed.write(bytes(MEBIBYTE))
    bomb.seek(0)
    tracemalloc.start()
    assert "larger" in refused(bomb, limit=8 * MEBIBYTE)
    assert tracemalloc.get_traced_memory()[1] < 16 * MEBIBYTE
    tracemalloc.stop()


def test_a_zip_that_lies_about_a_size_gives_no_more_than_it_said():
    content = bytearray(zipped({"a": bytes(MEBIBYTE)}).getvalue())
    directory = content.index(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = struct.pack("<I", 10)
    with opened(io.BytesIO(content), limit_bytes=LIMIT) as archive, pytest.raises(ArchiveRefused):
        archive.read("a", LIMIT)


def test_too_many_members_are_refused(monkeypatch):
    monkeypatch.setattr(archives, "MOST_MEMBERS", 10)
    many = {str(number): b"" for number in range(11)}
    assert {refused(zipped(many)), refused(tarred(many))} == {"more than 10 members"}


def test_a_zip_directory_larger_than_any_is_refused(monkeypatch):
    monkeypatch.setattr(archives, "ZIP_DIRECTORY_BYTES", 1000)
    assert refused(zipped({str(number): b"" for number in range(100)})) == "its directory is too large"


def test_headers_of_a_tar_larger_than_any_are_refused():
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("a")
        member.pax_headers = {"comment": "x" * MEBIBYTE}
        archive.addfile(member)
    content.seek(0)
    assert refused(content) == "its directory is too large"


def test_headers_upon_headers_are_refused():
    header = tarfile.TarInfo("x")
    header.type = tarfile.XHDTYPE
    assert refused(io.BytesIO(header.tobuf(tarfile.USTAR_FORMAT) * 100_000)) in {"broken", "its directory is too large"}


def test_a_sparse_file_is_refused():
    member = tarfile.TarInfo("a")
    member.type = tarfile.GNUTYPE_SPARSE
    assert refused(io.BytesIO(member.tobuf(tarfile.GNU_FORMAT) + bytes(1024))) == "neither file nor folder"


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"PK\x03\x04" + b"x" * 100, b"\x1f\x8b", b"\x1f\x8b" + b"x" * 100, b"text", bytes(2000)],
)
def test_what_is_no_archive_is_refused(content):
    refused(io.BytesIO(content))


@pytest.mark.parametrize("pack", [zipped, tarred, targz])
def test_half_an_archive_is_refused_or_gives_nothing_wrong(pack):
    whole = pack({"a": bytes(range(256)) * 4000}).getvalue()
    with pytest.raises(ArchiveRefused), opened(io.BytesIO(whole[: len(whole) // 2]), limit_bytes=LIMIT) as archive:
        archive.read("a", LIMIT)


class Ailing(io.BytesIO):
    """Lies on a disk that begins to fail."""

    fails = False

    def read(self, *size):
        if self.fails:
            raise OSError(errno.EIO, "Input/output error")
        return super().read(*size)

    readline = read


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_disk_that_fails_is_no_fault_of_the_archive(pack):
    content = Ailing(pack({"a": b"sound", "lines": b"1\n"}).getvalue())
    with opened(content, limit_bytes=LIMIT) as archive:
        content.fails = True
        with pytest.raises(StorageFailed):
            archive.read("a", LIMIT)
        with pytest.raises(StorageFailed):
            next(archive.lines("lines", LIMIT))
        content.fails = False
        assert archive.read("a", LIMIT) == b"sound"


def test_a_member_whose_beginning_is_broken_gives_no_lines():
    content = bytearray(zipped({"lines": b"1\n"}).getvalue())
    content[:4] = b"PK\x07\x08"
    with opened(io.BytesIO(content), limit_bytes=LIMIT) as archive, pytest.raises(ArchiveRefused):
        next(archive.lines("lines", LIMIT))


def test_a_member_before_the_beginning_is_refused(tmp_path):
    content = bytearray(zipped({"a": b"sound"}).getvalue())
    end = content.index(b"PK\x05\x06")
    (begin,) = struct.unpack("<I", content[end + 16 : end + 20])
    content[end + 16 : end + 20] = struct.pack("<I", begin + 1000)
    (tmp_path / "a.zip").write_bytes(content)
    with (tmp_path / "a.zip").open("rb") as file:
        assert refused(file) == "broken"


@pytest.mark.parametrize("kept", [2, 3])
def test_a_tar_that_ends_where_another_member_should_begin_or_is_broken_there_is_refused(kept):
    content = tarred({"a": b"sound", "b": b"sound"}).getvalue()
    assert refused(io.BytesIO(content[: kept * tarfile.BLOCKSIZE])) == "broken"
    assert refused(io.BytesIO(content[: 2 * tarfile.BLOCKSIZE] + b"no header" + bytes(10_000))) == "broken"
