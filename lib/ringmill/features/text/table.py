"""The contract of a table of texts."""

from __future__ import annotations

from ringmill.config.texts import Texts
from ringmill.contracts import SPLITS, Column, Table


def texts_table(section: Texts) -> Table:
    """features/<name> of texts: the ids that training reads, beside the text that a person reads."""
    return Table(
        path=f"features/{section.name}",
        grain="one row per line that came in, rejected ones and duplicates included",
        partition_by=("split",),
        columns=(
            Column("row_id", "bigint", "hash of content_hash; null unless clean", nullable=True),
            Column("source_file", "string", "name of the file that the line came from"),
            Column("text", "string", "the clean text; null where rejected", nullable=True),
            Column("raw", "string", "text or torn line as it came; null where it equals the clean text", nullable=True),
            Column("label", "string", "class, as the files or people say; null: there is none", nullable=True),
            Column("reviewed", "boolean", "whether the line is of texts.reviewed: labelled by a person"),
            Column("relabelled", "boolean", "whether people gave the text another label than the files do"),
            Column(
                "content_hash",
                "string",
                "SHA-256 of the clean text in NFKC and lower case: equal texts are one; null where rejected",
                nullable=True,
            ),
            Column(
                "group_hash",
                "string",
                "SHA-256 of the same without punctuation, signs and white space: near repeats are in one split; null "
                "where rejected",
                nullable=True,
            ),
            Column("status", "string", "clean, duplicate or rejected", one_of=("clean", "duplicate", "rejected")),
            Column(
                "reasons",
                "array<string>",
                "torn_line, not_utf8, empty_text, too_long, no_label or unknown_label; empty unless rejected",
            ),
            Column("duplicate_of", "bigint", "row_id of the clean row with the same text", nullable=True),
            Column(
                "ids",
                "array<int>",
                f"{section.tokens.length} tokens by their ids: 0 padding, 1 not in the vocabulary; null where rejected",
                nullable=True,
            ),
            Column(
                "split",
                "string",
                "train, validation or test, by group_hash; null unless clean and labelled",
                nullable=True,
                one_of=SPLITS,
            ),
        ),
    )
