"""The contract of a table of images."""

from __future__ import annotations

from ringmill.config.images import Images
from ringmill.contracts import SPLITS, Column, Table


def images_table(section: Images) -> Table:
    """features/<name> of images: tensors as bytes, a row group of as many as training reads at once.

    One binary value per image, because Delta knows no list of fixed length: a row group of them is one buffer, which
    is read 7 to 30 times as fast as arrays of numbers, from a fourth of their bytes before compression. Training
    normalises what it reads; normalised numbers would be four times as long.
    """
    height, width, channels = section.decoding.shape
    return Table(
        path=f"features/{section.name}",
        grain="one row per image, rejected ones included",
        partition_by=("split",),
        rows_per_group=section.rows_per_group,
        columns=(
            Column("row_id", "bigint", "hash of image_id: the permutation's and the seeds' key"),
            Column("image_id", "string", "path below the folder read, or name of the idx file, # and place in it"),
            Column("source_file", "string", "file the image came from, as in image_id"),
            Column("bytes", "bigint", "length of the file, or of the image in an idx file", unit="bytes", least=0),
            Column(
                "content_hash",
                "string",
                "SHA-256 of the pixels, where rejected of the file's bytes; null where the file was not read",
                nullable=True,
            ),
            Column("label", "string", "class, as the folder or the labels' file says", nullable=True),
            Column("status", "string", "clean or rejected", one_of=("clean", "rejected")),
            Column(
                "reasons",
                "array<string>",
                "empty_file, torn_image, unknown_format, too_large or in_test; empty where clean",
            ),
            Column(
                "pixels",
                "binary",
                f"{height} × {width} × {channels} unsigned bytes: row by row, pixel by pixel; null where rejected",
                nullable=True,
            ),
            Column("split", "string", "train, validation or test; null where rejected", nullable=True, one_of=SPLITS),
        ),
    )
