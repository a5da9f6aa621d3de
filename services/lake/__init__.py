"""What a lake is, and how files get into it."""

import sys
from importlib.abc import MetaPathFinder

import pyarrow as pa


class _NoPandas(MetaPathFinder):
    """Says that pandas is not there."""

    def find_spec(self, fullname: str, *_: object) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname)


# The first array that pyarrow makes has it import pandas, to know a Series when it is given one: a quarter of a second
# in every container for nothing. It asks once; whoever calls to_pandas() still gets pandas.
sys.meta_path.insert(0, _NoPandas())
pa.array([])
del sys.meta_path[0]
