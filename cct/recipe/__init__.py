"""Every knob of a run.

recipe       TOML in and out
pruning, training, images, export   the knobs of each section, a line a knob
knob         what such a line says
knob_value   the type of a value
blocks       another block for single layers
target       what cpu and cuda stand for
"""
