"""What is measured of files and networks, one file a figure.

clock           what a run took, and how long its threads waited for a core
ratio           how many times faster: the one place where a ratio of times is made
measure_model   all of a file in one call, for compress and validate
speed           packed against dense, as compress and validate tell it
interleaved     ONNX files timed in turns, in one run
profile         where the time of a run goes, by ONNX Runtime's profile
layer_times     what each packed layer costs within its network, and what it costs dense
run_session     images through a session, and whether each answer is finite
run_module      images through a torch module
model_input     what a file says of the images that it takes; how two models are fed that are compared
accuracy        of a session, with the images that have no finite answer
images          which images parity is looked at
parity          do all ways to run a file agree?
proof           did the library run it?
judgeable       do a file's answers to some images say anything about its answers to others?
"""
