"""What a lake's manifests say, and what is to be done about it: the same code in every image."""
