"""Albums on a cluster by Ray Data: ``pip install 'persam[ray]'``.

``read_album(...).map_batches(Segmenter, ...)`` is a data set of rows, see
:func:`persam.album.rows.schema`; ``segment_on_ray`` is that with parts of Parquet at its end, which
a stopped run goes on from.
"""

from persam.integrations.ray.job import ClusterOptions, ClusterSummary, segment_on_ray
from persam.integrations.ray.reading import read_album
from persam.integrations.ray.segmenter import Segmenter

__all__ = ["ClusterOptions", "ClusterSummary", "Segmenter", "read_album", "segment_on_ray"]
