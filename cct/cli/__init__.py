"""The command line: a file a command; each parses, calls a workflow of its name, and prints.

main        the group, exit codes
options     options that several commands share
types, numbers, paths   what an argument may be
"""
