"""Every knob of a run.

recipe       TOML in and out
blocks       another block for single layers
target       what cpu and cuda stand for
knob_value   what a knob may be
"""
