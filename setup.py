"""How the project is packaged: its rooms, its one command, and the Python it needs.

The versions it runs on are in `requirements.lock`, which `make setup` installs; so nothing is required here twice.
"""

from setuptools import find_packages, setup

ROOMS = ["lambda_core", "batch_layer", "speed_layer", "serving_layer", "jobs", "local_stack", "demo"]

setup(
    name="mainstem",
    version="0.1.0",
    description="A Lambda-architecture machine-learning data system on Spark",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=[name for room in ROOMS for name in (room, f"{room}.*")]),
    package_data={room: ["**/*.lua", "**/*.sql", "**/*.sh", "**/*.properties", "py.typed"] for room in ROOMS},
    entry_points={"console_scripts": ["mainstem = jobs.cli:main"]},
    zip_safe=False,
)
