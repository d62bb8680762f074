"""The command line: a file a command; each parses, calls a workflow of its name, and prints.

main           the group, exit codes
compress, export, validate, bench, inspect, doctor, selftest   a command each
completion     the command that has no workflow: what a shell needs
options        options that several commands share
knob_options   options that stand for knobs of a recipe
types, numbers, paths   what an argument may be
"""
