"""Where clips come from: each source knows one layout and lists what lies there."""

from preprocess.sources.csv_file import Csv
from preprocess.sources.demo import Demo
from preprocess.sources.folder import Folder
from preprocess.sources.grid import Grid
from preprocess.sources.lrs2 import Lrs2
from preprocess.sources.lrs3 import Lrs3
from preprocess.sources.lrw import Lrw
from preprocess.sources.prepared import Prepared

__all__ = ["Csv", "Demo", "Folder", "Grid", "Lrs2", "Lrs3", "Lrw", "Prepared"]
