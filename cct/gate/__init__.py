"""What a result must reach.

goals   METRIC:KIND=LIMIT
"""
