"""`cct compress`, from a checkpoint to checked files: each step is a file of its name.

steps            the list
request          what is asked for
read_inputs      networks and images, checked
choose_recipe    the recipe, after what a stopwatch decides
train_network    pruning while it is fine-tuned
export_files     packed and dense ONNX
judge            figures and goals
outputs          where the files go
run_folder       where a run keeps what is not finished, and what it goes on from
working_folder   the hidden folder itself
"""
