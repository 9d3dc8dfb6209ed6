"""Label files of other tools, read and written: a file a format, one way to say what they say.

``read_label_set`` takes any of them, ``write_label_set`` writes any; between them is a
:class:`LabelSet`, whose masks are COCO's run lengths, so that a thousand pictures fit in memory.
"""

from persam.io.labels.formats import FORMATS, read_label_set, recognise, write_label_set
from persam.io.labels.label_set import LabelledPicture, LabelSet, classes_of
from persam.io.labels.structures import Label, LabelClass, Origin
from persam.io.labels.writing import ERROR, Written

__all__ = [
    "ERROR",
    "FORMATS",
    "Label",
    "LabelClass",
    "LabelSet",
    "LabelledPicture",
    "Origin",
    "Written",
    "classes_of",
    "read_label_set",
    "recognise",
    "write_label_set",
]
