"""The twelve bugs: the commit code as somebody might have written it."""

from __future__ import annotations

import importlib
import inspect
import sys
from types import ModuleType
from typing import NamedTuple

import pytest


class Edit(NamedTuple):
    """A change of a module's source; `old` stands there exactly once."""

    module: str
    old: str
    new: str


_S3, _WRITE, _CLAIM, _PUBLISH, _PARQUET = (
    f"services.lake.{name}" for name in ("s3", "write", "claim", "publish", "parquet")
)

_PATCHED = ("time", "_UPLOADS", "_MAX_STARTS")
"""What the tests set in a module, and a changed one must have too."""

BUGS: dict[str, tuple[Edit, ...]] = {
    "no If-Match": (Edit(_S3, "            **condition,\n", ""),),
    "no second reading": (
        Edit(
            _PUBLISH,
            "            if self._job.read_inputs() != inputs:\n                raise StartOver",
            "            if False:\n                raise StartOver",
        ),
        # The look before the commit would do as well: it too comes after the claim.
        Edit(_PUBLISH, "        if self._job.read_inputs() != inputs:  # a", "        if False:  # a"),
    ),
    "keys not claimed": (Edit(_CLAIM, "    if wider != claim:\n        swap_claim(store, key, wider, etag)\n", ""),),
    "a vanished partition left as it is": (Edit(_CLAIM, "return wider.keys", "return tuple(sorted(keys))"),),
    "generation not in the bytes": (Edit(_PARQUET, ', "eventlog.generation": str(generation)', ""),),
    "blind retry of the PUT": (
        Edit(
            _WRITE,
            '        if head and head.generation is not None and head.generation > body.generation:\n            raise StartOver(f"{key} is newer")\n',
            "",
        ),
    ),
    "412 as failure": (Edit(_S3, "(404, 409, 412, 429)", "(404, 409, 429)"),),
    "delete, then write": (
        Edit(
            _S3,
            "                if isinstance(body.content, Path):\n",
            "                if expected:\n                    self._once.delete_object(Bucket=self.bucket, Key=self._prefix + key)\n                    send.keywords.pop('IfMatch')\n                if isinstance(body.content, Path):\n",
        ),
    ),
    "streaming to the public key": (
        Edit(
            _S3,
            '                    with body.content.open("rb") as file:\n',
            "                    half = body.content.read_bytes()[: body.content.stat().st_size // 2]\n                    first = {**send.keywords, 'Body': half, 'ChecksumSHA256': None}\n                    send.keywords.pop('IfNoneMatch', None)\n                    send.keywords['IfMatch'] = self._once.put_object(**first)['ETag']\n                    with body.content.open(\"rb\") as file:\n",
        ),
    ),
    "skipped audit": (
        Edit(
            _PARQUET,
            "    repeated = [field.name for field in schema if pa.types.is_string(field.type) and field.name not in _PLAIN]\n",
            "    return\n    repeated = [field.name for field in schema if pa.types.is_string(field.type) and field.name not in _PLAIN]\n",
        ),
    ),
    "manifest first": (
        Edit(
            _PUBLISH,
            "        with ThreadPoolExecutor(_UPLOADS) as pool:\n",
            "        files = [(key, built.files.get(key) or built.empty(key)) for key in keys]\n        early = built.manifest(tuple(Output(key, f.sha256, f.sha256, f.rows, f.bytes) for key, f in files))\n        name = layout.manifest_key(self._job.stage, self._job.week)\n        write_object(self._store, name, json_body(early.to_json(), generation))\n        with ThreadPoolExecutor(_UPLOADS) as pool:\n",
        ),
    ),
    "swallowed exception": (
        Edit(
            _WRITE,
            '    raise TemporaryError(f"{store.url}: writing {key} keeps failing',
            '    return ""\n    raise TemporaryError(f"{store.url}: writing {key} keeps failing',
        ),
    ),
}


def plant(monkeypatch: pytest.MonkeyPatch, edits: tuple[Edit, ...]) -> None:
    """Put the changed module's functions and classes in the place of the real ones, wherever they are known."""
    (name,) = {edit.module for edit in edits}
    module = importlib.import_module(name)
    source = inspect.getsource(module)
    for edit in edits:
        assert source.count(edit.old) == 1, f"{name} has moved on: where is {edit.old!r}?"
        source = source.replace(edit.old, edit.new)
    changed = ModuleType(name)
    changed.__file__ = module.__file__
    exec(compile(source, f"<{name}, planted>", "exec"), vars(changed))
    for known in _PATCHED:
        if hasattr(module, known):
            setattr(changed, known, getattr(module, known))
    for attribute, real in list(vars(module).items()):
        if getattr(real, "__module__", None) == name and callable(real):
            _replace_everywhere(monkeypatch, real, vars(changed)[attribute])


def _replace_everywhere(monkeypatch: pytest.MonkeyPatch, real: object, planted: object) -> None:
    for name, module in list(sys.modules.items()):
        if name.startswith(("services.", "tests.faults.")):
            for attribute, value in list(vars(module).items()):
                if value is real:
                    monkeypatch.setattr(module, attribute, planted)
