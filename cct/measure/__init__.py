"""What is measured of files and networks, one file a figure.

clock          what a run took, and how long its threads waited for a core
ratio          how many times faster: the one place where a ratio of times is made
measure_model  all of a file in one call, for compress and validate
speed          packed against dense, as compress and validate tell it
interleaved    ONNX files timed in turns, in one run
run_session    images through a session, and whether each answer is finite
accuracy       of a session, with the images that have no finite answer
images         which images parity is looked at
parity         do all ways to run a file agree?
proof          did the library run it?
"""
