"""Pictures as SVG, for the command line and for the pages of operators."""
