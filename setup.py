"""Ringmill's package: the library under lib/, its console script and its extras."""

from setuptools import find_packages, setup

setup(
    name="ringmill",
    version="0.1.0",
    description="A batch refinery: Spark cleans and measures, Horovod trains, the model scores the next batch.",
    license="Apache-2.0",
    python_requires="==3.11.*",
    package_dir={"": "lib"},
    packages=find_packages("lib"),
    package_data={"ringmill": ["py.typed", "requirements.txt", "report/*.html", "report/*.css", "lake/*.properties"]},
    install_requires=[
        "delta-spark==4.4.0",
        "deltalake==1.6.6",
        "jinja2",
        "numpy==2.4.6",
        "pandas<3",
        "pillow",
        "plotly",
        "psutil",
        "pyarrow",
        "pydantic>=2",
        "pyspark==4.2.0",
        "pyyaml",
        "rich",
        "scikit-learn",
        "scipy",
        "typer",
        "tzdata",
    ],
    extras_require={
        # Horovod is not listed: no published wheel works with this TensorFlow, scripts/bootstrap builds it.
        "train": ["tensorflow-cpu==2.21.0", "keras==3.15.1", "cloudpickle", "packaging"],
        "gpu": ["tensorflow[and-cuda]==2.21.0", "keras==3.15.1", "cloudpickle", "packaging"],
        "mlflow": ["mlflow-skinny>=3,<4"],
        "dev": ["hypothesis", "mypy", "pandas-stubs", "pytest", "pytest-xdist", "ruff", "types-PyYAML", "types-psutil"],
    },
    entry_points={"console_scripts": ["ringmill=ringmill.cli:command"]},
)
