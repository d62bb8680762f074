"""Recipes decided by a stopwatch.

trial         a network pruned at once by several recipes, exported and timed
tune_blocks   the finest block of each layer that costs no time
keep_faster   which layers stay dense
block_choice, layer_choice, choice_file   what was chosen, and where it is kept
"""
