"""ClickTrain, for anybody's loop.

clicktrain   the object that users hold
plan_state   its decisions as plain values
"""
