"""The command line: arguments in, text out; everything it does is done on lower floors."""
