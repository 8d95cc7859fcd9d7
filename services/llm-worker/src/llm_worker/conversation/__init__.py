"""What was said before: kept by thread and person, summarised when long, forgotten on request."""
