"""A model file that runs in a child process: the process, what is said to it, its worker."""
