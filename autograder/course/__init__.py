"""Everything of one course on disk: its folder, gradebook, feedback and reports."""
