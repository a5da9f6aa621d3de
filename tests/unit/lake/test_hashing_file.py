"""A file that is hashed, and handed to the disk, while it is written."""

import hashlib
import os

from services.lake import hashing_file
from services.lake.hashing_file import HashingFile


def test_the_disk_is_asked_for_all_of_it_while_it_grows(tmp_path, monkeypatch):
    asked = []

    class Watched:
        @staticmethod
        def sync_file_range(handle, start, length, flags):
            asked.append(os.fstat(handle).st_size)
            assert libc.sync_file_range(handle, start, length, flags) == 0
            return 0

    libc = hashing_file._LIBC
    monkeypatch.setattr(hashing_file, "_LIBC", Watched)
    piece = bytes(range(256)) * 4096  # 1 MiB
    file = HashingFile(tmp_path / "file")
    for _ in range(9):
        assert file.write(piece) == len(piece)
    file.close()
    file.close()
    assert asked == [4 * len(piece), 8 * len(piece), 9 * len(piece)]
    assert file.closed
    assert (tmp_path / "file").read_bytes() == piece * 9
    assert file.sha256() == hashlib.sha256(piece * 9).hexdigest()
