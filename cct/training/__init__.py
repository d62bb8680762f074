"""The training loop and what it stands on.

fine_tune      the loop
preflight      whether a network and images belong together
resume_state   what an interrupted run goes on from
run_identity   what tells one training from another
device, malloc   where it computes, and what it keeps of memory
"""
