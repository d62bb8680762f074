"""`cct selftest`: the library on this machine against the operator's meaning, and against dense convolutions.

specs        the cases: at least one for each way through the library
case         a PatternConv call with values from a seed, what it means, and how far off an answer may be
run_case     such a call in ONNX Runtime, held to its meaning
chain        convolutions in a row, packed and dense
time_chain   how fast they are, one against the other
self_test    what was found, as Markdown and as JSON
"""
