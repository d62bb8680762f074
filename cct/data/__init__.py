"""Where images come from, a file for each source.

load_data       chooses the source that `--data` names
digits          ships with the tool
folder          train/<class>/* and val/<class>/*
arrays          an .npz
function        of the user's own
split           what they all make: `Data`, of two splits
image_files     pixels that are decoded when asked for
memory_images   pixels that are in memory
class_names     how many classes there may be, and what their names may hold
wanted          what the options and the model ask for
"""
