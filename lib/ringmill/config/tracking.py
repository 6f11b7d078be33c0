"""The sections `mlflow` and `openlineage`: who else is told of a run. Neither decides what a stage computes."""

from __future__ import annotations

from pydantic import Field, model_validator

from ringmill.config.rules import Section
from ringmill.errors.credentials import without_credentials


class Mlflow(Section):
    """Parameters, figures and the model of each training, in MLflow; needs the extra `mlflow`."""

    uri: str = Field(
        min_length=1,
        description="a folder, or http(s)://… of a server, whose user, password or token MLflow takes from its own "
        "variables of the environment",
    )
    experiment: str | None = Field(None, min_length=1, description="default: the pipeline's name")
    keep_model: bool = Field(True, description="whether the model's folder is kept there too")

    @model_validator(mode="after")
    def _without_a_password(self) -> Mlflow:
        if without_credentials(self.uri) != self.uri:
            raise ValueError("an address without a password or a query: MLflow reads MLFLOW_TRACKING_PASSWORD")
        if "://" in self.uri and not self.uri.startswith(("http://", "https://", "file://")):
            raise ValueError("a folder, or an address that begins with http:// or https://")
        return self


class OpenLineage(Section):
    """Events of each stage, by the OpenLineage specification: one JSON a line in a file, or sent to a server."""

    path: str | None = Field(None, min_length=1, description="a local file that grows by a line an event")
    url: str | None = Field(
        None,
        pattern="^https?://[^@]+$",
        description="the endpoint that takes an event, in full; its path stands in the ledger: a key goes into "
        "key_variable",
    )
    key_variable: str | None = Field(
        None, pattern="^[A-Za-z_][A-Za-z0-9_]*$", description="variable of the environment that holds the server's key"
    )
    namespace: str = Field("ringmill", min_length=1, description="of the jobs")
    timeout_seconds: float = Field(5.0, gt=0, le=60)
    parent: str | None = Field(
        None,
        pattern="^.+/[^/]+/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        description="NAMESPACE/JOB/RUN of what started the run, as Airflow's macro lineage_parent_id gives it",
    )

    @model_validator(mode="after")
    def _one_place(self) -> OpenLineage:
        if (self.path is None) == (self.url is None):
            raise ValueError("openlineage.path or openlineage.url, one of them")
        if self.key_variable is not None and self.url is None:
            raise ValueError("openlineage.key_variable with openlineage.url alone")
        return self
