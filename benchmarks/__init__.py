"""Every figure of README and docs, each by a command.

accuracy, gpu, speed, training   a command each: `python -m benchmarks.speed`
networks                         commands of its own: `python -m benchmarks.networks.foreign`
engines                          no command: what runs a model in a process of its own, for the others
"""
