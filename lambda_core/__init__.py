"""What all layers share: definitions, states, views, models, settings, and the frame that runs a stage.

Lives here: pure rooms (features, views, schemas, cleaning, models) and the ports with their adapters (repositories).
Reads and writes: nothing at import; adapters are built by `bootstrap`, lazily.
Does not belong here: anything that knows one layer, one project, or one data set.
"""
