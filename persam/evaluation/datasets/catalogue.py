"""What can be evaluated on: layout, splits, source and licence of every data set."""

from __future__ import annotations

from dataclasses import dataclass

from persam.errors import InputError

_COCO_IMAGES = "pictures: Flickr's terms of use (COCO does not own them)"
_MATCHER = "annotations: linked from https://github.com/aim-uofa/Matcher/tree/main/datasets"


@dataclass(frozen=True)
class DatasetEntry:
    """One data set.

    Attributes:
        name: what `persam evaluate` takes.
        title: as papers write it.
        folder: what its folder is usually called.
        folds: their names in order; one empty name where there is one fold.
        splits: classes and episodes of the protocol.
        metric: how the number in the tables is computed.
        layout: what lies where within the folder, one a line.
        source: where to get it, one a line.
        licence: as far as it is stated.
        classes: how many the whole protocol has (PerSeg: objects); None where that is not fixed.
        episodes: of all folds together; None where the pictures decide it.

    Example:
        >>> entry = find("pascal-5i")
        >>> (entry.title, entry.classes, len(entry.folds))
        ('PASCAL-5i', 20, 4)
    """

    name: str
    title: str
    folder: str
    folds: tuple[str, ...]
    splits: str
    metric: str
    layout: tuple[str, ...]
    source: tuple[str, ...]
    licence: str
    classes: int | None = None
    episodes: int | None = None


_POOLED = (
    "mIoU: pixels pooled per class over its episodes, mean over a fold's classes, mean over folds; "
    "at 518 x 518"
)

CATALOGUE = (
    DatasetEntry(
        name="perseg",
        title="PerSeg",
        folder="PerSeg",
        folds=("",),
        splits="40 objects of 5 to 7 photos; 00 is shown, the others are searched",
        metric="mIoU: pixels pooled per object over its photos, mean over objects",
        layout=("Images/<object>/<NN>.jpg", "Annotations/<object>/<NN>.png"),
        source=("linked from https://github.com/ZrrSkywalker/Personalize-SAM",),
        licence="none stated for the photos; treat as research only",
        classes=40,
    ),
    DatasetEntry(
        name="fss-1000",
        title="FSS-1000",
        folder="FSS-1000",
        folds=("",),
        splits="240 test classes of 10 pictures; 2,400 episodes, every picture searched once",
        metric=_POOLED,
        layout=(
            "data/<class>/<1..10>.jpg",
            "data/<class>/<1..10>.png     grey, 128 and more is object",
            "splits/test.txt              the 240 names, one a line (or fss_test_set.txt)",
        ),
        source=(
            "https://github.com/HKUSTCV/FSS-1000 (there also fss_test_set.txt)",
            "with splits: linked from https://github.com/aim-uofa/Matcher/tree/main/datasets",
        ),
        licence="none stated in its repository; treat as research only",
        classes=240,
        episodes=2_400,
    ),
    DatasetEntry(
        name="lvis-92i",
        title="LVIS-92i",
        folder="LVIS",
        folds=tuple(str(fold) for fold in range(10)),
        splits="10 folds of 92 classes (fold f: every tenth class from f on); 2,300 episodes each",
        metric=_POOLED,
        layout=(
            "lvis_val.pkl                 (or lvis_v1_val.json: same rules, other episodes)",
            "coco/train2017/<number>.jpg",
            "coco/val2017/<number>.jpg",
        ),
        source=(
            "pictures: train2017.zip and val2017.zip from http://images.cocodataset.org/zips/",
            f"{_MATCHER} (lvis.zip)",
            "lvis_v1_val.json: https://www.lvisdataset.org",
        ),
        licence=f"{_COCO_IMAGES}; annotations: see https://www.lvisdataset.org",
        classes=920,
        episodes=23_000,
    ),
    DatasetEntry(
        name="pascal-part",
        title="PASCAL-Part",
        folder="Pascal-Part",
        folds=("animals", "indoor", "person", "vehicles"),
        splits="4 super-classes as folds, 56 parts in all; at most 2,500 episodes each, cropped "
        "to one object",
        metric=_POOLED,
        layout=(
            "VOCdevkit/VOC2010/all_obj_part_to_image.json",
            "VOCdevkit/VOC2010/Annotations_Part_json_merged_part_classes/<picture>.json",
            "VOCdevkit/VOC2010/JPEGImages/<picture>.jpg",
        ),
        source=(
            "pictures: VOCtrainval_03-May-2010.tar from "
            "http://host.robots.ox.ac.uk/pascal/VOC/voc2010/",
            f"{_MATCHER} (pascal.zip)",
            "original parts: http://roozbehm.info/pascal-parts/pascal-parts.html",
        ),
        licence="none stated with the annotations; pictures: see the VOC 2010 page",
        classes=56,
    ),
    DatasetEntry(
        name="paco-part",
        title="PACO-Part",
        folder="PACO-Part",
        folds=("0", "1", "2", "3"),
        splits="448 part classes in 4 folds (fold f: every fourth from f on), of which those with "
        "two pictures or more are used; 2,500 episodes each, cropped to one object",
        metric=_POOLED,
        layout=(
            "paco/paco_part_train.pkl     for the order of the classes",
            "paco/paco_part_val.pkl",
            "coco/train2017/<number>.jpg",
            "coco/val2017/<number>.jpg",
        ),
        source=(
            "pictures: train2017.zip and val2017.zip from http://images.cocodataset.org/zips/",
            f"{_MATCHER} (paco.zip)",
            "original annotations: https://github.com/facebookresearch/paco",
        ),
        licence=f"{_COCO_IMAGES}; annotations: see https://github.com/facebookresearch/paco",
        classes=448,
        episodes=10_000,
    ),
    DatasetEntry(
        name="coco-20i",
        title="COCO-20i",
        folder="COCO2014",
        folds=("0", "1", "2", "3"),
        splits="80 classes in 4 folds of 20 (fold f: every fourth from f on); 1,000 episodes each",
        metric=_POOLED,
        layout=(
            "splits/val/fold<0..3>.pkl    class number 0..79 -> picture names",
            "val2014/COCO_val2014_<number>.jpg",
            "annotations/val2014/COCO_val2014_<number>.png    class number + 1, 0 for the rest",
        ),
        source=(
            "pictures: val2014.zip from http://images.cocodataset.org/zips/",
            "splits: https://github.com/aim-uofa/Matcher/tree/main/datasets/COCO2014/splits",
            "annotation pictures: linked from https://github.com/juhongm999/hsnet",
        ),
        licence=f"{_COCO_IMAGES}; annotations: CC BY 4.0",
        classes=80,
        episodes=4_000,
    ),
    DatasetEntry(
        name="pascal-5i",
        title="PASCAL-5i",
        folder="VOC2012",
        folds=("0", "1", "2", "3"),
        splits="20 classes in 4 folds of 5 in a row; 1,000 episodes each, along the fold's list",
        metric=f"{_POOLED}; pixels of value 255 are not judged",
        layout=(
            "splits/val/fold<0..3>.txt    <picture>__<class number 01..20>, one a line",
            "JPEGImages/<picture>.jpg",
            "SegmentationClassAug/<picture>.png    class number, 0 for the rest, 255 not judged",
        ),
        source=(
            "pictures: VOCtrainval_11-May-2012.tar from "
            "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/",
            "annotation pictures: linked from https://github.com/juhongm999/hsnet",
            "splits: https://github.com/ANDYZAQ/GF-SAM/tree/main/matcher/data/splits/pascal",
        ),
        licence="pictures: see the VOC 2012 page; none stated with the annotations",
        classes=20,
        episodes=4_000,
    ),
    DatasetEntry(
        name="isaid-5i",
        title="iSAID-5i",
        folder="iSAID",
        folds=("0", "1", "2"),
        splits="15 classes of aerial patches in 3 folds of 5 in a row; one episode a line of the "
        "list, 3,108, 3,657 and 3,298",
        metric=f"{_POOLED}; pixels of value 255 are not judged",
        layout=(
            "splits/val/fold<0..2>.txt    <patch>__<class number 01..15>, one a line",
            "val/images/<patch>.png",
            "val/semantic_png/<patch>_instance_color_RGB.png    class number, 0 for the rest",
        ),
        source=(
            "patches (iSAID_patches): linked from https://github.com/caoql98/SDM and "
            "https://github.com/visinf/INSID3/blob/main/docs/data.md",
            "splits: https://github.com/ANDYZAQ/GF-SAM/tree/main/matcher/data/splits/isaid",
        ),
        licence="none stated with the patches; treat as research only",
        classes=15,
    ),
    DatasetEntry(
        name="permis",
        title="PerMIS",
        folder="PerMIRS",
        folds=("",),
        splits="videos with several objects of a kind; frame 0 is shown, frame 1 is searched",
        metric="IoU of all videos' pixels together, those whose object fills less than 0.5 % of "
        "frame 1 left out; here at the frames' own size, in the authors' script within a square of "
        "512 round the object",
        layout=(
            "<number>/0.jpg, 1.jpg, 2.jpg    (or .png)",
            "<number>/masks.npz.npy          a list of three, {number of the object: mask}",
        ),
        source=(
            "made from BURST (https://github.com/Ali2500/BURST-benchmark) by "
            "PerMIRS/permirs_gen_dataset.py of https://github.com/dvirsamuel/PDM",
        ),
        licence="of the frames and masks see BURST's repository",
        classes=1,
    ),
    DatasetEntry(
        name="davis",
        title="DAVIS 2016 and 2017",
        folder="DAVIS",
        folds=("",),
        splits="semi-supervised, validation: 20 sequences of one object (2016), 30 of several "
        "(2017); the first frame's masks are shown, all other frames are searched",
        metric="J and F of every object and frame but the first and the last, mean over an "
        "object's frames, mean over objects; J&F is the mean of the two; at 480p",
        layout=(
            "JPEGImages/480p/<sequence>/<NNNNN>.jpg",
            "Annotations/480p/<sequence>/<NNNNN>.png    2017: palette, its numbers are objects; "
            "2016: all but 0 is object",
            "ImageSets/2017/val.txt       the 30 names, one a line",
            "ImageSets/2016/val.txt       the 20 names (or ImageSets/480p/val.txt, as DAVIS 2016 "
            "came first)",
        ),
        source=("TrainVal, 480p: https://davischallenge.org",),
        licence="BSD for what https://github.com/davisvideochallenge/davis holds; of the pictures "
        "see https://davischallenge.org",
    ),
)


def find(name: str) -> DatasetEntry:
    """The entry of a name, whatever its case.

    Raises:
        InputError: no data set is called that.

    Example:
        >>> find("PerSeg").classes
        40
        >>> find("nowhere")
        Traceback (most recent call last):
        persam.errors.InputError: There is no data set 'nowhere'; there are perseg, ...
    """
    for entry in CATALOGUE:
        if name.casefold() == entry.name:
            return entry
    known = ", ".join(entry.name for entry in CATALOGUE)
    raise InputError(f"There is no data set {name!r}; there are {known}.")
