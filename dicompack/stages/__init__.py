"""The stages of the pipeline, each with both directions."""
