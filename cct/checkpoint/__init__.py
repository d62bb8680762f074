"""What MODEL can be, and how it is read safely.

Each step is a file:

    read_file      bytes -> tensors, numbers and text; executes nothing unless the user trusts the file
    recognize      what a file is that is no checkpoint
    check_pickle   what torch's reader does not check
    find_weights   which part of a training checkpoint holds the weights
    build_network  --arch and --arch-arg -> nn.Module
    fit_weights    weights into the network, or why they do not fit
    own_format     the checkpoints that cct writes
    loaded_model   what comes of it
    load_model     all of it, in order
    random_images  input for such a network
"""
