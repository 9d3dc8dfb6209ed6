"""Published figures to stand beside one's own, each with where it comes from.

The PerSAM paper's tables were not at hand; each row says through what its figure is known. Figures
that nothing confirms are left out, which is why some cells are empty.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Evidence = Literal["summary", "quoted"]

# Where figures come from, in the words of a table's last column.
PAPER = "PerSAM paper"
MATCHER = "Matcher paper, its own run"
P2SAM = "P²SAM README"
GF_SAM = "GF-SAM paper"
GF_SAM_LOGS = "log files of GF-SAM's repository, mean of the folds"
INSID3 = "INSID3 paper"
LISTING = "listed at wizwand.com"
SANSA = "SANSA README"
DIFFEWS = "DiffewS paper, Table 1"
PDM = "PDM paper"
HUGE = "SAM ViT-H"
WITH_DINO = "SAM and DINOv2"


@dataclass(frozen=True)
class PublishedRow:
    """The fields common to all published rows.

    Attributes:
        dataset: a name that ``persam datasets`` lists; with the year behind it for DAVIS.
        method: as its authors call it.
        model: the frozen model under it; empty where it is its own, or not known.
        source: whose figure it is.
        evidence: ``"summary"``, summaries of the paper state it; ``"quoted"``, a later paper, a
            review or a README repeats it.
    """

    dataset: str
    method: str
    model: str
    source: str = field(default=PAPER, kw_only=True)
    evidence: Evidence = field(default="quoted", kw_only=True)

    @property
    def origin(self) -> str:
        """The source, and through what it is known."""
        through = "as summarised" if self.evidence == "summary" else "as quoted"
        told = self.source == PAPER or self.evidence == "summary"
        return f"{self.source}, {through}" if told else self.source


@dataclass(frozen=True)
class Published(PublishedRow):
    """One row of a published table on pictures; IoUs in percent.

    Attributes:
        miou: mean IoU.
        biou: mean boundary IoU; None where it is not known.
        parameters: how many were trained; empty where it is not known.
    """

    miou: float
    biou: float | None = None
    parameters: str = ""


@dataclass(frozen=True)
class PublishedVideo(PublishedRow):
    """One row of a published table on sequences, in percent.

    Attributes:
        jf: J&F.
        j, f: means of J and F; None where they are not known.
        remark: what a reader has to know of the figures.
    """

    jf: float
    j: float | None = None
    f: float | None = None
    remark: str = ""


_PERSEG = (
    Published("perseg", "Painter", "", 56.4),
    Published("perseg", "Visual Prompting", "", 65.9, 25.5, "383M", evidence="summary"),
    Published("perseg", "SEEM (Focal-L)", "", 87.1, 55.7, "341M", evidence="summary"),
    Published("perseg", "SegGPT", "", 94.3, 76.5, "354M", evidence="summary"),
    Published("perseg", "PerSAM", HUGE, 89.3, 71.7, "0", evidence="summary"),
    Published("perseg", "PerSAM-F", HUGE, 95.3, 77.9, "2", evidence="summary"),
    Published("perseg", "PerSAM", "SAM ViT-L", 86.6, source=P2SAM),
    Published("perseg", "PerSAM-F", "SAM ViT-L", 92.2, source=P2SAM),
    Published("perseg", "PerSAM", "SAM ViT-B", 64.0, source=P2SAM),
    Published("perseg", "PerSAM-F", "SAM ViT-B", 87.2, source=P2SAM),
    Published("perseg", "prompt tuning", "", 76.5),
    Published("perseg", "adapter", "", 78.3),
    Published("perseg", "LoRA", "", 90.0),
    Published("perseg", "P²SAM", HUGE, 95.7, source=P2SAM),
    Published("perseg", "DINOv2 nearest neighbour", "", 68.7, 27.6, source=PDM),
    Published("perseg", "PDM features", "", 95.4, 79.8, source=PDM),
    Published("perseg", "PerSAM with PDM features", "", 97.4, 81.9, source=PDM),
)
_FSS = (
    Published("fss-1000", "HSNet", "", 86.5),
    Published("fss-1000", "VAT", "", 90.3),
    Published("fss-1000", "PerSAM", WITH_DINO, 81.6),
    Published("fss-1000", "PerSAM-F", WITH_DINO, 86.3),
    Published("fss-1000", "PerSAM", "", 71.2, source=MATCHER),
    Published("fss-1000", "PerSAM-F", "", 75.6, source=MATCHER),
    Published("fss-1000", "Matcher", "", 87.0, source="Matcher paper"),
    Published("fss-1000", "GF-SAM", WITH_DINO, 88.0, source=GF_SAM_LOGS),
    Published("fss-1000", "SANSA, trained on other sets", "SAM 2", 91.4, source=SANSA),
)
_LVIS = (
    Published("lvis-92i", "HSNet", "", 17.4),
    Published("lvis-92i", "VAT", "", 18.5),
    Published("lvis-92i", "Painter", "", 10.5),
    Published("lvis-92i", "SegGPT", "", 18.6),
    Published("lvis-92i", "PerSAM", WITH_DINO, 15.6),
    Published("lvis-92i", "PerSAM-F", WITH_DINO, 18.4),
    Published("lvis-92i", "PerSAM", "", 11.5, source=MATCHER),
    Published("lvis-92i", "PerSAM-F", "", 12.3, source=MATCHER),
    Published("lvis-92i", "Matcher", "", 33.0, source="Matcher paper"),
    Published("lvis-92i", "GF-SAM", WITH_DINO, 35.2, source=GF_SAM, evidence="summary"),
    Published("lvis-92i", "INSID3", "DINOv3", 47.2, source=INSID3, evidence="summary"),
    Published("lvis-92i", "SANSA, trained on other sets", "SAM 2", 49.6, source=SANSA),
    Published("lvis-92i", "DiffewS, trained on such sets", "", 31.4, source=DIFFEWS),
)
_PARTS = (
    Published("pascal-part", "HSNet", "", 32.4),
    Published("pascal-part", "PerSAM", WITH_DINO, 32.5),
    Published("pascal-part", "PerSAM-F", WITH_DINO, 32.9),
    Published("pascal-part", "Matcher", "", 42.9, source="Matcher paper"),
    Published("pascal-part", "GF-SAM", WITH_DINO, 44.5, source=GF_SAM_LOGS),
    Published("pascal-part", "INSID3", "DINOv3", 50.5, source=INSID3, evidence="summary"),
    Published("paco-part", "HSNet", "", 22.6),
    Published("paco-part", "PerSAM", WITH_DINO, 22.5),
    Published("paco-part", "PerSAM-F", WITH_DINO, 22.7),
    Published("paco-part", "Matcher", "", 34.7, source="Matcher paper"),
    Published("paco-part", "GF-SAM", WITH_DINO, 36.3, source=GF_SAM_LOGS),
    Published("paco-part", "INSID3", "DINOv3", 38.7, source=INSID3, evidence="summary"),
)
_COCO = (
    Published("coco-20i", "PerSAM", "", 23.0, source=MATCHER),
    Published("coco-20i", "PerSAM-F", "", 23.5, source=MATCHER),
    Published("coco-20i", "Painter", "", 32.8, source="a later paper"),
    Published("coco-20i", "SegGPT", "", 56.1, source="a later paper"),
    Published("coco-20i", "Matcher", "", 52.7, source="Matcher paper"),
    Published("coco-20i", "GF-SAM", WITH_DINO, 58.7, source=GF_SAM, evidence="summary"),
    Published("coco-20i", "INSID3", "DINOv3", 57.6, source=INSID3, evidence="summary"),
    Published("coco-20i", "SANSA, trained on other sets", "SAM 2", 60.2, source=SANSA),
    Published("coco-20i", "DiffewS, trained on such sets", "", 71.3, source=DIFFEWS),
)
_FIVES = (
    Published("pascal-5i", "GF-SAM", WITH_DINO, 72.3, source=GF_SAM_LOGS),
    Published("pascal-5i", "VRP-SAM, trained on such sets", "", 71.9, source=LISTING),
    Published("pascal-5i", "CMaP-SAM, trained on such sets", "", 71.1, source="CMaP-SAM abstract"),
    Published("isaid-5i", "GF-SAM", WITH_DINO, 47.1, source=GF_SAM_LOGS),
    Published("isaid-5i", "INSID3", "DINOv3", 52.1, source=LISTING),
)
TABLES = (*_PERSEG, *_FSS, *_LVIS, *_PARTS, *_COCO, *_FIVES)

# The paper's first version and its last one (ICLR) differ in their figures; of the first one's, J&F
# alone is known.
_VIDEOS = "trained on videos"
_PRINTED = "as printed, where J&F is not the mean of J and F"
VIDEO_TABLES = (
    PublishedVideo("davis-2017", f"AGAME, {_VIDEOS}", "", 70.0, 67.2, 72.7),
    PublishedVideo("davis-2017", f"AGSS, {_VIDEOS}", "", 67.4, 64.9, 69.9),
    PublishedVideo("davis-2017", f"AFB-URR, {_VIDEOS}", "", 74.6, 73.0, 76.1),
    PublishedVideo("davis-2017", "Painter", "", 34.6, 28.5, 40.8),
    PublishedVideo("davis-2017", "SEEM", "", 58.9, 55.0, 62.8),
    PublishedVideo("davis-2017", "SegGPT", "", 75.6, 72.5, 78.6),
    PublishedVideo("davis-2017", "PerSAM-F", "", 76.1, 74.9, 79.7, _PRINTED),
    PublishedVideo("davis-2017", "PerSAM-F, first version", "", 71.9, evidence="summary"),
)

# The paper's ablation on PerSeg with SAM ViT-H, mIoU in percent, by the part that a row adds.
ABLATION = {
    "positive point": 69.1,
    "+ negative point": 72.5,
    "+ refinement": 83.9,
    "+ guided attention": 85.8,
    "+ semantic prompt": 89.3,
    "+ scale weights": 95.3,
}
# The same set, the reference given as a mask or as a box, by method. The paper does not say what it
# makes of the box; to fill it and take it for the mask is the reading that needs no other model.
REFERENCES = {
    ("persam", "mask"): 89.3,
    ("persam", "filled box"): 88.1,
    ("persam-f", "mask"): 95.3,
    ("persam-f", "filled box"): 94.9,
    ("SegGPT", "mask"): 94.3,
    ("SegGPT", "filled box"): 36.0,
    ("Visual Prompting", "mask"): 65.9,
    ("Visual Prompting", "filled box"): 38.1,
}


def published(dataset: str) -> tuple[Published, ...]:
    """The published rows of a data set of pictures; none where nothing is known of it."""
    return tuple(row for row in TABLES if row.dataset == dataset)


def published_video(dataset: str) -> tuple[PublishedVideo, ...]:
    """The published rows of a data set of sequences, ``"davis-2017"``; none likewise."""
    return tuple(row for row in VIDEO_TABLES if row.dataset == dataset)
