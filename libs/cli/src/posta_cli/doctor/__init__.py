"""`posta doctor`: what is wrong with this machine, this configuration and this system."""
