"""ClickTrain, for anybody's loop.

clicktrain   the object that users hold
schedule     when what goes
masks        which weights stay
plan_state   these decisions as plain values
summary      what became of each convolution
"""
