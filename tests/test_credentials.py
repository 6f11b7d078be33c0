"""Addresses without their secrets: none of a drawn alphabet survives, and what holds none stays as it is."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ringmill.errors.credentials import without_credentials

BUCKETS = ("s3", "s3a", "s3n", "gs")
SCHEMES = (*BUCKETS, "abfs", "abfss", "wasbs", "http", "https", "hdfs", "ftp")
# 'K' stands in secrets alone; what else they are made of has a meaning in addresses.
SECRETS = st.text(alphabet="K7/:@?#&+%", min_size=1, max_size=12).map(lambda text: f"{text}K")
# Words around an address, as errors and configurations have them.
AROUND = st.sampled_from(["{}", "Cannot read '{}'", '{{"path": "{}", "by": "ann@example.org"}}', "{}, then x"])


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("s3://AKIA:wJalr/XUtn@bucket/x", "s3://bucket/x"),
        ("s3://AKIA:/7@bucket/x", "s3://bucket/x"),
        ("s3://AKIA:7/7@bucket/x", "s3://bucket/x"),
        ("https://u:p/w@h", "https://h"),
        ("https://u:p?w@h/x", "https://h/x"),
        ("https://u:p@h/x?mail=ann@example.org", "https://h/x?mail=***"),
        ("https://token@h/x@2", "https://h/x@2"),
        ("abfss://c@acct/p?client_id=i&client_secret=SECRET", "abfss://c@acct/p?client_id=***&client_secret=***"),
        ("abfss://c:SEC/RET@acct/p", "abfss://c@acct/p"),
        ("abfss://:SECRET@acct/c/p", "abfss://acct/c/p"),
        ("s3://b/x?region=eu&secret_key=k&k", "s3://b/x?region=eu&secret_key=***&***"),
        ("s3://b/x?endpoint_override=http://u:p@h:9000", "s3://b/x?endpoint_override=http://h:9000"),
        ("s3://b/x?endpoint_override=http%3A%2F%2Fu%3Ap%40h", "s3://b/x?endpoint_override=***"),
    ],
)
def test_law_10_what_opens_doors_is_not_shown_and_the_place_is(said, shown):
    assert without_credentials(said) == shown


@pytest.mark.parametrize(
    "said",
    [
        "abfss://container@acct.dfs.core.windows.net/p@q",
        "s3://b/x@y?region=eu&endpoint_override=localhost%3A9000&scheme=http",
        "hdfs://nn:8020/x@y",
        "hdfs://nn:8020,nn2:8020/a@b",
        "http://[::1]:8080/x@y",
        "k8s://https://host:6443/x@y",
        "s3://b/orders-?.csv",
        "file:///data/day=201?/x=1@2",
        "ann@example.org, 12:30",
    ],
)
def test_an_address_without_a_secret_stays_as_it_is(said):
    assert without_credentials(said) == said


@given(scheme=st.sampled_from(SCHEMES), secret=SECRETS, around=AROUND)
def test_law_10_no_password_survives_wherever_it_can_be_told_from_a_place(scheme, secret, around):
    # An '@' before a query may end the user, and digits up to a path be a port.
    assume(not re.search(r"@.*[?#]", secret))
    assume(scheme in BUCKETS or not re.match(r"\d+[/?#]|//", secret))
    shown = without_credentials(around.format(f"{scheme}://user:{secret}@host/x"))
    assert "K" not in shown
    assert "host/x" in shown


@given(scheme=st.sampled_from(SCHEMES), secret=SECRETS, around=AROUND, port=st.sampled_from(["", ":80"]))
def test_law_10_no_value_of_a_query_survives(scheme, secret, around, port):
    assume("#" not in secret and not (port and scheme in BUCKETS))
    shown = without_credentials(around.format(f"{scheme}://host{port}/x?client_secret={secret}&b=1"))
    assert "K" not in shown
    assert f"{scheme}://host{port}/x?client_secret=***" in shown


@given(
    scheme=st.sampled_from(SCHEMES),
    host=st.sampled_from(["host", "a.b-c.example.org", "[::1]"]),
    path=st.text(alphabet="ab/@:.=*-_", max_size=12),
    query=st.sampled_from(["", "region=eu-west-1", "scheme=http&region=eu", "?.csv", "[ab].csv"]),
)
def test_places_stay_as_they_are(scheme, host, path, query):
    assume("//" not in path and "://" not in path)
    assume(not (query and scheme in ("http", "https")) and not (host == "[::1]" and scheme in BUCKETS))
    said = f"{scheme}://{host}/{path}" + (f"?{query}" if query else "")
    assert without_credentials(said) == said


@given(st.text(alphabet="aK7/:@?#&= '", max_size=30), st.sampled_from(SCHEMES))
def test_what_was_shown_is_shown_again_as_it_is(text, scheme):
    shown = without_credentials(f"{scheme}://{text}")
    assert without_credentials(shown) == shown
