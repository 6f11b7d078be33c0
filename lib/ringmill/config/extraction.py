"""Entries of a feature set that make few columns of many: PCA, linear discriminants, truncated SVD of text."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ringmill.config.rules import Section


class Extraction(Section):
    """What all kinds share: the outputs are called `name` 1, `name` 2, and so on.

    With `keep: false` they are for later entries alone and no part of x.
    """

    columns: tuple[str, ...] = Field(min_length=1)
    name: str = Field(min_length=1)
    keep: bool = True

    @property
    def is_per_column(self) -> bool:
        return False

    @model_validator(mode="after")
    def _each_column_once(self) -> Extraction:
        if len(set(self.columns)) < len(self.columns):
            raise ValueError("columns with no name twice")
        return self


class Pca(Extraction):
    """Principal components of the columns' covariance: what varies most first.

    Columns of unlike units want a scaling entry before. `components` or `share`, the least share of the variance that
    is to be kept; neither: all that have variance. `whiten` brings each component to variance 1.
    """

    kind: Literal["pca"]
    name: str = Field("pca", min_length=1)
    components: int | None = Field(None, ge=1)
    share: float | None = Field(None, gt=0, lt=1)
    whiten: bool = False

    @model_validator(mode="after")
    def _one_number(self) -> Pca:
        if self.components is not None and self.share is not None:
            raise ValueError("a pca with 'components' or 'share', not both")
        return self


class Lda(Extraction):
    """Linear discriminants: the directions in which the classes of `label` lie furthest apart, for their spread."""

    kind: Literal["lda"]
    name: str = Field("lda", min_length=1)
    label: str = Field(description="a column of classes; it is read when fitting, never when applying")
    components: int | None = Field(None, ge=1, description="default: one less than there are classes, or columns")


class TruncatedSvd(Extraction):
    """Truncated SVD, not centred, of sparse rows: latent semantic analysis where they are TF-IDF."""

    kind: Literal["truncated_svd"]
    columns: tuple[str, str] = Field(description="two columns of lists: indices of terms, and their values")
    name: str = Field("svd", min_length=1)
    terms: int = Field(ge=2, le=2_000, description="size of the vocabulary; terms² numbers are held to fit")
    components: int = Field(100, ge=1)

    @model_validator(mode="after")
    def _fewer_than_terms(self) -> TruncatedSvd:
        if self.components > self.terms:
            raise ValueError("at most as many components as terms")
        return self


ExtractionEntry = Annotated[Pca | Lda | TruncatedSvd, Field(discriminator="kind")]
