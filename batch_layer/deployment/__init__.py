"""Deployment: a promoted version into the model store, verified there, and made current by one flip; and back.

Lives here: `deploy` (the flow, and its revert), `manifest` (candidate and verdict to the manifest of a version).
Reads: `candidates_<model>`, `verdicts_<model>`, the registry. Writes: the model store, the alias `champion`.
Does not belong here: judging (evaluation), loading and scoring (the core's models).
"""

from batch_layer.deployment.deploy import DeploymentReport, deploy, revert_model

__all__ = ["DeploymentReport", "deploy", "revert_model"]
