"""Models as they are carried and asked: a manifest, verified ONNX bytes, and the one scorer of batch and stream.

Lives here: `manifest` (what a model version says of itself), `artefact` (is it what the manifest says?), `scoring`
(ONNX to probabilities), `pointer` (which version answers), `deployed` (that version, loaded, and why another was
refused).
Reads: bytes and manifests from a model store. Writes nothing.
Does not belong here: training and judging (batch layer); anything that needs Spark, MLflow or the library that
trained a model.
"""
