"""What a command does, from its arguments to its report: one file or folder a command, of the same name.

compress             prune, fine-tune, export, judge: a folder of steps
export               pruned weights become an ONNX file
validate             whether an ONNX file is what it should be
bench                ONNX files side by side in one run
inspect_checkpoint   `cct inspect` on a checkpoint
inspect_onnx         `cct inspect` on an ONNX file
doctor               what this machine can do
doctor_model         whether a file runs on it
selftest             every case, then the speed
baseline_model       the unpruned model that validate compares with, of any kind of file
"""
