"""What looking at the broker costs those who use it: `python -m benchmarks.management`.

`rates` runs the same loads with histories kept and not, `under_load` asks the API while messages pass, `loop_time`
measures how long answers keep the loop, in this process, and `turns` the longest turn of it while very much is done.
"""
