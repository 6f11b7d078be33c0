"""Which sections of a pipeline stand beside each other, and which task each kind of pipeline trains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringmill.config.columns import check_columns
from ringmill.config.sequences import heads_by_label

if TYPE_CHECKING:
    from ringmill.config.models import Config
    from ringmill.config.table import OwnTable


def check_sections(config: Config) -> None:
    """Raises ValueError or ConfigError, with what a whole pipeline has, where sections or the task do not fit."""
    if config.table_section is not None:
        _check_table(config, config.table_section)
    elif config.augment_section is not None:
        raise ValueError("a section 'augment' beside a section 'table', whose rare class it helps")
    elif config.recommend_section is not None:
        _check_alone(config, "recommend")
        if config.train.task.kind != "pairs":
            raise ValueError("train.task of kind 'pairs' beside a section 'recommend'")
    elif config.sequences_section is not None:
        _check_alone(config, "sequences")
        heads_by_label(config.train.task)
    elif config.route is not None and config.texts is None:
        raise ValueError("a section 'route' in a pipeline of texts alone")
    elif config.raw_section is None or config.features_section is None:
        _check_examples(config)
    else:
        _check_customers(config)


def _check_table(config: Config, table: OwnTable) -> None:
    beside = (config.raw_section, config.features_section, config.images, config.texts, config.generate, config.route)
    others = (config.recommend_section, config.sequences_section, config.embeddings_section)
    if any(section is not None for section in (*beside, *others)):
        raise ValueError("a section 'table' with 'train' alone beside it: the table is trained on as it is")
    if config.augment_section is None:
        if table.generate is not None:
            raise ValueError("table.generate in a pipeline with a section 'augment'")
    elif config.train.task.kind != "classes" or config.train.class_weights or config.train.engine != "ring":
        raise ValueError(
            "train.task of kind 'classes' by the engine 'ring' beside a section 'augment', and no "
            "train.class_weights: weights are one of the four ways that are compared"
        )
    elif config.train.sample_weight is not None:
        raise ValueError(
            "no train.sample_weight beside a section 'augment': made and repeated rows have no such column, and the "
            "four ways that are compared would weigh other rows"
        )


def _check_alone(config: Config, name: str) -> None:
    """Of a section that takes the place of 'features'."""
    others = (config.features_section, config.embeddings_section, config.images, config.texts, config.route)
    both = config.recommend_section is not None and config.sequences_section is not None
    if config.raw_section is None or both or any(section is not None for section in others):
        raise ValueError(f"a section '{name}' with 'raw' beside it, and no examples or features of another kind")
    check_columns(config.raw_section, config.clean)


def _check_examples(config: Config) -> None:
    alone = (config.images is None) != (config.texts is None)
    if config.raw_section is not None or config.features_section is not None or not alone:
        raise ValueError("sections 'raw' and 'features', or a section 'images' or 'texts' without both")
    if config.train.task.kind != "classes":
        raise ValueError("train.task of kind 'classes', which is what is learnt of images and texts")
    if config.embeddings_section is not None:
        raise ValueError("a section 'embeddings' with 'raw' and 'features' beside it: it learns a code of their rows")
    if config.generate is not None:
        raise ValueError("images.generate or texts.generate: 'generate' makes up a shop")


def _check_customers(config: Config) -> None:
    if config.texts is not None:
        raise ValueError("a section 'texts' without 'raw' and 'features': texts have a pipeline of their own")
    check_columns(config.raw, config.clean)
    if config.embeddings_section is not None and config.embeddings_section.name == config.features.name:
        raise ValueError("embeddings.name other than features.name: each names models of its own")
    if config.images is not None and config.images.name == config.features.name:
        raise ValueError("images.name other than features.name: each names a table of its own")
    if config.train.task.kind != "purchase":
        raise ValueError("train.task of kind 'purchase' beside a section 'raw': its scores are of customers")
