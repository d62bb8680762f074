"""What a result must reach.

goals     METRIC:KIND=LIMIT
metrics   a row a metric: its unit, which way is better, limits without sense
"""
