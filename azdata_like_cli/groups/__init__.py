"""One module per group of commands; imported on use (see ``azdata_like_cli.tree``)."""
