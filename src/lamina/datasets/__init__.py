"""Public data sets by name: `find("mnist")` gives a path that tasks read, `table()` lists them."""

from lamina.datasets.catalogue import CATALOGUE
from lamina.datasets.entry import DataSet, RawFile
from lamina.datasets.find import Row, find, listing, names, table

__all__ = ["CATALOGUE", "DataSet", "RawFile", "Row", "find", "listing", "names", "table"]
