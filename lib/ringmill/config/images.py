"""Images as data: where they lie, the tensor they become, how it is normalised, and how training varies it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ringmill.config.rules import Section


class Decoding(Section):
    """What a file becomes: (height, width, channels) of uint8, the same in training and scoring.

    One channel is grey by ITU-R 601 (0.299 R + 0.587 G + 0.114 B), three are RGB. `stretch` changes the proportions,
    `fit` keeps them and fills the rest with `background`, which also stands behind what is transparent. Both resize
    bilinearly, over all pixels that fall into one (antialiased). A first frame stands for an animation.
    """

    height: int = Field(ge=1, le=4_096)
    width: int = Field(ge=1, le=4_096)
    channels: Literal[1, 3] = 3
    resize: Literal["stretch", "fit"] = "fit"
    background: int = Field(0, ge=0, le=255, description="grey level, 0 is black")
    # The upper bound is the decoder's own, above which it speaks of a decompression bomb.
    largest_pixels: int = Field(
        50_000_000, ge=1, le=89_478_485, description="a file that declares more is rejected before it is unpacked"
    )

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.height, self.width, self.channels)

    @property
    def bytes(self) -> int:
        """Of one decoded image."""
        return self.height * self.width * self.channels


class Pictures(Section):
    """`ringmill generate`: shapes of random place, size and turn on noise, as idx files where `images` reads them."""

    rows: int = Field(6_000, ge=1)
    classes: int = Field(10, ge=2, le=10, description="kinds of shapes")
    noise: float = Field(40.0, ge=0, le=128, description="standard deviation per value, in grey levels")
    test_rows: int = Field(1_000, ge=1, description="images of the files that images.test_path names, where it does")


class Images(Section):
    """Files or idx files → features/<name>."""

    name: str = Field(pattern="^[a-z][a-z0-9_]*$")
    path: str = Field(description="files: a folder or a glob; idx: the file with the images, .gz or not")
    format: Literal["files", "idx"] = "files"
    labels: Literal["none", "folder", "file"] = Field(
        "none", description="folder: the name of the folder that a file lies in; file: what label_path says"
    )
    label_path: str | None = Field(
        None, description="files: CSV with columns image (path below the folder read) and label; idx: the labels' file"
    )
    test_path: str | None = Field(
        None,
        description="as path: these images, and no others, are the test split; an image of path that has the same "
        "bytes as one of them is rejected",
    )
    test_label_path: str | None = Field(None, description="as label_path, of the images of test_path")
    decoding: Decoding
    largest_file_mb: int = Field(256, ge=1, le=1_024, description="a longer file is rejected without being read")
    normalise: Literal["unit", "zscore"] = Field(
        "unit", description="from 0 to 1, or minus the mean over the deviation of each channel in the train split"
    )
    shares: tuple[float, float, float] = Field((0.8, 0.1, 0.1), description="train, validation, test")
    stratify: bool = Field(False, description="the shares hold within each label")
    generate: Pictures | None = Field(None, description="make up the idx files")
    row_group_mb: int = Field(16, ge=1, le=128, description="decoded bytes that are read at once")

    @model_validator(mode="after")
    def _fits(self) -> Images:
        if (self.labels == "file") != (self.label_path is not None):
            raise ValueError("'label_path' with labels: file, and only with it")
        if (self.test_label_path is not None) != (self.test_path is not None and self.labels == "file"):
            raise ValueError("'test_label_path' with 'test_path' and labels: file, and only with both")
        if self.test_path is not None and self.shares[2]:
            raise ValueError("'shares' that leave nothing to the test split, which is all of 'test_path'")
        if self.format == "idx" and self.labels == "folder":
            raise ValueError("labels: file or none with format: idx, whose images lie in no folders")
        if abs(sum(self.shares) - 1) > 1e-9 or min(self.shares) < 0:
            raise ValueError("'shares' that add up to 1, none of them negative")
        if self.stratify and self.labels == "none":
            raise ValueError("'stratify' with labels: folder or file")
        if self.generate is not None and (self.format, self.labels) != ("idx", "file"):
            raise ValueError("format: idx and labels: file with 'generate', which writes such files")
        return self

    @property
    def of_test(self) -> Images:
        """The section as it reads `test_path`."""
        named = {"path": self.test_path, "label_path": self.test_label_path}
        return self.model_copy(update={**named, "test_path": None, "test_label_path": None})

    @property
    def rows_per_group(self) -> int:
        """Rows of a Parquet row group: as many as `row_group_mb` hold, at least one."""
        return max(1, self.row_group_mb * 2**20 // self.decoding.bytes)


class Augmentation(Section):
    """What training does to an image anew in every epoch; all off by default."""

    flip: float = Field(0.0, ge=0, le=1, description="share of images that are mirrored left to right")
    crop_pixels: int = Field(0, ge=0, le=512, description="shift by at most so many each way; the edge is repeated")
    brightness: float = Field(0.0, ge=0, lt=1, description="factor from 1 − brightness to 1 + brightness")
    noise: float = Field(0.0, ge=0, le=128, description="standard deviation per value, in grey levels")

    @property
    def is_on(self) -> bool:
        return bool(self.flip or self.crop_pixels or self.brightness or self.noise)
