"""Pre-flight: each thing in the way of a start is one sentence."""

from __future__ import annotations

import hashlib
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyspark.resource import ResourceInformation

from handoff.tables import features_table, write_table
from ringmill.errors import TrainingError
from ringmill.train.facts import Facts, check_facts, find_facts, free_memory
from ringmill.train.launch.barrier import check_allocation, task_environment
from ringmill.train.peers import check_reachable
from ringmill.train.run import plan
from train.runs import spec_of

VERSIONS = {"python": "3.11.2", "keras": "3.15.1", "ringmill": "0123456789ab"}
FACTS = Facts(
    "a", "10.0.0.7", 1, VERSIONS, memory=1000, spec="s", folder_problem="", table_problem="", launcher="10.0.0.1"
)


def check(*facts: Facts, bytes_per_rank: int = 400, bytes_per_host: int = 0) -> None:
    shares = {"bytes_per_rank": bytes_per_rank, "bytes_per_host": bytes_per_host}
    check_facts(facts, folder="/run", spec="s", code="0123456789ab", **shares)


def test_equal_hosts_with_room_may_start() -> None:
    check(FACTS, FACTS, replace(FACTS, host="b", pid=7, launcher="127.0.0.1"))


@pytest.mark.parametrize(
    ("second", "sentence"),
    [
        (
            {"folder_problem": "No such file or directory: /run/spec.json"},
            r"rank 1 on host b cannot use the run folder",
        ),
        ({"spec": "other"}, r"/run \(another spec lies in it\)"),
        (
            {"table_problem": "Permission denied: /t/1"},
            "rank 1 on host b cannot read the table .Permission denied: /t/1",
        ),
        ({"versions": VERSIONS | {"keras": "3.14.0"}}, "keras is 3.15.1 on host a and 3.14.0 on host b"),
        ({"versions": VERSIONS | {"horovod": "0.28.1"}}, "horovod is none on host a and 0.28.1 on host b"),
        ({"address": "127.0.1.1"}, "host b knows itself as 127.0.1.1, where no other host reaches its ranks"),
        ({"address": ""}, "host b knows itself as nothing"),
        ({"memory": 399}, "1 ranks on host b need 400 bytes of memory, and 399 are free"),
    ],
)
def test_what_is_in_the_way_is_named(second: dict[str, Any], sentence: str) -> None:
    with pytest.raises(TrainingError, match=sentence) as caught:
        check(FACTS, replace(FACTS, **{"host": "b", **second}))
    assert caught.value.what.count("\n") == 0
    assert caught.value.what.startswith("Training cannot start: ")


def test_ranks_that_run_other_sources_than_the_driver_do_not_start() -> None:
    stale = replace(FACTS, versions=VERSIONS | {"ringmill": "ba9876543210"})
    with pytest.raises(TrainingError, match="Ringmill's sources ba9876543210, and the driver 0123456789ab"):
        check(stale, stale)


def test_ranks_of_one_host_meet_on_the_loopback_whatever_its_name_resolves_to() -> None:
    check(*[replace(FACTS, address="127.0.1.1")] * 2)


def test_memory_is_counted_for_all_ranks_of_a_host() -> None:
    check(FACTS, FACTS, bytes_per_rank=500)
    with pytest.raises(TrainingError, match="2 ranks on host a need 1,002 bytes"):
        check(FACTS, FACTS, bytes_per_rank=501)
    with pytest.raises(TrainingError, match="2 ranks on host a need 1,001 bytes"):
        check(FACTS, FACTS, bytes_per_rank=400, bytes_per_host=201)
    check(FACTS, replace(FACTS, host="b"), bytes_per_rank=400, bytes_per_host=600)


def test_a_process_finds_its_folder_its_spec_and_its_memory(tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_bytes(b"{}")
    facts = find_facts(tmp_path / "spec.json")
    assert (facts.spec, facts.folder_problem) == (hashlib.sha256(b"{}").hexdigest(), "")
    assert facts.versions["ringmill"] == find_facts(tmp_path / "spec.json").versions["ringmill"]
    assert {"python", "keras", "numpy"} <= set(facts.versions)
    assert 2**20 < facts.memory == pytest.approx(free_memory(), rel=0.5)
    assert [file.name for file in tmp_path.iterdir()] == ["spec.json"]


def test_pages_of_files_that_give_way_are_free_memory_in_a_control_group(tmp_path: Path) -> None:
    for name, text in {
        "max": "8000",
        "current": "7900",
        "stat": "anon 100\ninactive_file 7000\nactive_file 1\n",
    }.items():
        (tmp_path / f"memory.{name}").write_text(text)
    assert free_memory(tmp_path) == 7100
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory(tmp_path) > 7100
    assert free_memory(tmp_path / "none") > 7100


def test_a_folder_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    facts = find_facts(tmp_path / "nowhere" / "spec.json")
    assert facts.folder_problem == f"No such file or directory: {tmp_path / 'nowhere' / 'spec.json'}"


def test_a_table_whose_first_file_is_not_there_is_a_problem(tmp_path: Path) -> None:
    table = write_table(tmp_path / "table", features_table(20))
    job, _ = plan(spec_of(table, tmp_path, ranks=1))
    (tmp_path / "spec.json").write_bytes(job.to_bytes())
    assert find_facts(tmp_path / "spec.json").table_problem == ""
    first = Path(job.manifests["train"].files[0].path)
    first.unlink()
    assert find_facts(tmp_path / "spec.json").table_problem == f"No such file or directory: {first}"


def test_a_port_where_nobody_listens_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        check_reachable("127.0.0.1", port, host="a")
    with pytest.raises(TrainingError, match=f"host a cannot reach the rendezvous at 127.0.0.1:{port}"):
        check_reachable("127.0.0.1", port, host="a")


def test_a_rank_sees_the_gpus_of_its_task_and_no_others() -> None:
    found = task_environment({"gpu": ResourceInformation("gpu", ["3"])})
    assert found == {"CUDA_VISIBLE_DEVICES": "3", "RINGMILL_OWN_GPUS": "1"}
    assert task_environment({}) == {}


def test_dynamic_allocation_is_refused_by_name() -> None:
    check_allocation({"spark.dynamicAllocation.enabled": "false"})
    check_allocation({})
    with pytest.raises(TrainingError, match=r"spark\.dynamicAllocation\.enabled is true"):
        check_allocation({"spark.dynamicAllocation.enabled": "true"})
