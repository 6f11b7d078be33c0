import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from ringmill.config.rfm import Clusters
from ringmill.rfm.clusters import ClusterState, fit_state, with_cluster
from ringmill.rfm.kmeans import Fit, choose, elbow, fit_clusters, match_names, name_clusters, silhouette


def blobs(*, seed=3):
    """Four separate clouds of whole points, with weights."""
    draw = np.random.Generator(np.random.Philox(seed))
    middles = np.array([[0, 0, 0], [30, 0, 0], [0, 30, 0], [0, 0, 30]])
    points = np.unique(np.round(np.concatenate([draw.normal(m, 3, (60, 3)) for m in middles])), axis=0)
    return points, draw.integers(1, 5, len(points)).astype(float)


def test_clusters_are_as_good_as_scikit_learns_on_the_points_repeated_by_weight():
    points, weights = blobs()
    for k in (2, 3, 4, 6):
        ours = fit_clusters(points, weights, k, seed=1)
        theirs = KMeans(k, n_init=20, random_state=0).fit(points, sample_weight=weights)
        assert ours.inertia <= theirs.inertia_ * 1.01
        assert sorted(map(tuple, ours.centres)) == sorted({tuple(centre) for centre in ours.centres})


def test_the_silhouette_is_scikit_learns_with_squared_distances_on_the_points_repeated_by_weight():
    points, weights = blobs()
    cluster = KMeans(3, n_init=2, random_state=0).fit_predict(points)
    repeated = np.repeat(np.arange(len(points)), weights.astype(int))
    expected = silhouette_score(points[repeated], cluster[repeated], metric="sqeuclidean")
    assert silhouette(points, weights, cluster) == pytest.approx(expected, abs=1e-9)
    assert silhouette(points, weights, np.zeros(len(points), int)) == 0.0


def test_the_number_of_clusters_is_that_of_the_clouds():
    points, weights = blobs()
    fits = [fit_clusters(points, weights, k, seed=1) for k in range(2, 9)]
    assert len(fits[choose(fits)].centres) == 4


def test_the_elbow_comes_before_the_silhouette():
    assert elbow([100.0, 40.0, 35.0, 30.0]) == 1
    fits = [Fit(np.zeros((k, 3)), i, s) for k, i, s in [(2, 100, 0.9), (3, 40, 0.5), (4, 35, 0.6), (5, 30, 0.4)]]
    assert choose(fits) == 2
    assert choose(fits[:1]) == 0


def test_clusters_are_called_by_their_centre_and_told_apart_by_worth():
    centres = np.array([[-1, 1, 1], [-1, 0, 0], [-1, -1, -1], [1, 1, 1], [1, 0, 0], [1, -2, -2], [2, -1, -1]], float)
    names = name_clusters(centres)
    assert names == ["high-value", "potential", "new", "slipping away", "fading", "lost 2", "lost"]


def test_a_name_follows_the_last_runs_nearest_centre_and_a_far_one_is_named_anew():
    last = np.array([[0, 0, 0], [5, 5, 5]], float)
    now = np.array([[5.1, 5, 5], [0.1, 0, 0], [-9, -9, -9]], float)
    names = match_names(now, ["new", "potential", "lost"], last, ["lost", "high-value"])
    assert names == ["high-value", "lost", "lost 2"]
    assert match_names(now, ["a", "b", "c"], last[:0], []) == ["a", "b", "c"]


def customers_of(spark, rows):
    schema = "customer_id string, days_since_last_order int, order_count long, spend_net double, "
    schema += "order_count_net long, days_since_last_order_net int"
    return spark.createDataFrame([(*row, None, None) for row in rows], schema)


GROUPS = [("good", 3, 30, 4000.0), ("fresh", 5, 1, 20.0), ("away", 300, 1, 20.0)]
ROWS = [
    (f"{name} {i}", days + i % 3, orders + i % 2, spend + 3 * i)
    for name, days, orders, spend in GROUPS
    for i in range(20)
]


@pytest.mark.spark
@pytest.mark.parametrize("section", [{"k_least": 2, "k_most": 6}, {"k": 3, "scale": "linear"}], ids=["log", "linear"])
def test_customers_take_the_nearest_centre_and_neither_rows_nor_partitions_matter(spark, section):
    customers, section = customers_of(spark, ROWS), Clusters(**section)
    state = fit_state(customers, section, seed=1)
    named = {row["customer_id"]: row["cluster"] for row in with_cluster(customers, state).collect()}
    assert {row["customer_id"].split()[0]: named[row["customer_id"]] for row in customers.collect()} == {
        "good": "high-value",
        "fresh": "new",
        "away": "lost",
    }
    assert len(set(named.values())) == 3
    measured = np.array([row[1:] for row in ROWS], float)
    scaled = measured if section.scale == "linear" else np.log1p(measured)
    assert state.means == pytest.approx(scaled.mean(axis=0), rel=1e-9)
    assert state.deviations == pytest.approx(scaled.std(axis=0), rel=1e-9)
    shuffled = customers_of(spark, ROWS[::-1]).repartition(7)
    assert fit_state(shuffled, section, seed=1) == state
    assert ClusterState.from_json(state.to_json()) == state


@pytest.mark.spark
def test_names_stay_when_all_customers_grow(spark):
    state = fit_state(customers_of(spark, ROWS), Clusters(k=3), seed=1)
    called = {**state.to_json(), "names": ["one", "two", "three"]}
    grown = [(name, days, orders + 2, spend * 1.3) for name, days, orders, spend in ROWS]
    again = fit_state(customers_of(spark, grown), Clusters(k=3), seed=2, last=called)
    before, after = (
        {row["customer_id"]: row["cluster"] for row in with_cluster(customers_of(spark, rows), of).collect()}
        for rows, of in ((ROWS, ClusterState.from_json(called)), (grown, again))
    )
    assert before == after
    assert set(after.values()) == {"one", "two", "three"}


@pytest.mark.spark
def test_fewer_different_customers_than_clusters_have_none(spark):
    customers = customers_of(spark, ROWS[:1])
    state = fit_state(customers, Clusters(k=3), seed=1)
    assert state is None
    assert with_cluster(customers, state).first()["cluster"] is None
    assert fit_state(customers.limit(0), Clusters(), seed=1) is None
