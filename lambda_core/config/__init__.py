"""Settings: frozen models of a project's folder and of an environment, validated as a whole before anything runs.

Lives here: `project` and `sources` (what a project declares in YAML), `environment` (where it runs: addresses, folders, Spark),
`loading` (YAML to models, with errors that name file, key path, expected, found and the nearest valid name), `safe_yaml`.
Reads: `conf/`, and the environment variables that `environment` declares. Writes nothing.
"""
