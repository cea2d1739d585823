"""The core: everything that `divtool` computes. Never imports the command line, typer or rich."""
