"""Recipes decided by a stopwatch.

trial           a network pruned at once by several recipes, exported and timed
tune_blocks     the finest block of each layer that costs no time
choose_blocks   its rule
keep_faster     which layers stay dense
choose_layers   its rule
block_choice, layer_choice, choice_file   what was chosen, and where it is kept
"""
