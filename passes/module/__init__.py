"""Passes over torch modules: which weights go.

prunable          which convolutions may be pruned
check_blocks      whether blocks that a recipe gives to single layers have layers
importance        how much each weight matters: an object for each importance
tiling            how a weight is tiled: channels that share patterns and connectivity
group_channels    like channels into one block
choose_pool       which patterns a model may use
choose_patterns   the best of them for every block
allocate          how much each layer keeps: a function for each rule
choose_kernels    connectivity: which blocks of kernels stay
plan_masks        all of it: from importance to masks
lasso             the group lasso that eases out what will be cut
"""
