"""What the sources and the locks may not hold, read from them; what runs is tested where it stands."""

import ast
import re
from pathlib import Path

import pytest

from ringmill.config import load
from ringmill.errors import ConfigError, WarehouseError
from ringmill.lake.key import ROOT
from ringmill.lake.tables import Lake

REPOSITORY = Path(__file__).parents[1]
LOCKS = [REPOSITORY / "lib/ringmill/requirements.txt", *sorted((REPOSITORY / "scripts/lock").glob("*.txt"))]
SOURCES = [*sorted(ROOT.rglob("*.py")), *sorted((REPOSITORY / "jobs").rglob("*.py"))]
# What may run whatever a file holds. Sparks's own workers pickle what they are sent; nothing of it lies on a disk.
FORBIDDEN_MODULES = {"pickle", "dill", "joblib", "shelve", "marshal"}
FORBIDDEN_CALLS = {"eval", "exec", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "os.system"}


def calls(tree):
    return [(ast.unparse(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call)]


def keyword(node, name):
    return next((ast.unparse(one.value) for one in node.keywords if one.arg == name), None)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_nothing_that_is_read_can_bring_code_with_it(path):
    tree = ast.parse(path.read_bytes())
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not {name.partition(".")[0] for name in names} & FORBIDDEN_MODULES
    for name, node in calls(tree):
        assert name not in FORBIDDEN_CALLS
        assert keyword(node, "shell") != "True"
        if name in ("np.load", "numpy.load"):
            assert keyword(node, "allow_pickle") == "False"
        if name == "keras.saving.load_model":
            assert keyword(node, "safe_mode") == "True"
        assert "enable_unsafe_deserialization" not in name


def test_keras_models_are_loaded_at_one_place():
    assert [
        path.name
        for path in SOURCES
        for name, _ in calls(ast.parse(path.read_bytes()))
        if re.search(r"(saving|models)\.load_model", name)
    ] == ["saved.py"]


def packages(lock):
    """The lines of a lock that name a package, each with its hashes."""
    text = "\n".join(line for line in lock.read_text().splitlines() if not line.lstrip().startswith("#"))
    return [one for one in re.split(r"\n(?=\S)", text.strip()) if one]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_wheel_is_pinned_by_version_and_hash(lock):
    found = packages(lock)
    assert found
    for package in found:
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z,-]+\])?==\S+", package), package.splitlines()[0]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", package), package.splitlines()[0]


def test_every_install_from_a_lock_asks_for_the_hashes():
    scripts = "\n".join(
        path.read_text() for path in (REPOSITORY / "scripts").iterdir() if path.is_file() and path.suffix in ("", ".py")
    ).replace("\\\n", " ")
    installs = re.findall(r"^.*\bpip (?:sync|install|download|wheel)\b.*$", scripts, re.MULTILINE)
    assert len(installs) > 5
    # The others install what was built here, or this checkout itself.
    local = [line for line in installs if "--require-hashes" not in line]
    assert all(re.search(r'\.whl|-e "\$root"|"\$work/horovod-', line) for line in local), local


def test_every_jar_is_pinned_by_hash_and_the_hash_is_checked_before_it_is_used():
    lines = (REPOSITORY / "scripts/lock/jars.sha256").read_text().splitlines()
    assert len(lines) >= 2
    assert all(re.fullmatch(r"[0-9a-f]{64}  [\w.-]+\.jar", line) for line in lines)
    bootstrap = (REPOSITORY / "scripts/bootstrap").read_text()
    assert bootstrap.index('sha256sum --quiet -c "$delta_jars") ||') < bootstrap.index('cp -f "$cache/jars')


def test_no_lock_takes_packages_from_another_place_than_the_registry_that_the_machine_knows():
    for lock in LOCKS:
        assert not re.search(
            r"^\s*(--index-url|--extra-index-url|--find-links|-i |-f )|@ \w+://", lock.read_text(), re.MULTILINE
        )


SHOP = """
pipeline: shop
warehouse: lake
raw:
  path: raw
  columns: {order_id: o, product_id: p, quantity: q, unit_price: u, customer_id: c, ordered_at: t}
features: {train_cutoffs: [2024-05-01]}
"""
# What names a table, or a folder of models, under the warehouse.
NAMES = {
    "pipeline": "pipeline",
    "features.name": "features.name",
    "images": "images.name",
    "texts": "texts.name",
    "embeddings": "embeddings.name",
    "recommend": "recommend.name",
    "table": "table.name",
}


@pytest.mark.parametrize("name", ["../out", "/etc", "a/../../b", "..", "s3://other/a", "a\\nb", ""])
@pytest.mark.parametrize(("setting", "key"), NAMES.items())
def test_no_name_of_a_configuration_leads_out_of_the_warehouse(tmp_path, setting, key, name):
    path = tmp_path / "conf.yaml"
    path.write_text(SHOP, encoding="utf-8")
    value = f'"{name}"' if setting == key else f'{{name: "{name}", path: p}}'
    with pytest.raises(ConfigError) as caught:
        load(path, [f"{setting}={value}"])
    if setting in ("pipeline", "features.name", "images", "texts", "table"):
        assert key in caught.value.what


@pytest.mark.parametrize("path", ["../out", "/etc", "models/../../b", "..", "s3://other/a"])
def test_no_path_that_a_ledger_holds_leads_out_of_the_warehouse(path):
    with pytest.raises(WarehouseError, match="would lie outside of the warehouse"):
        Lake("/lake").path(path)
    assert Lake("/lake/").path("clean/rows") == "/lake/clean/rows"


@pytest.mark.ring
def test_a_model_that_brings_code_with_it_is_not_loaded(tmp_path):
    import keras

    from ringmill.train.saved import load_model

    model = keras.Sequential([keras.Input((1,)), keras.layers.Lambda(lambda x: x * 2, output_shape=(1,))])
    model.save(tmp_path / "model.keras")
    with pytest.raises(Exception, match=r"unsafe|safe_mode"):
        load_model(tmp_path / "model.keras")
