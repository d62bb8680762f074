"""The training loop and what it stands on.

fine_tune      the loop
loss           of a step, with distillation and mixup
batchnorm      its statistics after a short run
progress       lines and a bar
evaluate       what a network answers, and how much is right
preflight      whether a network and images belong together
resume_state   what an interrupted run goes on from
run_identity   what tells one training from another
device, malloc   where it computes, and what it keeps of memory
"""
