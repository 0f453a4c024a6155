"""Where a student's code runs: the trusted side; `inside` is what runs within."""
