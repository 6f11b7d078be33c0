"""Cleaning rules as data: what a rule checks, what it does with a row that violates it, and what cannot go together."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ringmill.contracts import STATUSES

Action = Literal["reject", "fix", "flag"]
OrderColumn = Literal[
    "line_id",
    "order_id",
    "product_id",
    "description",
    "quantity",
    "unit_price",
    "customer_id",
    "country",
    "ordered_at",
    "known_at",
]
TextStep = Literal["whitespace", "nfc", "nfkc", "html", "lower", "upper", "punctuation", "stop_words"]
NAME = "^[a-z][a-z0-9_]*$"
NUMBERS = ("quantity", "unit_price")
INSTANTS = ("ordered_at", "known_at")
# Without one of these a row says nothing; a text in one of them that cannot be read makes the row unreadable.
NEEDED = (*NUMBERS, *INSTANTS)
NUMBER_TYPES = ("bigint", "double")
INSTANT_TYPES = ("timestamp", "date")
OWN_TYPES = (
    dict.fromkeys(get_args(OrderColumn), "string")
    | {"quantity": "bigint", "unit_price": "double"}
    | dict.fromkeys(INSTANTS, "timestamp")
)
# By type of a column what a constant for it is, and how it is called.
CONSTANTS: dict[str, tuple[tuple[type, ...], str]] = {
    "bigint": ((int,), "a whole number"),
    "double": ((int, float), "a number"),
    "string": ((str,), "a text"),
    "boolean": ((bool,), "true or false"),
}

# Reasons that cleaning gives without a rule.
RESERVED = (
    "torn_line",
    "exact_duplicate",
    "key_duplicate",
    "similar_key_duplicate",
    "superseded_by_key",
    "superseded_by_similar_key",
)
# With them, and 'unreadable_' before a column's name: all that cleaning says of a row by itself.
OWN_MARKS = (
    *RESERVED,
    *(f"missing_{name}" for name in NEEDED),
    "non_product",
    "repaired_encoding",
    "late_arrival",
)


class Section(BaseModel):
    """A frozen section; an unknown key is an error."""

    # Values may be keys: pydantic's own words, which stand in a trace, say none.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Outlier(Section):
    """Bounds from a column's own values; what lies on a bound is inside.

    `zscore`: mean ± `factor` population standard deviations (default 3). `iqr`: from the lower quartile −
    `factor` × (upper − lower) to the upper quartile + as much (default 1.5). `percentile`: from the quantile `low` to
    the quantile `high`. Quantiles are exact, interpolated linearly. Where the spread (deviation, distance of the
    quartiles or quantiles) is 0, as for one row or none, there are no bounds: nothing is an outlier. Bounds in pieces
    are rounded outward to whole ones.
    """

    by: Literal["zscore", "iqr", "percentile"]
    factor: float | None = Field(None, gt=0)
    low: float = Field(0.01, ge=0, le=1)
    high: float = Field(0.99, ge=0, le=1)

    @model_validator(mode="after")
    def _fits(self) -> Outlier:
        if self.by == "percentile" and self.factor is not None:
            raise ValueError("an outlier by percentile with 'low' and 'high', without 'factor'")
        if self.by != "percentile" and self.model_fields_set & {"low", "high"}:
            raise ValueError(f"an outlier by {self.by} with 'factor', without 'low' and 'high'")
        if self.low >= self.high:
            raise ValueError("an outlier's 'low' below its 'high'")
        return self


class Reference(Section):
    """Another table, whose `column` holds the values that may occur; read as raw input is."""

    path: str
    column: str
    format: Literal["auto", "csv", "jsonl", "parquet", "delta"] = "auto"
    delimiter: str = ","


class Rule(Section):
    """A rule over one row; the row carries `name` among its reasons or flags where the rule is violated.

    Exactly one check: `required` (not null), `minimum`/`maximum` (inclusive), `allowed`/`forbidden` (sets, case
    ignored), `pattern` (Java regular expression, whole value), `outlier` (bounds from the column's own values, or from
    those of its `group`), `min_length`/`max_length` (characters, inclusive), `text` (the value is already what its
    steps make of it), `references` (the value is in another table, case ignored), `unique` (no other row that stays has
    the same values in these columns; every row that shares them violates the rule), or `violated_when`, an expression
    in Spark SQL over the row's own typed columns: a window, an aggregate, a subquery, chance or the present time in it
    is refused, in all modes. All but `required` and `violated_when` hold for a null.

    Action `fix` changes the value and flags the row: a missing value becomes `constant` or the statistic `fill` (of
    its `group`, where columns are named), a value beyond a bound (an outlier's too) becomes the bound, one outside a
    set, pattern or length becomes `constant`, and a text what the steps of `text` make of it, in their order:
    `whitespace` (one space for any run, none at the ends), `nfc` and `nfkc` (Unicode normal forms), `html` (entities; a
    text with the number of no character, such as `&#9999999;`, stays as it is), `lower`, `upper`, `punctuation` (a
    space for each run), `stop_words` (those of the rule, whole words). `fill: forward` takes the value of the line of
    the `group` that became known last before it, if one has a value. Fixes come before all other rules, in their order
    (forward fills after the others), and those judge the fixed values.
    """

    name: str = Field(pattern=NAME)
    action: Action = "reject"
    column: str | None = Field(None, description="one of ours that is mapped, or one of raw.extras")
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    pattern: str | None = None
    outlier: Outlier | None = None
    min_length: int | None = Field(None, ge=1)
    max_length: int | None = Field(None, ge=0)
    text: tuple[TextStep, ...] = ()
    stop_words: tuple[str, ...] = ()
    references: Reference | None = None
    unique: tuple[str, ...] = ()
    violated_when: str | None = None
    constant: bool | int | float | str | None = None
    fill: Literal["mean", "median", "mode", "forward"] | None = Field(
        None,
        description="'mean' and 'median' of numbers, 'mode' of numbers and texts: fitted once per table and kept; "
        "'forward': the last value before it in its group",
    )
    group: tuple[str, ...] = Field((), description="columns whose values have a statistic, or a last value, each")

    @property
    def is_bound(self) -> bool:
        return self.minimum is not None or self.maximum is not None

    @property
    def has_length(self) -> bool:
        return self.min_length is not None or self.max_length is not None

    @property
    def is_fitted(self) -> bool:
        """Whether the rule needs a statistic of a batch's values."""
        return self.fill in ("mean", "median", "mode") or self.outlier is not None

    @property
    def is_order_free(self) -> bool:
        """Whether what a rule makes of a row is the same whichever batch the row and others came in.

        A forward fill takes its value from other rows: one that arrives later, with an earlier known time, changes it.
        A condition that looks at other rows never comes so far: it is refused when Spark has resolved it.
        """
        return self.fill != "forward"

    @model_validator(mode="after")
    def _name_of_its_own(self) -> Rule:
        # One mark would stand for both: a condition of the rule's own would be lost, or a gate read the wrong count.
        if self.name in (*OWN_MARKS, *STATUSES, "unreadable") or self.name.startswith("unreadable_"):
            own = "statuses, reasons or flags"
            raise ValueError(f"rules with names that are no {own} of Ringmill's own, unlike '{self.name}'")
        return self

    @model_validator(mode="after")
    def _one_check(self) -> Rule:
        checks = [
            self.required,
            self.is_bound,
            bool(self.allowed),
            bool(self.forbidden),
            self.pattern is not None,
            self.outlier is not None,
            self.has_length,
            bool(self.text),
            self.references is not None,
            bool(self.unique),
            self.violated_when is not None,
        ]
        by_row = self.violated_when is not None or bool(self.unique)
        if sum(checks) != 1 or by_row == (self.column is not None):
            raise ValueError(f"rule '{self.name}' with a column and one check, or with violated_when or unique alone")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"rule '{self.name}' with a minimum that is at most its maximum")
        return self

    @model_validator(mode="after")
    def _one_fix(self) -> Rule:
        given = (self.constant is not None) + (self.fill is not None)
        if self.action != "fix" and given:
            raise ValueError(f"rule '{self.name}' with action: fix, which alone uses 'constant' and 'fill'")
        if self.group and not self.is_fitted and self.fill != "forward":
            raise ValueError(f"rule '{self.name}' with a statistic for its group")
        if self.fill == "forward" and not self.group:
            raise ValueError(f"rule '{self.name}': 'fill: forward' with the 'group' whose last value is taken")
        if ("stop_words" in self.text) != bool(self.stop_words):
            raise ValueError(f"rule '{self.name}': the step 'stop_words' and a list of that name, or neither")
        if self.column in self.group:
            raise ValueError(f"rule '{self.name}' with a group of other columns than its own")
        if self.action == "fix":
            self._check_fix(given)
        # The types of other columns stand in raw.extras: the whole configuration checks those.
        if self.column in OWN_TYPES:
            check_type(self, OWN_TYPES[str(self.column)])
        return self

    def _check_fix(self, given: int) -> None:
        if self.references is not None or self.unique:
            raise ValueError(f"rule '{self.name}': 'references' and 'unique' with action reject or flag")
        if self.column is None:
            raise ValueError(f"rule '{self.name}': action 'fix' on a column of numbers or texts")
        is_complete = self.is_bound or self.outlier is not None or bool(self.text)
        if given != (0 if is_complete else 1):
            needs = "nothing but its bounds or steps" if is_complete else "either 'constant' or 'fill'"
            raise ValueError(f"rule '{self.name}': action 'fix' with {needs}")
        if self.fill is not None and not self.required:
            raise ValueError(f"rule '{self.name}': 'fill' with 'required: true'")


def check_type(rule: Rule, kind: str) -> None:
    """Check that the rule fits the type of its column.

    Raises:
        ValueError: it does not; the text says what would.
    """
    name, is_number = f"rule '{rule.name}'", kind in NUMBER_TYPES
    if (rule.text or rule.has_length or rule.references is not None) and kind != "string":
        raise ValueError(f"{name}: 'text', lengths and 'references' on a column of texts")
    if (
        (rule.pattern is not None or rule.allowed or rule.forbidden)
        and kind != "string"
        and rule.column not in OWN_TYPES
    ):
        raise ValueError(f"{name}: 'pattern', 'allowed' and 'forbidden' on a column of texts")
    if rule.outlier is not None and not is_number:
        raise ValueError(f"{name}: 'outlier' on one of {', '.join(NUMBERS)} or an extra that is a number")
    if rule.action == "fix" and kind in INSTANT_TYPES:
        raise ValueError(f"{name}: action 'fix' on a column of numbers or texts, or of truth values")
    if rule.fill in ("mean", "median") and not is_number:
        raise ValueError(f"{name}: 'fill: {rule.fill}' on one of {', '.join(NUMBERS)} or an extra that is a number")
    if rule.fill == "mode" and kind == "boolean":
        raise ValueError(f"{name}: 'fill: mode' on a column of numbers or texts")
    if rule.constant is not None:
        kinds, called = CONSTANTS[kind]
        is_truth = isinstance(rule.constant, bool)
        if not isinstance(rule.constant, kinds) or (is_truth and kind != "boolean"):
            raise ValueError(f"{name}: a constant that is {called}, as {rule.column} is")
