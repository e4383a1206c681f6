"""Where settings come from: defaults, a file, the environment, options of the command line."""
