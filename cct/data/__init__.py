"""Where images come from, a file for each source; `cct.data.load_data.load_data` chooses.

digits         ships with the tool
folder         train/<class>/* and val/<class>/*
arrays         an .npz
function       of the user's own
split          what they all make: `Data`, of two splits
image_files    pixels that are decoded when asked for
memory_images  pixels that are in memory
wanted         what the options and the model ask for
"""
